// Blocks that are kept: the last of a size comes back first, the oldest of any size goes first.
#include "core/block_cache.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace lethe;

namespace {

std::vector<void*> released;
void note(void* block) { released.push_back(block); }

char memory[8];
void* block(int number) { return memory + number; }

}  // namespace

TEST_CASE("the block of a size that was freed last is the next one") {
  BlockCache cache(1000, note);
  cache.give(block(0), 100);
  cache.give(block(1), 100);
  cache.give(block(2), 200);
  CHECK(cache.held() == 400);
  CHECK(cache.take(150) == nullptr);
  CHECK(cache.take(100) == block(1));
  CHECK(cache.take(100) == block(0));
  CHECK(cache.take(100) == nullptr);
  CHECK(cache.take(200) == block(2));
  CHECK(cache.held() == 0);
}

TEST_CASE("what was freed longest ago goes back where there would be too much") {
  released.clear();
  BlockCache cache(300, note);
  cache.give(block(0), 100);
  cache.give(block(1), 200);
  CHECK(released.empty());
  cache.give(block(2), 100);
  CHECK(released == std::vector{block(0)});
  cache.give(block(3), 250);  // makes room for itself
  CHECK(released == std::vector{block(0), block(1), block(2)});
  CHECK(cache.held() == 250);
  cache.give(block(4), 301);  // larger than all that may be kept
  CHECK(released.back() == block(4));
  CHECK(cache.take(250) == block(3));
}

TEST_CASE("nothing is lost at the end") {
  released.clear();
  {
    BlockCache cache(300, note);
    for (int number = 0; number < 3; ++number) cache.give(block(number), 100);
    CHECK(cache.take(100) == block(2));
  }
  CHECK(released == std::vector{block(0), block(1)});
}
