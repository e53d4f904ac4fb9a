#include "core/formats/safetensors.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>

#include "core/error.h"
#include "tests/files.h"

using lethe::SafetensorsFile;
using lethe::StoredTensor;

namespace {

StoredTensor stored(const std::string& dtype, std::vector<int64_t> shape,
                    const std::string& bytes) {
  return {dtype, std::move(shape), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

std::string bytes_of(const StoredTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), tensor.bytes};
}

std::string with_header(const std::string& header, const std::string& data) {
  return little(header.size(), 8) + header + data;
}

/// What opening a file of these bytes says, its path written as FILE.
std::string safetensors_refusal(const std::string& bytes) {
  const Scratch scratch;
  const std::string path = scratch.write("x.safetensors", bytes);
  try {
    const SafetensorsFile file(path);
  } catch (const lethe::Error& error) {
    std::string text = error.what();
    for (size_t at; (at = text.find(path)) != std::string::npos;)
      text.replace(at, path.size(), "FILE");
    return text;
  }
  return "accepted";
}

const std::string kTensor = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";

}  // namespace

TEST_CASE("a safetensors file reads back bit for bit") {
  const Scratch scratch;
  const std::string floats("\0\0\x80\x3f\x01\0\xc0\x7f\0\0\0\x80", 12);  // 1, a NaN, -0
  const std::string wide = little(uint64_t{1} << 63, 8);
  const std::map<std::string, StoredTensor> tensors = {{"b.weight", stored("F32", {3, 1}, floats)},
                                                       {"a.steps", stored("I64", {}, wide)},
                                                       {"empty", stored("BF16", {0, 7}, "")}};
  lethe::write_safetensors(scratch.path("x"), tensors, {{"made", "by \"hand\""}});
  const SafetensorsFile file(scratch.path("x"));
  CHECK(file.tensors().size() == 3);
  CHECK(file.metadata() ==
        std::map<std::string, std::string>{{"format", "pt"}, {"made", "by \"hand\""}});
  CHECK(bytes_of(file.at("b.weight")) == floats);
  CHECK(file.at("b.weight").shape == std::vector<int64_t>{3, 1});
  CHECK(file.at("b.weight").elements() == 3);
  CHECK(bytes_of(file.at("a.steps")) == wide);
  CHECK(file.at("a.steps").elements() == 1);
  CHECK(file.at("empty").elements() == 0);
  CHECK(scratch.files() == 1);
}

TEST_CASE("the written bytes are canonical: wide dtypes first, then by name, padded to 8") {
  const Scratch scratch;
  const std::string four = "abcd", eight = "12345678", one = "!";
  lethe::write_safetensors(scratch.path("x"), {{"z", stored("F32", {1}, four)},
                                               {"b", stored("U8", {1}, one)},
                                               {"a", stored("F32", {1}, four)},
                                               {"y", stored("I64", {1}, eight)}});
  std::string header = R"({"__metadata__":{"format":"pt"},)"
                       R"("y":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
                       R"("z":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
                       R"("b":{"dtype":"U8","shape":[1],"data_offsets":[16,17]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  CHECK(file_bytes(scratch.path("x")) == with_header(header, "12345678abcdabcd!"));
}

TEST_CASE("a file without metadata, with padding, and tensors of sub-byte dtypes are read") {
  CHECK(safetensors_refusal(with_header("{}", "")) == "accepted");
  CHECK(safetensors_refusal(with_header("{\"a\":{" + kTensor + "}}     ", "12345678")) ==
        "accepted");
  CHECK(safetensors_refusal(with_header(R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})",
                                        "12")) == "accepted");
}

TEST_CASE("a missing tensor is answered with the nearest names") {
  const Scratch scratch;
  const std::string one = "!";
  lethe::write_safetensors(scratch.path("x"), {{"l1.weight", stored("U8", {1}, one)},
                                               {"l2.weight", stored("U8", {1}, one)},
                                               {"l1.bias", stored("U8", {1}, one)},
                                               {"embedding", stored("U8", {1}, one)}});
  const SafetensorsFile file(scratch.path("x"));
  CHECK_THROWS_WITH(file.at("l2.wieght"), scratch.path("x") +
                                              " has no tensor 'l2.wieght'; nearest of its 4 names: "
                                              "l2.weight, l1.weight, l1.bias");
}

