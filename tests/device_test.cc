// Devices by name where there is no GPU, moving a model, and the meter's books of device memory.
#include "tests/catch.h"
// After Catch.
#include <map>
#include <thread>

#include "core/memory_ledger.h"
#include "core/sampler.h"
#include "core/update.h"
#include "experiments/device_probe.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

std::map<std::string, Usage> device_rows(const std::string& phase) {
  std::map<std::string, Usage> rows;
  for (const Usage& row : usage_by_phase()) {
    if (row.device == "cuda" && row.phase == phase) rows[row.category] = row;
  }
  return rows;
}

/// Books device memory while it lives, as an allocator would.
struct Block {
  explicit Block(int64_t bytes) : bytes(bytes), category(device_tag()) {
    device_ledger().add(category, bytes);
  }
  ~Block() { device_ledger().add(category, -bytes); }
  int64_t bytes;
  Category category;
};

/// Memory that the allocator holds, while it lives.
struct Segment {
  explicit Segment(int64_t bytes) : bytes(bytes) { device_ledger().reserve(bytes); }
  ~Segment() {
    device_ledger().reserve(-bytes);
    reset_phases();
  }
  int64_t bytes;
};

}  // namespace

TEST_CASE("a device that is none is refused with what is known") {
  for (const std::string name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:100", "CPU"}) {
    CHECK_THROWS_WITH(open_device(name),
                      "unknown device '" + name + "'; expected cpu, cuda or cuda:INDEX");
  }
  CHECK(open_device("cpu") == at::Device(at::kCPU));
  CHECK(device_class(at::kCPU) == "cpu");
}

TEST_CASE("without a GPU the error names the device and what to do, from a probe as well") {
  for (const std::string name : {"cuda", "cuda:3"}) {
    for (const bool probed : {false, true}) {
      CAPTURE(name, probed);
      CHECK_THROWS_WITH(probed ? (find_device(name), 0) : (open_device(name), 0),
                        Catch::StartsWith("no CUDA device") && Catch::Contains("'" + name + "'") &&
                            Catch::Contains("use --device cpu"));
    }
  }
  CHECK(find_device("cpu").device_class == "cpu");
  CHECK(find_device("cpu").memory == 0);
  CHECK_FALSE(uses_gpu());
}

TEST_CASE("device memory is booked by phase and category beside the host's") {
  reset_phases();
  CHECK(device_rows("train").empty());
  const Segment segment(4096);
  CHECK(uses_gpu());
  begin_phase("train");
  {
    const MemoryTag tag(Category::activations);
    const Block first(1000);
  }
  const MemoryTag tag(Category::gradients);
  const Block second(600);
  {
    const MemoryTag inner(Category::optimizer);
    const Block third(700);
  }
  const auto rows = device_rows("train");
  REQUIRE(rows.size() == static_cast<size_t>(kCategories));
  CHECK(rows.at("activations").peak == 1000);
  CHECK(rows.at("activations").at_peak == 0);
  CHECK(rows.at("gradients").peak == 600);
  CHECK(rows.at("gradients").at_peak == 600);
  CHECK(rows.at("optimizer").at_peak == 700);
  CHECK(usage_by_phase().back().category == "CUDA reserved");
  CHECK(usage_by_phase().back().peak == 4096);
}

TEST_CASE("what the allocator took is the most of this trial") {
  reset_phases();
  const Segment kept(1000);
  { const Segment given_back(5000); }
  CHECK(device_ledger().most_reserved() == 1000);  // reset with that segment's end
  device_ledger().reserve(300);
  device_ledger().reserve(-300);
  CHECK(device_ledger().most_reserved() == 1300);
  reset_phases();
  CHECK(device_ledger().most_reserved() == 1000);
}

TEST_CASE("a thread without a tag books device memory under the last tag, host memory under none") {
  const MemoryTag outer(Category::activations);
  Category device{}, host{}, inside{}, after{};
  std::thread([&] {
    device = device_tag();
    host = host_tag();
    {
      const MemoryTag own(Category::workspace);
      inside = device_tag();
    }
    after = device_tag();
  }).join();
  CHECK(device == Category::activations);
  CHECK(host == Category::other);
  CHECK(inside == Category::workspace);
  CHECK(after == Category::activations);
  CHECK(host_tag() == Category::activations);
}

TEST_CASE("a joined batch lies where its parts lie") {
  Batch a, b;
  a.inputs = at::zeros({2, 3}, at::TensorOptions(at::kFloat).device(at::kMeta));
  a.targets = a.row_ids = at::zeros({2}, at::TensorOptions(at::kLong).device(at::kMeta));
  b = a;
  b.weights = at::ones({2}, at::TensorOptions(at::kFloat).device(at::kMeta));
  b.active = at::ones({2, 5}, at::TensorOptions(at::kBool).device(at::kMeta));
  const Batch whole = joined({a, b});
  CHECK(whole.weights.device() == at::Device(at::kMeta));
  CHECK(whole.weights.sizes() == at::IntArrayRef({4}));
  CHECK(whole.active.device() == at::Device(at::kMeta));
  CHECK(whole.active.sizes() == at::IntArrayRef({4, 5}));
}
