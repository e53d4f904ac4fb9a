// A device that is not the CPU, for machines without one: memory of its own that only its
// operations may touch, so that a tensor left on the CPU is found. It takes the place of a kind of
// device for which this libtorch has no code (HPU); the CPU computes each operation on copies. Only
// for a program of its own: libtorch sees an accelerator from then on, runs backward passes in
// threads and refuses them after a fork.
#pragma once

#include "core/torch.h"

namespace lethe {

/// Its memory is booked in the ledger of device memory, as a GPU's.
const at::Device& other_device();

}  // namespace lethe
