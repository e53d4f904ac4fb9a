#include "core/kernels/isa.h"

#include <cstdlib>
#include <string>

#include "core/error.h"

namespace lethe::kernels {

bool choose_avx512(const char* forced, bool offered) {
  if (forced == nullptr || *forced == '\0') return offered;
  const std::string name = forced;
  if (name == "avx2") return false;
  if (name != "avx512") fail("LETHE_ISA is '{}'; expected avx2 or avx512", name);
  if (!offered) fail("LETHE_ISA is avx512, which this processor lacks; unset it or set it to avx2");
  return true;
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

bool use_avx512() {
  static const bool chosen = choose_avx512(std::getenv("LETHE_ISA"), has_avx512());
  return chosen;
}

}  // namespace lethe::kernels