TEST_CASE("files that cannot be opened are named with the reason") {
  const Scratch scratch;
  CHECK_THROWS_WITH(SafetensorsFile(scratch.path("x")),
                    "cannot open " + scratch.path("x") + ": No such file or directory");
  CHECK_THROWS_WITH(SafetensorsFile(scratch.folder()),
                    "cannot read " + scratch.folder() + ": it is no regular file");
}

TEST_CASE("a damaged length or header is refused") {
  CHECK(safetensors_refusal("") ==
        "FILE is no safetensors file: it has 0 bytes, and the length of its header alone takes 8");
  CHECK(safetensors_refusal(little(100'000'001, 8) + "{}") ==
        "FILE is no safetensors file: its header would have 100000001 bytes, and at most 100000000 "
        "are "
        "allowed");
  CHECK(
      safetensors_refusal(std::string(8, '\xff')) ==
      "FILE is no safetensors file: its header would have 18446744073709551615 bytes, and at most "
      "100000000 are allowed");
  CHECK(safetensors_refusal(little(3, 8) + "{}") ==
        "FILE is cut short: its header takes 3 bytes, and 2 are there; fetch or write it again");
  CHECK(safetensors_refusal(with_header("", "")) ==
        "FILE is no safetensors file: its header does not begin with '{'");
  CHECK(safetensors_refusal(with_header("[1]", "")) ==
        "FILE is no safetensors file: its header does not begin with '{'");
  CHECK(safetensors_refusal(with_header("{\"a\":}", "")) ==
        "FILE: the header is no valid JSON at byte 6 of 6");
  CHECK(safetensors_refusal(with_header("{} {}", "")) ==
        "FILE: the header is no valid JSON at byte 4 of 5");
  CHECK(safetensors_refusal(with_header("{\"a\":1e999}", "")) ==
        "FILE: the header is no valid JSON: it holds a number out of range");
  CHECK(safetensors_refusal(with_header("{\"a\":[[[[[[1]]]]]]}", "")) ==
        "FILE: the header is nested deeper than any safetensors header");
}

TEST_CASE("duplicate names are refused at every level") {
  CHECK(safetensors_refusal(
            with_header("{\"a\":{" + kTensor + "},\"a\":{" + kTensor + "}}", "12345678")) ==
        "FILE: the name 'a' stands twice in the header");
  CHECK(safetensors_refusal(with_header(R"({"a":{"dtype":"F32","dtype":"I32"}})", "12345678")) ==
        "FILE: the name 'dtype' stands twice in the header");
}

