#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "core/kernels/update_isa.h"
#include "tests/update_case.h"

namespace lethe::kernels {
namespace {

using Step = double (*)(const Update&);

struct Outcome {
  std::string bits;
  double penalty;
  bool operator==(const Outcome& other) const {
    return bits == other.bits && std::memcmp(&penalty, &other.penalty, sizeof penalty) == 0;
  }
};

template <class Adjust>
Outcome outcome(Step run, int64_t n, Optimizer optimizer, int terms, int paths, Adjust adjust) {
  Case arrays(n, 7);
  Update step = arrays.step(optimizer, terms, paths);
  adjust(step);
  const double penalty = run(step);
  return {arrays.bits(), penalty};
}

template <class Adjust>
void check_all_paths_agree(Adjust adjust) {
  for (const int64_t n : {0, 1, 15, 16, 17, 511, 512, 4099}) {
    for (const auto optimizer : {Optimizer::sgd, Optimizer::adam, Optimizer::adamw}) {
      for (int shape = 0; shape < 9; ++shape) {
        const int terms = shape / 3, paths = shape % 3;
        CAPTURE(n, static_cast<int>(optimizer), terms, paths);
        const Outcome plain = outcome(update_reference, n, optimizer, terms, paths, adjust);
        CHECK(outcome(update_avx2, n, optimizer, terms, paths, adjust) == plain);
        CHECK(outcome(update, n, optimizer, terms, paths, adjust) == plain);
        if (has_avx512()) {
          CHECK(outcome(update_avx512, n, optimizer, terms, paths, adjust) == plain);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("every instruction set gives the bits of the plain loop", "[update]") {
  check_all_paths_agree([](Update&) {});
}

TEST_CASE("bits agree without momentum, at step 1 and with the gradient kept", "[update]") {
  check_all_paths_agree([](Update& step) {
    step.momentum = 0;
    step.zero_gradient = false;
  });
  check_all_paths_agree([](Update& step) {
    step.step = 1;
    step.gradient_scale = 1;
  });
}

TEST_CASE("bits agree with a further penalty's gradient", "[update]") {
  const Case other(4099, 8);
  check_all_paths_agree([&](Update& step) { step.added = other.added.data(); });
}

TEST_CASE("a penalty that is not wanted is 0, and changes no bit", "[update]") {
  check_all_paths_agree([](Update& step) { step.summed = false; });
  const auto wanted = outcome(update, 1000, Optimizer::adam, 2, 1, [](Update&) {});
  const auto not_wanted =
      outcome(update, 1000, Optimizer::adam, 2, 1, [](Update& step) { step.summed = false; });
  CHECK(wanted.bits == not_wanted.bits);
  CHECK(wanted.penalty > 0);
  CHECK(not_wanted.penalty == 0);
}

TEST_CASE("a term of strength 0 changes no bit", "[update]") {
  for (const auto optimizer : {Optimizer::sgd, Optimizer::adam, Optimizer::adamw}) {
    const auto none = outcome(update, 1000, optimizer, 0, 1, [](Update&) {});
    const auto zero = outcome(update, 1000, optimizer, 2, 1, [](Update& step) {
      step.term[0].strength = step.term[1].strength = 0;
    });
    CHECK(none == zero);
    CHECK(zero.penalty == 0);
  }
}

TEST_CASE("LETHE_ISA forces an instruction set that the processor has", "[update]") {
  CHECK(choose_avx512(nullptr, true));
  CHECK_FALSE(choose_avx512("", false));
  CHECK_FALSE(choose_avx512("avx2", true));
  CHECK(choose_avx512("avx512", true));
  CHECK_THROWS_WITH(choose_avx512("sse", true), "LETHE_ISA is 'sse'; expected avx2 or avx512");
  CHECK_THROWS_WITH(choose_avx512("avx512", false),
                    "LETHE_ISA is avx512, which this processor lacks; unset it or set it to avx2");
}

TEST_CASE("the instruction set in use has a name", "[update]") {
  CHECK((instruction_set() == std::string("avx2") || instruction_set() == std::string("avx512")));
}

}  // namespace lethe::kernels
