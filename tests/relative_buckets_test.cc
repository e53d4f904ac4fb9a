// T5's buckets of relative positions: where each begins, and a second implementation.
#include "tests/catch.h"
// After Catch.
#include <cmath>
#include <map>

#include "core/models/relative_buckets.h"

using namespace lethe;

namespace {

std::vector<int64_t> buckets_of(const RelativeBuckets& buckets,
                                const std::vector<int64_t>& distances) {
  const Tensor found = buckets.of(at::tensor(distances, at::kLong));
  return {found.data_ptr<int64_t>(), found.data_ptr<int64_t>() + found.numel()};
}

/// The first distance of every bucket while distances go from 0 to +-300.
std::map<int64_t, int64_t> starts(const RelativeBuckets& buckets, int64_t sign) {
  std::vector<int64_t> distances;
  for (int64_t away = 0; away <= 300; ++away) distances.push_back(sign * away);
  const auto found = buckets_of(buckets, distances);
  std::map<int64_t, int64_t> first;
  for (size_t away = 0; away < found.size(); ++away) {
    first.insert({found[away], static_cast<int64_t>(away)});
  }
  return first;
}

/// One distance by float32 arithmetic, branch by branch.
int64_t naive(const RelativeBuckets& buckets, int64_t distance) {
  int64_t bucket = 0, count = buckets.count;
  if (buckets.both_ways) {
    count /= 2;
    if (distance > 0) bucket = count;
    if (distance < 0) distance = -distance;
  } else {
    distance = distance > 0 ? 0 : -distance;
  }
  const int64_t exact = count / 2;
  if (distance < exact) return bucket + distance;
  const float ratio = static_cast<float>(distance) / static_cast<float>(exact);
  const float whole = static_cast<float>(
      std::log(static_cast<double>(buckets.max_distance) / static_cast<double>(exact)));
  const float step = std::log(ratio) / whole * static_cast<float>(count - exact);
  return bucket + std::min(exact + static_cast<int64_t>(step), count - 1);
}

}  // namespace

TEST_CASE("the encoder's buckets begin where transformers' do") {
  // 0 -> 0 and positive distances from bucket 17 on; recorded from transformers 4.44.
  const RelativeBuckets buckets{32, 128, true};
  CHECK(starts(buckets, 1) == std::map<int64_t, int64_t>{{0, 0},
                                                         {17, 1},
                                                         {18, 2},
                                                         {19, 3},
                                                         {20, 4},
                                                         {21, 5},
                                                         {22, 6},
                                                         {23, 7},
                                                         {24, 8},
                                                         {25, 12},
                                                         {26, 16},
                                                         {27, 23},
                                                         {28, 32},
                                                         {29, 46},
                                                         {30, 64},
                                                         {31, 91}});
  CHECK(starts(buckets, -1) == std::map<int64_t, int64_t>{{0, 0},
                                                          {1, 1},
                                                          {2, 2},
                                                          {3, 3},
                                                          {4, 4},
                                                          {5, 5},
                                                          {6, 6},
                                                          {7, 7},
                                                          {8, 8},
                                                          {9, 12},
                                                          {10, 16},
                                                          {11, 23},
                                                          {12, 32},
                                                          {13, 46},
                                                          {14, 64},
                                                          {15, 91}});
}

TEST_CASE("the decoder's buckets begin where transformers' do, and later keys are distance 0") {
  const RelativeBuckets buckets{32, 128, false};
  std::map<int64_t, int64_t> expected = {{16, 16}, {17, 19}, {18, 21}, {19, 24}, {20, 27}, {21, 31},
                                         {22, 35}, {23, 40}, {24, 46}, {25, 52}, {26, 59}, {27, 67},
                                         {28, 77}, {29, 87}, {30, 99}, {31, 113}};
  for (int64_t near = 0; near < 16; ++near) expected[near] = near;
  CHECK(starts(buckets, -1) == expected);
  CHECK(buckets_of(buckets, {1, 2, 50, 1000}) == std::vector<int64_t>{0, 0, 0, 0});
}

TEST_CASE("buckets of any count and distance are those of a loop over distances") {
  const RelativeBuckets forms[] = {{32, 128, true}, {32, 128, false}, {8, 20, true},
                                   {8, 20, false},  {4, 9, true},     {6, 300, false}};
  for (const RelativeBuckets& buckets : forms) {
    CAPTURE(buckets.count, buckets.max_distance, buckets.both_ways);
    std::vector<int64_t> distances, expected;
    for (int64_t d = -400; d <= 400; ++d) {
      distances.push_back(d);
      expected.push_back(naive(buckets, d));
    }
    CHECK(buckets_of(buckets, distances) == expected);
  }
}

TEST_CASE("buckets keep the shape of the distances") {
  const Tensor distances = at::arange(12, at::kLong).view({3, 4});
  CHECK(RelativeBuckets{}.of(distances).sizes() == at::IntArrayRef({3, 4}));
}
