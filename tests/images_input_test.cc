// What image streams refuse, and the digest of what they read.
#include "core/error.h"
#include "experiments/streams/images.h"
#include "tests/catch.h"
#include "tests/image_set.h"

using lethe::SplitOptions;

namespace {

template <class Make>
std::string refusal(const Scratch& scratch, const Make& make) {
  try {
    make();
  } catch (const lethe::Error& error) {
    std::string said = error.what();
    for (size_t at; (at = said.find(scratch.folder())) != std::string::npos;) {
      said.replace(at, scratch.folder().size(), "DATA");
    }
    return said;
  }
  return "accepted";
}

}  // namespace

TEST_CASE("image streams refuse options that do not fit the data") {
  const Scratch scratch;
  write_set(scratch);
  auto chosen = options<SplitOptions>(scratch, "task");
  const auto make = [&] { lethe::make_split_stream(chosen, 0); };
  chosen.tasks = 3;
  CHECK(refusal(scratch, make) ==
        "option 'tasks' = 3 of stream 'split' does not deal 10 classes in equal parts; choose 1, "
        "2, 5 "
        "or 10");
  chosen.tasks = 10;
  CHECK(
      refusal(scratch, make) ==
      "option 'tasks' = 10 of stream 'split' leaves one class a task, which every model gets right "
      "in scenario 'task'; choose fewer tasks or scenario 'class'");
  chosen.tasks = 5;
  chosen.validation = 12;
  CHECK(refusal(scratch, make) ==
        "option 'validation' = 12 leaves no training row of the 12 of task '0/1'; choose less");
  chosen.validation = 2;
  chosen.train_rows = 11;
  CHECK(refusal(scratch, make) ==
        "option 'train_rows' = 11 asks for more rows than the 10 of task '0/1'; choose less");
  chosen.train_rows = 0;
  chosen.test_rows = 5;
  CHECK(refusal(scratch, make) ==
        "option 'test_rows' = 5 asks for more rows than the 4 of task '0/1'; choose less");
  chosen.data = "";
  CHECK(refusal(scratch, make) ==
        "option 'data' of an image stream is not set; name the folder that holds "
        "train-images-idx3-ubyte[.gz] and the three files beside it");
  CHECK_THROWS_WITH(lethe::parse_options<SplitOptions>("split", {{"validation", "0"}}),
                    Catch::Contains("validation") && Catch::Contains(">= 1"));
}

TEST_CASE("image streams refuse missing, cut and contradictory files") {
  const Scratch scratch;
  write_set(scratch);
  const auto chosen = options<SplitOptions>(scratch, "class");
  const auto make = [&] { lethe::make_split_stream(chosen, 0); };
  CHECK(refusal(scratch, make) == "accepted");
  scratch.write("t10k-labels-idx1-ubyte",
                idx_labels(std::string("\x03\x0a", 2) + std::string(18, 0)));
  CHECK(refusal(scratch, make) ==
        "DATA/t10k-labels-idx1-ubyte: row 1 has label 10, expected 0 to 9");
  scratch.write("t10k-labels-idx1-ubyte", idx_labels("\x01\x02"));
  CHECK(refusal(scratch, make) ==
        "DATA/t10k-images-idx3-ubyte holds 20 images, and DATA/t10k-labels-idx1-ubyte holds 2 "
        "labels; "
        "they must be as many");
  scratch.write("t10k-labels-idx1-ubyte", idx_labels(std::string(20, '\x02')));
  CHECK(refusal(scratch, make) == "task '0/1' has no test rows in DATA");
  scratch.write("t10k-labels-idx1-ubyte", idx_images({image(1)}));
  CHECK(refusal(scratch, make) ==
        "DATA/t10k-labels-idx1-ubyte has the shape 1 x 2 x 3, expected 1 sizes");
  scratch.write("t10k-images-idx3-ubyte", kMagic3 + big(1, 4) + big(3, 4) + big(1, 4) + "abc");
  scratch.write("t10k-labels-idx1-ubyte", idx_labels("\x01"));
  CHECK(refusal(scratch, make) ==
        "DATA: training images are 2 x 3, test images 3 x 1; expected one size");
  scratch.write("t10k-labels-idx1-ubyte", idx_labels("\x01\x02").substr(0, 9));
  CHECK(refusal(scratch, make) ==
        "DATA/t10k-labels-idx1-ubyte is cut short: it ends at byte 9, expected 10 for its shape 2");
  std::filesystem::remove(scratch.path("t10k-images-idx3-ubyte"));
  CHECK(refusal(scratch, make) ==
        "cannot open DATA/t10k-images-idx3-ubyte: neither it nor DATA/t10k-images-idx3-ubyte.gz "
        "exists");
}

TEST_CASE("the data's digest is that of the contents, wherever they lie") {
  const Scratch scratch, copy;
  write_set(scratch);
  write_set(copy);
  CHECK(lethe::data_digest(scratch.folder()) == lethe::data_digest(copy.folder()));
  copy.write("t10k-labels-idx1-ubyte", idx_labels(std::string(20, 0)));
  CHECK(lethe::data_digest(scratch.folder()) != lethe::data_digest(copy.folder()));
}
