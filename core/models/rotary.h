// Rotary positions (Su et al. 2021, arXiv:2104.09864).
#pragma once

#include "core/torch.h"

namespace lethe {

/// x (B, heads, T, d) with value i of a head turned with value i + d / 2 (Hugging Face's order) by
/// the angles whose cosines and sines (B or 1, 1, T, d) are given, both halves of them alike. On
/// the CPU one loop, whose result is laid out as (B, T, heads, d) and which keeps cosines and sines
/// alone; its gradient has no graph of its own.
Tensor rotated(const Tensor& x, const Tensor& cos, const Tensor& sin);

}  // namespace lethe
