// Small valid files, cut and with bits turned: whatever comes out is a value or an Error.
#include <catch2/catch.hpp>
#include <functional>

#include "core/error.h"
#include "core/formats/idx.h"
#include "core/formats/records.h"
#include "core/formats/safetensors.h"
#include "core/random.h"
#include "tests/files.h"

namespace {

struct Outcome {
  int read = 0, refused = 0;
};

std::string damaged(std::string bytes, lethe::Random& random) {
  if (random.below(3) == 0)
    return bytes.substr(0, random.below(static_cast<int64_t>(bytes.size())));
  for (int64_t left = 1 + random.below(4); left > 0; --left) {
    const int64_t at = random.below(static_cast<int64_t>(bytes.size()));
    bytes[at] = random.below(2) == 0 ? static_cast<char>(bytes[at] ^ 1 << random.below(8))
                                     : static_cast<char>(random.below(256));
  }
  return bytes;
}

/// Any other exception ends the test.
Outcome fuzz(const std::string& name, const std::string& bytes,
             const std::function<void(const std::string&)>& read) {
  const Scratch scratch;
  lethe::Random random(2024);
  Outcome outcome;
  read(scratch.write(name, bytes));
  for (int round = 0; round < 500; ++round) {
    const std::string path = scratch.write(name, damaged(bytes, random));
    try {
      read(path);
      ++outcome.read;
    } catch (const lethe::Error&) {
      ++outcome.refused;
    }
  }
  return outcome;
}

void read_all(const std::string& path) {
  const lethe::SafetensorsFile file(path);
  uint64_t sum = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    for (uint64_t i = 0; i < tensor.bytes; ++i) sum += tensor.data[i];
    sum += static_cast<uint64_t>(tensor.elements());
  }
  CHECK(sum < UINT64_MAX);
}

}  // namespace

TEST_CASE("damaged safetensors files are read or refused, never worse") {
  const Scratch scratch;
  const std::string data(24, 'x');
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  lethe::write_safetensors(scratch.path("x"), {{"l1.weight", {"F32", {2, 3}, bytes, 24}},
                                               {"step", {"I64", {}, bytes, 8}},
                                               {"none", {"BF16", {0}, bytes, 0}}});
  const Outcome outcome = fuzz("x", file_bytes(scratch.path("x")), read_all);
  CHECK(outcome.read > 5);
  CHECK(outcome.refused > 100);
}

TEST_CASE("damaged idx files are read or refused, never worse") {
  const std::string plain = std::string("\0\0\x08\x03", 4) + big(2, 4) + big(2, 4) + big(3, 4) +
                            std::string("abcdefghijkl", 12);
  const Outcome outcome = fuzz("x", plain, [](const std::string& path) {
    const lethe::IdxArray array = lethe::read_idx(path);
    CHECK(!array.shape.empty());
  });
  CHECK(outcome.read > 5);
  CHECK(outcome.refused > 100);
}

TEST_CASE("damaged records are read or refused, never worse") {
  // Outside of CHECK, which would catch the Error itself.
  const auto read = [](const std::string& path) {
    const std::vector<lethe::Record> records = lethe::read_records(path);
    CHECK(!records.empty());
  };
  const std::string object = "{\"text\": \"a \\u00e9\", \"n\": [1, -2.5e3, null, true]}";
  CHECK(fuzz("x.jsonl", object + "\n" + object + "\n", read).refused > 100);
  CHECK(fuzz("x.json", "[" + object + ",\n" + object + "]", read).refused > 100);
  CHECK(fuzz("x.csv", "a,b\n\"x, \"\"y\"\"\n\",z\n1,2\n", read).refused > 100);
}
