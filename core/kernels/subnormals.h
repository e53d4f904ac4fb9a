// What becomes of numbers too small for float's normal range, below 1.2e-38.
#pragma once

#include <xmmintrin.h>

namespace lethe::kernels {

/// While it lives, subnormal operands and results of this thread's float and double arithmetic are
/// zero (the processor's FTZ and DAZ). Moments of weights whose gradient is always zero decay into
/// that range, and an operation on one takes an Intel core some 150 cycles. Threads made meanwhile
/// keep it.
class FlushSubnormals {
 public:
  FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlush); }
  ~FlushSubnormals() { _mm_setcsr(before_); }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  static constexpr unsigned kFlush = 0x8040;  // FTZ | DAZ
  unsigned before_;
};

}  // namespace lethe::kernels
