// Few bits on a device that is not the CPU, without a GPU.
#include "tests/catch.h"
// After Catch.
#include "tests/device/other_device.h"
#include "tests/formats_case.h"

using namespace lethe;

TEST_CASE("a weight in few bits gives the CPU's products, a slice of it in float32 at a time") {
  check_formats(other_device());
}

TEST_CASE("rounding at random has the kernel's bits on any device") {
  check_rounding(other_device());
}

TEST_CASE("moments in bytes and values in bfloat16 train as on the CPU") {
  check_narrow_levers(other_device());
}
