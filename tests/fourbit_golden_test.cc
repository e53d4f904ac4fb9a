// What 4-bit formats lose on normal values and what their scales take.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/formats/fourbit_tensor.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

struct NormalLoss {
  FourBit format;
  int64_t block;
  double mean, mean_deviation, relative, relative_deviation;
};

/// bitsandbytes' own expectations: means and standard deviations over 200 draws of 2^20 normal
/// values (tests/test_functional.py, test_4bit_quant, at commit 95f9af3). The spec has the means of
/// |error| of NF4, and of both formats in blocks of 64 (quantization.md, G4).
constexpr NormalLoss kNormalLosses[] = {
    {FourBit::nf4, 32, 0.067746, 0.000069, 0.189726, 0.000304},
    {FourBit::nf4, 64, 0.072798, 0.000074, 0.203339, 0.000340},
    {FourBit::nf4, 128, 0.076831, 0.000091, 0.215237, 0.000391},
    {FourBit::nf4, 256, 0.080337, 0.000102, 0.226105, 0.000398},
    {FourBit::nf4, 1024, 0.086610, 0.000187, 0.245370, 0.000600},
    {FourBit::nf4, 4096, 0.092547, 0.000360, 0.262473, 0.000999},
    {FourBit::fp4, 64, 0.096543, 0.000111, 0.260125, 0.000379},
};

struct MeasuredLoss {
  double mean = 0, relative = 0, root = 0;
};

/// Means of |error| and of |error| / (|x| + 1e-8), and the root of squared errors over squared x.
MeasuredLoss measured_loss(FourBit format, const std::vector<float>& x, int64_t block) {
  const auto q = four_bit_case(format, x, block);
  MeasuredLoss loss;
  double errors = 0, squares = 0;
  const auto n = static_cast<double>(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double error = std::fabs(double{q.values[i]} - x[i]), size = std::fabs(double{x[i]});
    loss.mean += error / n;
    loss.relative += error / (size + 1e-8) / n;
    errors += error * error;
    squares += size * size;
  }
  loss.root = std::sqrt(errors / squares);
  return loss;
}

/// Bytes of codes and scales, the offset among them; what a tensor has once, whatever its size, the
/// maps and the state's text, is left out, as in the spec.
size_t coded_bytes(const FourBitTensor& weight) {
  const FourBitParts parts = four_bit_parts(weight, "w");
  size_t bytes = weight.nested ? sizeof weight.nested->offset : 0;
  for (const char* name : {"w", "w.absmax", "w.nested_absmax"}) {
    const auto part = parts.tensors.find(name);
    if (part != parts.tensors.end()) bytes += part->second.bytes;
  }
  return bytes;
}

}  // namespace

TEST_CASE("normal values lose what bitsandbytes expects in every block size", "[fourbit]") {
  const auto x = normal_values(1 << 20, 3);
  for (const NormalLoss& golden : kNormalLosses) {
    CAPTURE(four_bit_name(golden.format), golden.block);
    const MeasuredLoss loss = measured_loss(golden.format, x, golden.block);
    CHECK(loss.mean == Approx(golden.mean).epsilon(0).margin(7 * golden.mean_deviation));
    CHECK(loss.relative ==
          Approx(golden.relative).epsilon(0).margin(7 * golden.relative_deviation));
  }
}

TEST_CASE("normal values have the golden root of squared errors", "[fourbit]") {
  // The spec's G4 (quantization.md) gives four digits, and the last may be off by one: over 40
  // draws the mean is 0.09199 and 0.12195.
  const auto x = normal_values(1 << 20, 3);
  CHECK(measured_loss(FourBit::nf4, x, 64).root == Approx(0.0919).epsilon(0).margin(1e-4));
  CHECK(measured_loss(FourBit::fp4, x, 64).root == Approx(0.1219).epsilon(0).margin(1e-4));
}

TEST_CASE("scales quantised twice take the golden bytes", "[fourbit]") {
  // The spec's G3 (quantization.md): 4.50 and 4.13 bits for each of 19,200 values.
  const auto q = four_bit_case(FourBit::nf4, beating_sine());
  FourBitTensor weight{.shape = {19200}, .packed = q.packed.data(), .absmax = q.absmax};
  CHECK(coded_bytes(weight) == 10800);
  weight.nested = nested_absmax(weight.absmax);
  weight.absmax.clear();
  CHECK(coded_bytes(weight) == 9912);
}

}  // namespace lethe::kernels
