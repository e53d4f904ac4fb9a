// Fetching ahead for core/kernels/update_loop.h: internal linkage for the same reason.
#pragma once

#include "core/kernels/prefetch.h"
#include "core/kernels/update_isa.h"

namespace lethe::kernels {
namespace {

/// What the block at `start` will read. So many streams are more than processors follow by
/// themselves.
inline void prefetch_block(const Update& step, int64_t start, int64_t n) {
  prefetch(step.value + start, n);
  prefetch(step.gradient + start, n);
  if (step.first != nullptr) prefetch(step.first + start, n);
  if (step.second != nullptr) prefetch(step.second + start, n);
  for (int t = 0; t < step.terms; ++t) {
    prefetch(step.term[t].anchor + start, n);
    if (step.term[t].importance != nullptr) prefetch(step.term[t].importance + start, n);
  }
  for (int p = 0; p < step.paths; ++p) prefetch(step.path[p].path + start, n);
}

}  // namespace
}  // namespace lethe::kernels
