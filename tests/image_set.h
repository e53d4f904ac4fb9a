// A small set of images as idx files, for the tests of image streams.
#pragma once

#include <string>
#include <vector>

#include "tests/files.h"

inline const std::string kMagic3("\0\0\x08\x03", 4), kMagic1("\0\0\x08\x01", 4);

inline std::string idx_images(const std::vector<std::string>& images) {
  std::string bytes = kMagic3 + big(images.size(), 4) + big(2, 4) + big(3, 4);
  for (const std::string& image : images) bytes += image;
  return bytes;
}

inline std::string idx_labels(const std::string& labels) {
  return kMagic1 + big(labels.size(), 4) + labels;
}

/// Image `number` of 2 x 3, unlike every other.
inline std::string image(int number) {
  return {static_cast<char>(number), 0, static_cast<char>(255), 51, 0, 7};
}

/// 60 training and 20 test images of 2 x 3; the label of image i is i % 10.
inline void write_set(const Scratch& scratch) {
  std::vector<std::string> train, test;
  std::string train_labels, test_labels;
  for (int i = 0; i < 80; ++i) {
    (i < 60 ? train : test).push_back(image(i));
    (i < 60 ? train_labels : test_labels) += static_cast<char>(i % 10);
  }
  scratch.write("train-images-idx3-ubyte", idx_images(train));
  scratch.write("train-labels-idx1-ubyte", idx_labels(train_labels));
  scratch.write("t10k-images-idx3-ubyte", idx_images(test));
  scratch.write("t10k-labels-idx1-ubyte", idx_labels(test_labels));
}

template <class Options>
Options options(const Scratch& scratch, const std::string& scenario) {
  Options chosen;
  chosen.data = scratch.folder();
  chosen.scenario = scenario;
  chosen.validation = 2;
  return chosen;
}
