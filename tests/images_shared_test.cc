// The readers on files that other programs wrote: MNIST, Fashion-MNIST and safetensors checkpoints.
#include "core/digest.h"
#include "core/error.h"
#include "core/formats/idx.h"
#include "core/formats/safetensors.h"
#include "experiments/streams/images.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/shared.h"

using lethe::Batch;

namespace {

std::string digest(const lethe::IdxArray& array) {
  std::string raw("\0\0\x08", 3);
  raw += static_cast<char>(array.shape.size());
  for (const int64_t size : array.shape) raw += big(static_cast<uint64_t>(size), 4);
  raw.append(array.data.begin(), array.data.end());
  return lethe::sha256(raw).substr(0, 16);
}

}  // namespace

TEST_CASE("MNIST's files have their published contents") {
  const auto folder = shared_path("data/images/mnist");
  if (!folder) return;
  const std::string base = folder->string() + "/";
  CHECK(digest(lethe::read_idx(base + "train-images-idx3-ubyte")) == "ba891046e6505d7a");
  CHECK(digest(lethe::read_idx(base + "t10k-images-idx3-ubyte")) == "0fa7898d509279e4");
  CHECK(digest(lethe::read_idx(base + "t10k-labels-idx1-ubyte")) == "ff7bcfd416de3373");
  const lethe::IdxArray labels = lethe::read_idx(base + "train-labels-idx1-ubyte");
  CHECK(digest(labels) == "65a50cbbf4e906d7");
  CHECK(std::vector<uint8_t>(labels.data.begin(), labels.data.begin() + 8) ==
        std::vector<uint8_t>{5, 0, 4, 1, 9, 2, 1, 3});
}

TEST_CASE("split MNIST has the class counts of the original and no row in two places") {
  const auto folder = shared_path("data/images/mnist");
  if (!folder) return;
  lethe::SplitOptions options;
  options.data = folder->string();
  options.scenario = "task";
  lethe::TaskStream stream = lethe::make_split_stream(options, 0);
  CHECK(stream.features == 784);
  const std::vector<int64_t> train = {5923 + 6742, 5958 + 6131, 5842 + 5421, 5918 + 6265,
                                      5851 + 5949};
  const std::vector<int64_t> test = {980 + 1135, 1032 + 1010, 982 + 892, 958 + 1028, 974 + 1009};
  for (size_t k = 0; k < 5; ++k) {
    CHECK(stream.tasks[k].train->size() == train[k] - 500);
    CHECK(stream.tasks[k].validation->size() == 500);
    CHECK(stream.tasks[k].test->size() == test[k]);
  }
  lethe::check_stream(stream);
  CHECK(stream.warnings.empty());
}

TEST_CASE("the data's digest is equal for the gzip files and a plain copy") {
  const auto folder = shared_path("data/images/mnist");
  if (!folder) return;
  const Scratch plain;
  const auto copy = [&](const std::string& name) {
    const lethe::IdxArray array = lethe::read_idx(folder->string() + "/" + name);
    std::string raw("\0\0\x08", 3);
    raw += static_cast<char>(array.shape.size());
    for (const int64_t size : array.shape) raw += big(static_cast<uint64_t>(size), 4);
    raw.append(array.data.begin(), array.data.end());
    plain.write(name, raw);
  };
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                           "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    copy(name);
  }
  CHECK(lethe::data_digest(folder->string()) == lethe::data_digest(plain.folder()));
}

TEST_CASE("a published MNIST network gets the published 9097 of 10000 test images right") {
  const auto folder = shared_path("data/images/mnist");
  const auto checkpoint = shared_path("data/checkpoints/mnist_tinygrad_mlp/model.safetensors");
  if (!folder || !checkpoint) return;
  const lethe::SafetensorsFile file(checkpoint->string());
  CHECK(file.metadata().empty());
  const auto weight = [&](const std::string& name) {
    const lethe::StoredTensor& stored = file.at(name);
    REQUIRE(stored.dtype == "F32");
    lethe::Tensor copy = at::empty(stored.shape, at::kFloat);
    std::memcpy(copy.data_ptr<float>(), stored.data, stored.bytes);
    return copy;
  };
  const lethe::Tensor first = weight("l1.weight").t(), second = weight("l2.weight").t();
  lethe::SplitOptions options;
  options.data = folder->string();
  options.tasks = 1;
  const lethe::TaskStream stream = lethe::make_split_stream(options, 0);
  const Batch batch = stream.tasks[0].test->batch(lethe::in_batches(10'000, 10'000).at(0));
  const lethe::Tensor sums = at::matmul(batch.inputs, first);
  const lethe::Tensor hidden = at::where(sums.gt(0), sums, sums.mul(0.01));
  const lethe::Tensor answers = at::argmax(at::matmul(hidden, second), 1);
  CHECK(answers.eq(batch.targets).sum().item<int64_t>() == 9097);
}

TEST_CASE("fixtures of another writer come out byte for byte when written again") {
  for (const char* name : {"mlp", "data", "ewc"}) {
    const auto path = shared_path(std::string("fixtures/cl/") + name + ".safetensors");
    if (!path) return;
    const lethe::SafetensorsFile file(path->string());
    const Scratch scratch;
    lethe::write_safetensors(scratch.path("copy"), file.tensors(), file.metadata());
    CHECK(file_bytes(scratch.path("copy")) == file_bytes(path->string()));
  }
}

TEST_CASE("the fixture of the MLP has its layers") {
  const auto path = shared_path("fixtures/cl/mlp.safetensors");
  if (!path) return;
  const lethe::SafetensorsFile file(path->string());
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK_FALSE(file.tensors().empty());
  for (const auto& [name, tensor] : file.tensors()) CHECK(tensor.dtype == "F32");
}

TEST_CASE("Fashion-MNIST is balanced") {
  const auto folder = shared_path("data/images/fashion-mnist");
  if (!folder) return;
  const lethe::IdxArray labels = lethe::read_idx(folder->string() + "/train-labels-idx1-ubyte");
  std::vector<int> counts(10, 0);
  for (const uint8_t label : labels.data) ++counts.at(label);
  CHECK(counts == std::vector<int>(10, 6000));
}
