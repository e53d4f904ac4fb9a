#include "core/formats/idx.h"

#include <zlib.h>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/files.h"

using lethe::read_idx;

namespace {

const std::string kImageMagic("\0\0\x08\x03", 4);
// 2 images of 2 x 3 with pixels 0 to 11.
const std::string kImages = kImageMagic + big(2, 4) + big(2, 4) + big(3, 4) +
                            std::string("\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", 12);

/// A gzip member of `bytes`; its header names the original file when `name` is not empty.
std::string gzipped(const std::string& bytes, std::string name) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  gz_header header = {};
  header.name = name.empty() ? nullptr : reinterpret_cast<Bytef*>(name.data());
  deflateSetHeader(&stream, &header);
  std::string out(bytes.size() + 200, '\0');
  std::string in = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<unsigned>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<unsigned>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// What reading a file of these bytes says, its path written as FILE.
std::string idx_refusal(const std::string& bytes) {
  const Scratch scratch;
  const std::string path = scratch.write("x", bytes);
  try {
    read_idx(path);
  } catch (const lethe::Error& error) {
    std::string text = error.what();
    for (size_t at; (at = text.find(path)) != std::string::npos;)
      text.replace(at, path.size(), "FILE");
    return text;
  }
  return "accepted";
}

void check_images(const lethe::IdxArray& array) {
  CHECK(array.shape == std::vector<int64_t>{2, 2, 3});
  CHECK(array.data == std::vector<uint8_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
}

}  // namespace

TEST_CASE("plain idx files and gzip with and without a name in the header read alike") {
  const Scratch scratch;
  check_images(read_idx(scratch.write("plain", kImages)));
  check_images(read_idx(scratch.write("unnamed", gzipped(kImages, ""))));
  check_images(read_idx(scratch.write("named", gzipped(kImages, "train-images-idx3-ubyte"))));
}

TEST_CASE("a file that exists only as .gz is found") {
  const Scratch scratch;
  scratch.write("x.gz", gzipped(kImages, "x"));
  check_images(read_idx(scratch.path("x")));
  check_images(read_idx(scratch.path("x.gz")));
}

TEST_CASE("a missing file names both places") {
  const Scratch scratch;
  const std::string path = scratch.path("x");
  CHECK_THROWS_WITH(read_idx(path),
                    "cannot open " + path + ": neither it nor " + path + ".gz exists");
}

TEST_CASE("a rank of one, a size above 2^24 bytes and an empty array are read") {
  const Scratch scratch;
  const std::string magic1("\0\0\x08\x01", 4), large(20'000'000, '\x07');
  const lethe::IdxArray labels =
      read_idx(scratch.write("l", magic1 + big(large.size(), 4) + large));
  CHECK(labels.shape == std::vector<int64_t>{20'000'000});
  CHECK(labels.data.size() == 20'000'000);
  CHECK(labels.data.back() == 7);
  CHECK(read_idx(scratch.write("e", magic1 + big(0, 4))).data.empty());
}

TEST_CASE("a wrong magic number is refused byte by byte") {
  CHECK(idx_refusal("PK\x08\x03") ==
        "FILE is no idx file: bytes 0 to 2 are 0x50 0x4b, expected 0x00 0x00");
  CHECK(idx_refusal(std::string("\0\0\x0d\x03", 4)) ==
        "FILE: the element type at byte 2 is 0x0d, expected 0x08 (unsigned bytes)");
  CHECK(idx_refusal(std::string("\0\0\x08\0", 4)) ==
        "FILE: the rank at byte 3 is 0, expected at least 1");
}

TEST_CASE("a file that is cut names where it ends and what was expected") {
  CHECK(idx_refusal("") ==
        "FILE is cut short: it ends at byte 0, expected the magic number at bytes 0 to 4");
  CHECK(idx_refusal(kImages.substr(0, 10)) ==
        "FILE is cut short: it ends at byte 10, expected a size of the shape at bytes 8 to 12");
  CHECK(idx_refusal(kImages.substr(0, 27)) ==
        "FILE is cut short: it ends at byte 27, expected 28 for its shape 2 x 2 x 3");
  CHECK(
      idx_refusal(kImageMagic + big(0xffffffff, 4) + big(0xffff, 4) + big(3, 4)) ==
      "FILE is cut short: it ends at byte 16, expected 844412045033491 for its shape 4294967295 x "
      "65535 x 3");
  CHECK(idx_refusal(kImageMagic + big(0xffffffff, 4) + big(0xffffffff, 4) + big(3, 4)) ==
        "FILE: the shape 4294967295 x 4294967295 x 3 has more than 2^64 elements");
}

TEST_CASE("a file that goes on is refused") {
  CHECK(idx_refusal(kImages + "x") ==
        "FILE is too long: data goes on after byte 28, where its shape 2 x 2 x 3 ends");
}

TEST_CASE("damaged gzip data are refused") {
  const std::string whole = gzipped(kImages, "x");
  CHECK(idx_refusal(whole.substr(0, whole.size() - 12)) ==
        "FILE is cut short: it ends at byte 25, expected 28 for its shape 2 x 2 x 3");
  CHECK(idx_refusal(whole.substr(0, whole.size() - 2)) ==
        "FILE: the gzip data ends at byte 28 without its check sum; fetch the file again");
  std::string wrong_sum = whole;
  wrong_sum[whole.size() - 6] ^= 1;
  CHECK(
      idx_refusal(wrong_sum) ==
      "FILE: the gzip data is damaged beyond byte 0 (incorrect data check); fetch the file again");
}
