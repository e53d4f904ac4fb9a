#include "core/image_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "core/error.h"
#include "core/kernels/pixels.h"

namespace lethe {
namespace {

/// FNV-1a over 64-bit words with a final mix (splitmix64's), far beyond what chance makes collide.
class Fingerprint {
 public:
  void add(uint64_t word) { hash_ = (hash_ ^ word) * 0x100000001b3ULL ^ hash_ >> 29; }
  void add(const void* data, size_t bytes) {
    const char* next = static_cast<const char*>(data);
    for (; bytes > 0; bytes -= std::min<size_t>(8, bytes), next += 8) {
      uint64_t word = 0;
      std::memcpy(&word, next, std::min<size_t>(8, bytes));
      add(word);
    }
  }
  uint64_t value() const {
    const uint64_t first = (hash_ ^ hash_ >> 30) * 0xbf58476d1ce4e5b9ULL;
    const uint64_t second = (first ^ first >> 27) * 0x94d049bb133111ebULL;
    return second ^ second >> 31;
  }

 private:
  uint64_t hash_ = 0xcbf29ce484222325ULL;
};

/// Pixels between others: the mean of four, by weight.
void show_between(const PixelMap& map, const uint8_t* stored, int64_t features, float* shown) {
  const int32_t* from = map.from.data();
  const float* weight = map.weight.data();
  for (int64_t p = 0; p < features; ++p, from += 4, weight += 4) {
    float sum = 0;
    for (int corner = 0; corner < 4; ++corner) {
      sum += weight[corner] * (static_cast<float>(stored[from[corner]]) / 255.0F);
    }
    shown[p] = sum;
  }
}

void show(const PixelMap* map, const uint8_t* stored, int64_t features, float* shown) {
  if (map == nullptr) {
    kernels::brightness(stored, features, shown);
  } else if (map->weight.empty()) {
    kernels::brightness_from(stored, map->from.data(), features, shown);
  } else {
    show_between(*map, stored, features, shown);
  }
}

}  // namespace

ImageSet::ImageSet(int64_t height, int64_t width, std::vector<uint8_t> pixels,
                   std::vector<uint8_t> labels)
    : height(height), width(width), pixels(std::move(pixels)), labels(std::move(labels)) {
  if (static_cast<int64_t>(this->pixels.size()) != size() * features()) {
    fail("{} pixels for {} images of {} x {}, expected {}", this->pixels.size(), size(), height,
         width, size() * features());
  }
  for (int64_t image = 0; image < size(); ++image) {
    Fingerprint print;
    print.add(this->pixels.data() + image * features(), features());
    fingerprints.push_back(print.value());
  }
}

uint64_t PixelMap::fingerprint() const {
  Fingerprint print;
  print.add(from.data(), from.size() * sizeof(int32_t));
  print.add(weight.data(), weight.size() * sizeof(float));
  return print.value();
}

PixelMap permuted_pixels(const std::vector<int64_t>& order) {
  PixelMap map;
  map.from.assign(order.begin(), order.end());
  return map;
}

PixelMap rotated_pixels(int64_t height, int64_t width, double degrees) {
  const double angle = degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double middle_y = static_cast<double>(height - 1) / 2;
  const double middle_x = static_cast<double>(width - 1) / 2;
  PixelMap map;
  for (int64_t pixel = 0; pixel < height * width; ++pixel) {
    const double x = static_cast<double>(pixel % width) - middle_x;
    const double y = static_cast<double>(pixel / width) - middle_y;
    // y points down, so this undoes a counter-clockwise turn.
    const double from_x = cosine * x - sine * y + middle_x;
    const double from_y = sine * x + cosine * y + middle_y;
    const double left = std::floor(from_x), top = std::floor(from_y);
    for (int corner = 0; corner < 4; ++corner) {
      const double column = left + corner % 2, row = top + corner / 2;
      const double share = (1 - std::abs(from_x - column)) * (1 - std::abs(from_y - row));
      const bool inside = column >= 0 && column < static_cast<double>(width) && row >= 0 &&
                          row < static_cast<double>(height);
      map.from.push_back(inside ? static_cast<int32_t>(row) * static_cast<int32_t>(width) +
                                      static_cast<int32_t>(column)
                                : 0);
      map.weight.push_back(inside ? static_cast<float>(share) : 0.0F);
    }
  }
  return map;
}

ImageRows::ImageRows(int64_t first_id, std::shared_ptr<const ImageSet> images, ImageView view,
                     std::vector<int64_t> indices)
    : Rows(first_id),
      images_(std::move(images)),
      view_(std::move(view)),
      indices_(std::move(indices)),
      map_fingerprint_(view_.pixels ? view_.pixels->fingerprint() : 0) {
  for (const int64_t image : indices_) {
    if (image < 0 || image >= images_->size()) {
      fail("image {} does not exist; there are {}", image, images_->size());
    }
    const size_t label = images_->labels[image];
    if (label >= view_.class_of.size() || view_.class_of[label] < 0) {
      fail("image {} has label {}, which is no class of its task", image, label);
    }
  }
}

Batch ImageRows::batch(const std::vector<int64_t>& indices) const {
  const auto rows = static_cast<int64_t>(indices.size());
  const int64_t features = images_->features();
  Batch batch;
  batch.inputs = at::empty({rows, features}, at::kFloat);
  batch.targets = at::empty({rows}, at::kLong);
  batch.row_ids = at::empty({rows}, at::kLong);
  auto* inputs = batch.inputs.data_ptr<float>();
  auto* targets = batch.targets.data_ptr<int64_t>();
  auto* row_ids = batch.row_ids.data_ptr<int64_t>();
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t index = indices[row];
    if (index < 0 || index >= size()) fail("row {} does not exist; there are {}", index, size());
    const int64_t image = indices_[index];
    show(view_.pixels.get(), images_->pixels.data() + image * features, features,
         inputs + row * features);
    targets[row] = view_.class_of[images_->labels[image]];
    row_ids[row] = first_id() + index;
  }
  if (!view_.active.empty()) {
    batch.active = at::zeros({rows, view_.classes}, at::kBool);
    auto* active = batch.active.data_ptr<bool>();
    for (int64_t row = 0; row < rows; ++row) {
      for (const int64_t known : view_.active) active[row * view_.classes + known] = true;
    }
  }
  return batch;
}

uint64_t ImageRows::fingerprint(int64_t index) const {
  Fingerprint print;
  print.add(images_->fingerprints[indices_[index]]);
  print.add(map_fingerprint_);
  return print.value();
}

}  // namespace lethe
