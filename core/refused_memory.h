// Host memory that could not be had, with the account of that moment. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"

namespace lethe {

/// An allocation that could not be had.
class OutOfMemory : public Error {
 public:
  using Error::Error;
  ~OutOfMemory() override;
};

/// From now on an allocation fails where more than `bytes` would live in tensors; 0 = as much as
/// the machine has. A large allocation also fails where the machine has too little left, in place
/// of the system ending the process when it is written to.
void limit_memory(int64_t bytes);

/// Throws OutOfMemory with the account, before an allocation of so many bytes that would fail.
void admit_memory(int64_t bytes);

/// What the system says that can be had without swapping, in bytes; no bound where it says nothing.
int64_t available_memory();

/// What the last allocation that failed since reset_phases() asked for, the phase, and the bytes
/// that lived then by category; empty where none has. One line, for the user.
std::string refused_memory();

}  // namespace lethe
