#include "core/memory.h"

#include <c10/core/CPUAllocator.h>

#include <cstdint>
#include <map>
#include <thread>
#include <vector>

#include "core/memory_ledger.h"
#include "core/refused_memory.h"
#include "tests/catch.h"

namespace lethe {
namespace {

/// The meter starts at the first use; what other tests hold live is subtracted.
struct Live {
  Live() { install_memory_meter(); }
  int64_t now() const { return live_bytes() - before; }
  int64_t now(Category category) const {
    return live_bytes(category) - by_category[static_cast<size_t>(category)];
  }
  int64_t before = live_bytes();
  std::vector<int64_t> by_category = [] {
    std::vector<int64_t> all;
    for (int c = 0; c < kCategories; ++c) all.push_back(live_bytes(static_cast<Category>(c)));
    return all;
  }();
};

Tensor byte_tensor(int64_t n) { return at::empty({n}, at::kByte); }

/// Rows of one phase by category.
std::map<std::string, Usage> rows_of(const std::string& phase) {
  std::map<std::string, Usage> rows;
  for (const Usage& row : usage_by_phase()) {
    if (row.phase == phase) rows[row.category] = row;
  }
  return rows;
}

int64_t at_peak_total(const std::string& phase) {
  int64_t total = 0;
  for (const auto& [category, row] : rows_of(phase)) total += row.at_peak;
  return total;
}

}  // namespace

TEST_CASE("what can't be had is refused with the account of that moment", "[memory]") {
  const Live live;
  reset_phases();
  begin_phase("train");
  Tensor weights;
  {
    const MemoryTag tag(Category::base_weights);
    weights = byte_tensor(3 << 20);
  }
  CHECK(refused_memory().empty());
  limit_memory(live_bytes() + (2 << 20));
  CHECK_NOTHROW(byte_tensor(1 << 20));
  CHECK_THROWS_AS(byte_tensor(4 << 20), OutOfMemory);
  CHECK_THAT(refused_memory(),
             Catch::Contains("4.0 MiB were asked for in phase 'train', 2.0 MiB are left; live") &&
                 Catch::Contains("base weights ") && Catch::Contains("`lethe plan`"));
  limit_memory(0);
  CHECK_NOTHROW(byte_tensor(4 << 20));
  // More than any machine has: refused before it is written to.
  CHECK_THROWS_AS(byte_tensor(int64_t{1} << 46), OutOfMemory);
  device_ledger().refuse(int64_t{7} << 20, int64_t{3} << 20);  // as a GPU's allocator does
  CHECK_THAT(refused_memory(), Catch::StartsWith("7.0 MiB of the GPU were asked for in phase") &&
                                   Catch::Contains("3.0 MiB are left; live then"));
  reset_phases();
  CHECK(refused_memory().empty());
}

TEST_CASE("the metered total is the sum over live tensors", "[memory]") {
  const Live live;
  std::vector<Tensor> tensors;
  int64_t expected = 0;
  for (const int64_t n : {1, 63, 64, 65, 1000, 123457}) {
    tensors.push_back(at::empty({n}, at::kFloat));
    expected += 4 * n;
  }
  tensors.push_back(at::zeros({3, 5}, at::kLong));
  expected += 120;
  CHECK(live.now() == expected);
  const Tensor view = tensors[4].slice(0, 0, 10);  // shares its storage
  CHECK(live.now() == expected);
  tensors.clear();
  CHECK(live.now() == 4000);
}

TEST_CASE("a clone, a resize and a result are counted", "[memory]") {
  const Live live;
  Tensor a = byte_tensor(1000);
  const Tensor b = a.clone();
  CHECK(live.now() == 2000);
  a.resize_({5000});
  CHECK(live.now() == 6000);
  a.resize_({10});  // keeps its storage
  CHECK(live.now() == 6000);
  const Tensor sum = b.add(b);
  CHECK(live.now() == 7000);
}

TEST_CASE("borrowed memory and empty tensors add nothing", "[memory]") {
  const Live live;
  std::vector<float> data(1000);
  const Tensor borrowed = at::from_blob(data.data(), {1000}, at::kFloat);
  const Tensor empty = byte_tensor(0);
  CHECK(live.now() == 0);
}

TEST_CASE("metered data is aligned to 64 bytes", "[memory]") {
  const Live live;
  for (int64_t n = 1; n < 300; n += 7) {
    CHECK(reinterpret_cast<uintptr_t>(byte_tensor(n).data_ptr()) % 64 == 0);
  }
}

TEST_CASE("raw allocations go through the meter", "[memory]") {
  const Live live;
  c10::Allocator* allocator = c10::GetCPUAllocator();
  void* data = allocator->raw_allocate(777);
  CHECK(live.now() == 777);
  allocator->raw_deallocate(data);
  CHECK(live.now() == 0);
  CHECK(allocator->raw_allocate(0) == nullptr);
}

TEST_CASE("tags nest and end with their scope", "[memory]") {
  CHECK(category_name(Category::base_weights) == std::string("base weights"));
  CHECK(category_name(Category::method_state) == std::string("method state"));
  const Live live;
  std::vector<Tensor> kept;
  {
    const MemoryTag outer(Category::adapters);
    kept.push_back(byte_tensor(100));
    {
      const MemoryTag inner(Category::optimizer);
      kept.push_back(byte_tensor(20));
    }
    kept.push_back(byte_tensor(3));
  }
  kept.push_back(byte_tensor(7000));
  CHECK(live.now(Category::adapters) == 103);
  CHECK(live.now(Category::optimizer) == 20);
  CHECK(live.now(Category::other) == 7000);
}

TEST_CASE("a tensor freed in another thread leaves its own category", "[memory]") {
  const Live live;
  Tensor tensor;
  {
    const MemoryTag tag(Category::gradients);
    tensor = byte_tensor(4096);
  }
  std::thread([&] {
    const MemoryTag tag(Category::workspace);
    tensor.reset();
  }).join();
  CHECK(live.now(Category::gradients) == 0);
  CHECK(live.now(Category::workspace) == 0);
}

TEST_CASE("threads count together and tag apart", "[memory]") {
  const Live live;
  std::vector<Tensor> kept(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kept.size(); ++t) {
    threads.emplace_back([&kept, t] {
      const MemoryTag tag(t % 2 == 0 ? Category::activations : Category::workspace);
      for (int i = 0; i < 2000; ++i) kept[t] = byte_tensor(100 + i % 7);
      kept[t] = byte_tensor(1000);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(live.now(Category::activations) == 2000);
  CHECK(live.now(Category::workspace) == 2000);
  CHECK(live.now() == 4000);
}

TEST_CASE("a storage can be moved to another category", "[memory]") {
  const Live live;
  Tensor tensor = byte_tensor(640);
  rebook(tensor.storage().mutable_data(), Category::trained_weights);
  CHECK(live.now(Category::other) == 0);
  CHECK(live.now(Category::trained_weights) == 640);
  tensor.reset();
  CHECK(live.now(Category::trained_weights) == 0);
  rebook(nullptr, Category::adapters);
  CHECK(live.now(Category::adapters) == 0);
}

TEST_CASE("memory that is not the meter's cannot be moved", "[memory]") {
  const Live live;
  std::vector<char> foreign(256);
  CHECK_THROWS_WITH(rebook(foreign.data() + 128, Category::optimizer),
                    "rebook to optimizer: the memory is not the meter's; give a storage's own data "
                    "pointer, made after install_memory_meter()");
}

TEST_CASE("the composition at a phase's peak adds up to that peak", "[memory]") {
  const Live live;
  reset_phases();
  begin_phase("train");
  {
    const MemoryTag tag(Category::activations);
    const Tensor alone = byte_tensor(10000);  // activations' own peak
  }
  {
    const MemoryTag tag(Category::gradients);
    const Tensor gradients = byte_tensor(8000);
    const MemoryTag inner(Category::activations);
    const Tensor activations = byte_tensor(3000);
  }
  const auto rows = rows_of("train");
  REQUIRE(rows.size() == static_cast<size_t>(kCategories));
  CHECK(rows.at("activations").peak - live.by_category[7] == 10000);
  CHECK(rows.at("activations").at_peak - live.by_category[7] == 3000);
  CHECK(rows.at("gradients").peak - live.by_category[4] == 8000);
  CHECK(rows.at("gradients").at_peak - live.by_category[4] == 8000);
  CHECK(rows.at("gradients").device == "host");
  CHECK(at_peak_total("train") - live.before == 11000);
  reset_phases();
}

TEST_CASE("a phase begins at what is live and phases of one name are merged", "[memory]") {
  const Live live;
  reset_phases();
  const Tensor held = byte_tensor(500);
  begin_phase("load");
  CHECK(at_peak_total("load") - live.before == 500);
  begin_phase("train");
  { const Tensor first = byte_tensor(900); }
  begin_phase("evaluate");
  { const Tensor between = byte_tensor(9000); }
  begin_phase("train");
  { const Tensor second = byte_tensor(200); }
  CHECK(at_peak_total("load") - live.before == 500);
  CHECK(at_peak_total("train") - live.before == 1400);
  CHECK(at_peak_total("evaluate") - live.before == 9500);
  { const Tensor third = byte_tensor(2000); }
  CHECK(at_peak_total("train") - live.before == 2500);
  const std::vector<Usage> rows = usage_by_phase();
  REQUIRE(rows.size() == 3 * static_cast<size_t>(kCategories) + 1);
  CHECK(rows.front().phase == "load");
  CHECK(rows.back().phase == "process");
  CHECK(rows.back().category == "process peak RSS");
  CHECK(rows.back().peak > (1 << 20));
  reset_phases();
  CHECK(usage_by_phase().size() == 1);
}

TEST_CASE("peaks stay exact while threads allocate", "[memory]") {
  const Live live;
  reset_phases();
  begin_phase("train");
  std::vector<std::thread> threads;
  for (const Category category : {Category::adapters, Category::workspace}) {
    threads.emplace_back([category] {
      const MemoryTag tag(category);
      for (int i = 0; i < 5000; ++i) byte_tensor(1 + i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto rows = rows_of("train");
  CHECK(rows.at("adapters").peak - live.by_category[3] == 5000);
  CHECK(rows.at("workspace").peak - live.by_category[8] == 5000);
  const int64_t together = at_peak_total("train") - live.before;
  CHECK(together >= 5000);
  CHECK(together <= 10000);
  reset_phases();
}

TEST_CASE("gradients are booked under the tag of the thread that runs backward", "[memory]") {
  const Live live;
  Tensor weight = at::ones({100}, at::kFloat);
  weight.set_requires_grad(true);
  const Tensor loss = weight.mul(weight).sum();
  {
    const MemoryTag tag(Category::gradients);
    loss.backward();
  }
  CHECK(live.now(Category::gradients) == 400);
}

TEST_CASE("memory that comes from elsewhere is booked under the thread's tag", "[memory]") {
  const Live live;
  const MemoryTag tag(Category::base_weights);
  const Category category = book_host(1000);
  CHECK(live.now(Category::base_weights) == 1000);
  unbook_host(category, 1000);
  CHECK(live.now(Category::base_weights) == 0);
}

}  // namespace lethe
