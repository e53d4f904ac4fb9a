// The four idx files of a folder such as MNIST's.
#pragma once

#include <memory>
#include <string>

#include "core/image_rows.h"

namespace lethe {

constexpr int64_t kImageClasses = 10;

struct ImageFolder {
  std::shared_ptr<const ImageSet> train, test;
};

/// With a border of `pad` zeros around every image. Throws Error that names the file for a missing
/// or damaged one, a wrong rank, images without labels, labels over 9, and sizes that differ
/// between training and test images.
ImageFolder read_images(const std::string& folder, int64_t pad = 0);

}  // namespace lethe