TEST_CASE("an entry that is no tensor is refused") {
  CHECK(safetensors_refusal(with_header(R"({"a":7})", "")) ==
        "FILE: tensor 'a' needs an object with dtype, shape and data_offsets, found 7");
  CHECK(safetensors_refusal(
            with_header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234")) ==
        "FILE: tensor 'a' needs 'shape' as a list of integers from 0 to 2^63 - 1, found [-1]");
  CHECK(safetensors_refusal(
            with_header(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", "1234")) ==
        "FILE: tensor 'a' needs 'shape' as a list of integers from 0 to 2^63 - 1, found [1.5]");
  CHECK(
      safetensors_refusal(with_header(R"({"a":{"dtype":"F32","shape":[1]}})", "1234")) ==
      "FILE: tensor 'a' needs 'data_offsets' as a list of integers from 0 to 2^63 - 1, found none");
  CHECK(safetensors_refusal(
            with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", "1234")) ==
        "FILE: tensor 'a' has data_offsets [4, 0], expected [begin, end] with begin <= end");
}

TEST_CASE("an unknown dtype is answered with the known ones") {
  CHECK(safetensors_refusal(
            with_header(R"({"a":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}})", "1234")) ==
        "FILE: tensor 'a' has the unknown dtype 'F7'; known: BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, "
        "F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16, F16, BF16, I32, U32, F32, "
        "C64, "
        "F64, I64, U64");
}

TEST_CASE("shapes whose size is not the tensor's are refused") {
  CHECK(
      safetensors_refusal(with_header(
          R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "")) ==
      "FILE: tensor 'a' of F32 [4294967296, 4294967296] has more bits than 64-bit integers count");
  CHECK(safetensors_refusal(with_header(
            R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,12]}})", "123456789012")) ==
        "FILE: tensor 'a' of F32 [2, 2] takes 16 bytes, and its data_offsets [0, 12] hold 12");
  CHECK(safetensors_refusal(
            with_header(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", "12")) ==
        "FILE: tensor 'a' of F4 [3] takes 12 bits, which is no whole number of bytes");
}

TEST_CASE("tensors must tile the data exactly") {
  const auto second = [](const std::string& offsets) {
    return "{\"a\":{" + kTensor + R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + offsets +
           "}}";
  };
  CHECK(safetensors_refusal(with_header(second("[8,10]"), "1234567890")) == "accepted");
  CHECK(safetensors_refusal(with_header(second("[9,11]"), "12345678901")) ==
        "FILE: tensor 'b' begins at byte 9 of the data, expected 8: tensors follow each other "
        "without "
        "holes or overlap");
  CHECK(safetensors_refusal(with_header(second("[7,9]"), "123456789")) ==
        "FILE: tensor 'b' begins at byte 7 of the data, expected 8: tensors follow each other "
        "without "
        "holes or overlap");
  CHECK(safetensors_refusal(with_header(second("[8,10]"), "123456789")) ==
        "FILE is cut short: its tensors take 10 bytes, and 9 are there; fetch or write it again");
  CHECK(safetensors_refusal(with_header(second("[8,10]"), "12345678901")) ==
        "FILE: 1 bytes follow the 10 bytes of the last tensor; nothing may");
}

TEST_CASE("metadata must be texts") {
  CHECK(safetensors_refusal(with_header(R"({"__metadata__":{"a":1}})", "")) ==
        "FILE: __metadata__ needs texts, found 1 under 'a'");
  CHECK(safetensors_refusal(with_header(R"({"__metadata__":[]})", "")) ==
        "FILE: __metadata__ needs an object of texts, found []");
}

TEST_CASE("what no reader would accept is not written") {
  const Scratch scratch;
  const std::string one = "!", path = scratch.path("x");
  CHECK_THROWS_WITH(lethe::write_safetensors(path, {{"a", stored("F32", {1}, one)}}),
                    path + ": tensor 'a' of F32 [1] takes 4 bytes, and 1 are given");
  CHECK_THROWS_WITH(lethe::write_safetensors(path, {{"__metadata__", stored("U8", {1}, one)}}),
                    path + ": no tensor may be named '__metadata__'");
  CHECK_THROWS_WITH(lethe::write_safetensors(path, {{"\xff", stored("U8", {1}, one)}}),
                    path + ": a tensor's name or the metadata is no valid UTF-8");
  CHECK_THROWS_WITH(lethe::write_safetensors(path, {{"a", stored("U8", {-1}, one)}}),
                    path + ": tensor 'a' has the negative size -1");
  CHECK(scratch.files() == 0);
}

TEST_CASE("a write that fails leaves the old file whole and nothing beside it") {
  const Scratch scratch;
  const std::string path = scratch.write("x", "the old file"), large(10'000, 'x');
  CHECK_THROWS_WITH(
      lethe::write_safetensors(scratch.path("no/x"), {}),
      "cannot write " + scratch.path("no/x") +
          ": No such file or directory; see that the folder exists, may be written and "
          "has room");
  // A limit on the size of files stands for a full disk.
  struct rlimit before = {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small = {4096, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    lethe::write_safetensors(path, {{"a", stored("U8", {10'000}, large)}});
  } catch (const lethe::Error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(message == "cannot write " + path +
                       ": File too large; see that the folder exists, may be written and has room");
  CHECK(file_bytes(path) == "the old file");
  CHECK(scratch.files() == 1);
}
