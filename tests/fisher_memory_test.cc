// How much memory the Fisher of token rows takes: that of so many rows at once, however many there
// are.
#include "tests/catch.h"
// After Catch.
#include "core/fisher.h"
#include "tests/text_case.h"

using namespace lethe;

namespace {

/// A task of `count` prompts of eight letters with responses of four.
TaskStream even_stream(int64_t count) {
  const auto tokenizer = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  Random random(11);
  std::vector<TextRow> rows;
  for (int64_t i = 0; i < count; ++i) {
    std::string letters;
    for (int letter = 0; letter < 12; ++letter) {
      letters += static_cast<char>('a' + random.below(7));
    }
    rows.push_back(text_row(*tokenizer, letters.substr(0, 8), letters.substr(8)));
  }
  const auto made = std::make_shared<TextRows>(tokenizer, std::move(rows),
                                               TextRowsOptions{"even", Predict::response, 0, 0});
  TaskStream stream;
  stream.name = "even";
  stream.longest = made->longest();
  stream.tasks.push_back({"even", {"exact_match", "fraction", true}, made, made, made, {}});
  return stream;
}

/// Bytes that the Fisher of a small decoder over `rows` rows takes at its peak, on top of what
/// lives before.
double fisher_peak(const std::string& per, int64_t rows, int64_t batch = 256) {
  install_memory_meter();
  const TaskStream stream = even_stream(rows);
  const auto model = letters_decoder("gpt2");
  Arena arena;
  arena.lay_out(*model);
  const TaskEnd end{1, stream, *stream.tasks[0].train, *model, arena, make_generator(5), batch};
  const FisherOptions options = {.labels = "empirical", .per = per};
  fisher_diagonal(end, options);  // what is made at first use and kept counts as live before
  reset_phases();
  const int64_t before = live_bytes();
  begin_phase("fisher");
  const Tensor found = fisher_diagonal(end, options);
  int64_t peak = -before;
  for (const Usage& row : usage_by_phase()) {
    if (row.phase == "fisher" && row.device == "host") peak += row.at_peak;
  }
  reset_phases();
  CHECK(found.max().item<double>() > 0);
  return static_cast<double>(peak);
}

}  // namespace

TEST_CASE("the Fisher of 256 token rows takes no more memory than that of 64", "[memory]") {
  for (const std::string per : {"sequence", "token"}) {
    CAPTURE(per);
    const double some = fisher_peak(per, 64), many = fisher_peak(per, 256);
    CHECK(many == Approx(some).epsilon(0.01));
    // The peak is that of the rows looked at together, so more at once would have shown.
    CHECK(fisher_peak(per, 64, 8) < some / 2);
  }
}
