// Batches of a task in a seeded order.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/strategy.h"

namespace lethe {

/// One batch of several, in order: token rows are padded to the longest, weights and class masks
/// filled with ones where only some have them.
Batch joined(const std::vector<Batch>& batches);

/// Draws batches from a plan: a shuffled union without replacement, reshuffled when fewer rows than
/// a batch are left (the rest is dropped, as in the code of van de Ven et al. 2022); a plan smaller
/// than a batch is given whole. With shares, each part has its share of the rows and is reshuffled
/// by itself: batches stay full, and a share that is no whole number of rows holds over batches.
///
/// By length, the shuffled rows are cut into stretches of 32 batches, each sorted from long to
/// short before it is cut into batches, and all batches are shuffled; the one with the longest row
/// comes first, so that a batch too large for the memory is the first to come. Plans with shares
/// keep their order.
class Sampler {
 public:
  Sampler(const TrainingPlan& plan, int64_t batch_size, uint64_t seed, bool by_length = false);
  Batch next();
  void state(Archive& archive);       ///< where the order stands, for a checkpoint
  int64_t rows() const;               ///< in the whole plan
  int64_t batches_per_epoch() const;  ///< at least 1

 private:
  struct Source {
    std::vector<std::pair<size_t, int64_t>> rows;  // (part, index)
    size_t at = 0;
    int64_t take = 0;  // rows of the next batch
    double share = 0;  // rows of a batch, where the plan has shares
    double owed = 0;   // rows that past batches rounded away
  };
  void share_out();
  void shuffle(Source& source);
  void sort_by_length(Source& source);
  void draw(Source& source, std::vector<std::vector<int64_t>>& chosen);

  const TrainingPlan& plan_;
  int64_t batch_size_;
  bool shared_ = false;
  bool by_length_ = false;
  std::vector<Source> sources_;
  Random random_;
};

}  // namespace lethe
