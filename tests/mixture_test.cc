// The probe of what a pretrained model could do, and the rows it was pretrained on.
#include "tests/catch.h"
// After Catch.
#include <set>

#include "core/text/text_rows.h"
#include "experiments/streams/instructions.h"
#include "experiments/streams/mixture.h"

using namespace lethe;

namespace {

std::set<std::string> texts(const Rows& rows) {
  const auto& text = dynamic_cast<const TextRows&>(rows);
  std::set<std::string> found;
  for (int64_t row = 0; row < rows.size(); ++row) found.insert(text.expected(row));
  return found;
}

std::set<std::string> probe(int64_t data_seed) {
  const InstructionOptions options{
      .train_rows = 2, .validation_rows = 2, .test_rows = 2, .data_seed = data_seed};
  return texts(*make_instruction_stream(options, 1).probes.at(0).rows);
}

}  // namespace

TEST_CASE("no row of the probe is one of pretraining, whatever the data seed") {
  const std::set<std::string> trained = texts(make_mixture({}, MixtureSplit::train));
  CHECK(trained.size() == 12000);
  for (const int64_t data_seed : {1, 2, 3, 99}) {
    CAPTURE(data_seed);
    const std::set<std::string> rows = probe(data_seed);
    CHECK(rows.size() == 200);
    int64_t shared = 0;
    for (const std::string& row : rows) shared += static_cast<int64_t>(trained.count(row));
    CHECK(shared == 0);
  }
}

TEST_CASE("mixtures of two seeds do share rows, so the probe keeps to one") {
  MixtureOptions other;
  other.data_seed = 2;
  const std::set<std::string> trained = texts(make_mixture({}, MixtureSplit::train));
  int64_t shared = 0;
  for (const std::string& row : texts(make_mixture(other, MixtureSplit::held_out))) {
    shared += static_cast<int64_t>(trained.count(row));
  }
  CHECK(shared > 0);
  CHECK(probe(2) == probe(1));
}
