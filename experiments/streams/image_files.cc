#include "experiments/streams/image_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/digest.h"
#include "core/error.h"
#include "core/formats/idx.h"
#include "experiments/streams/images.h"

namespace lethe {
namespace {

constexpr std::array<const char*, 4> kFiles = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                               "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

IdxArray read_ranked(const std::string& path, size_t rank) {
  IdxArray array = read_idx(path);
  if (array.shape.size() != rank) {
    fail("{} has the shape {}, expected {} sizes", path, fmt::join(array.shape, " x "), rank);
  }
  return array;
}

std::shared_ptr<const ImageSet> read_set(const std::string& folder, const char* images_name,
                                         const char* labels_name) {
  const std::string images_path = folder + "/" + images_name;
  const std::string labels_path = folder + "/" + labels_name;
  IdxArray images = read_ranked(images_path, 3);
  IdxArray labels = read_ranked(labels_path, 1);
  if (images.shape[0] != labels.shape[0]) {
    fail("{} holds {} images, and {} holds {} labels; they must be as many", images_path,
         images.shape[0], labels_path, labels.shape[0]);
  }
  for (size_t row = 0; row < labels.data.size(); ++row) {
    if (labels.data[row] >= kImageClasses) {
      fail("{}: row {} has label {}, expected 0 to {}", labels_path, row, labels.data[row],
           kImageClasses - 1);
    }
  }
  return std::make_shared<const ImageSet>(images.shape[1], images.shape[2], std::move(images.data),
                                          std::move(labels.data));
}

/// The images with a border of `pad` zeros.
std::shared_ptr<const ImageSet> padded(const ImageSet& images, int64_t pad) {
  const int64_t height = images.height + 2 * pad, width = images.width + 2 * pad;
  std::vector<uint8_t> pixels(images.size() * height * width);
  for (int64_t image = 0; image < images.size(); ++image) {
    for (int64_t row = 0; row < images.height; ++row) {
      const uint8_t* from = images.pixels.data() + (image * images.height + row) * images.width;
      uint8_t* to = pixels.data() + (image * height + row + pad) * width + pad;
      std::copy(from, from + images.width, to);
    }
  }
  return std::make_shared<const ImageSet>(height, width, std::move(pixels), images.labels);
}

void need_folder(const std::string& folder) {
  if (folder.empty()) {
    fail(
        "option 'data' of an image stream is not set; name the folder that holds {}[.gz] and the "
        "three "
        "files beside it",
        kFiles[0]);
  }
}

}  // namespace

ImageFolder read_images(const std::string& folder, int64_t pad) {
  need_folder(folder);
  const ImageFolder read = {read_set(folder, kFiles[0], kFiles[1]),
                            read_set(folder, kFiles[2], kFiles[3])};
  if (read.train->height != read.test->height || read.train->width != read.test->width) {
    fail("{}: training images are {} x {}, test images {} x {}; expected one size", folder,
         read.train->height, read.train->width, read.test->height, read.test->width);
  }
  if (pad == 0) return read;
  return {padded(*read.train, pad), padded(*read.test, pad)};
}

std::string data_digest(const std::string& folder) {
  need_folder(folder);
  std::string text;
  for (const char* name : kFiles) {
    const IdxArray array = read_idx(folder + "/" + name);
    const std::string_view bytes(reinterpret_cast<const char*>(array.data.data()),
                                 array.data.size());
    text += fmt::format("{} {} {}\n", name, fmt::join(array.shape, "x"), sha256(bytes));
  }
  return sha256(text);
}

}  // namespace lethe
