// Rows of images: one copy of the pixels, which the tasks of a stream see through maps of their
// own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/task.h"

namespace lethe {

/// Grey images as stored (N, height, width) and their labels (N).
struct ImageSet {
  ImageSet(int64_t height, int64_t width, std::vector<uint8_t> pixels, std::vector<uint8_t> labels);
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
  int64_t features() const { return height * width; }

  int64_t height, width;
  std::vector<uint8_t> pixels;
  std::vector<uint8_t> labels;
  std::vector<uint64_t> fingerprints;  ///< (N) of the pixels
};

/// What stands at each pixel of a transformed image: the sum over k < 4 of weight[4 * p + k] times
/// pixel from[4 * p + k] of the stored one. Without weights, pixel from[p] as it is.
struct PixelMap {
  std::vector<int32_t> from;
  std::vector<float> weight;
  uint64_t fingerprint() const;
};

/// Pixel p of the image shows pixel order[p].
PixelMap permuted_pixels(const std::vector<int64_t>& order);

/// The image turned counter-clockwise about its centre, bilinear, 0 from outside. Four taps a
/// pixel.
PixelMap rotated_pixels(int64_t height, int64_t width, double degrees);

/// How one task sees images.
struct ImageView {
  std::shared_ptr<const PixelMap> pixels;  ///< null = as stored
  std::vector<int64_t> class_of;           ///< class of each stored label; -1 = not of the task
  int64_t classes = 0;                     ///< output units, for `active`
  std::vector<int64_t> active;             ///< classes that may win; empty = all
};

class ImageRows : public Rows {
 public:
  /// `indices` are images of `images`. Throws Error for a label that has no class in the view.
  ImageRows(int64_t first_id, std::shared_ptr<const ImageSet> images, ImageView view,
            std::vector<int64_t> indices);

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  /// inputs (B, height * width) in [0, 1]; active (B, classes) or undefined.
  Batch batch(const std::vector<int64_t>& indices) const override;
  uint64_t fingerprint(int64_t index) const override;

 private:
  std::shared_ptr<const ImageSet> images_;
  ImageView view_;
  std::vector<int64_t> indices_;
  uint64_t map_fingerprint_ = 0;
};

}  // namespace lethe
