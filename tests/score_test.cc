// Scores by logits, by generation and by labels, and under masks, with models whose answers are
// known.
#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include "core/embedding.h"
#include "core/error.h"
#include "core/score.h"
#include "tests/toys.h"

using namespace lethe;
using Ids = std::vector<int64_t>;

namespace {

constexpr int64_t kVocabulary = 262;

std::shared_ptr<const WordTokenizer> words() {
  return std::make_shared<WordTokenizer>(std::vector<std::string>{" yes", " no", " not", " 4"});
}

/// The next token's logits depend on the present token alone: row `token` of a table.
class Table : public Model {
 public:
  explicit Table(Tensor table) : table_("table", std::move(table)) {}
  Tensor forward(const Batch& batch) override {
    return table_.forward(batch.inputs.reshape({-1}).index_select(0, batch.positions));
  }
  std::vector<Seam*> seams() override { return {&table_}; }
  std::vector<Generated> continuations(const std::vector<Ids>& prompts,
                                       const GenerationOptions& options) override {
    std::vector<Generated> made;
    for (const Ids& prompt : prompts) {
      made.push_back({answers.at(prompt.back()), true});
      Ids& ids = made.back().ids;
      if (static_cast<int64_t>(ids.size()) > options.longest) ids.resize(options.longest);
    }
    return made;
  }
  std::map<int64_t, Ids> answers;

 private:
  Embedding table_;
};

/// Logits log p of each next token: everything not named is impossible.
Table table_of(const std::map<int64_t, std::map<int64_t, double>>& probabilities) {
  Tensor table = at::full({kVocabulary, kVocabulary}, -40.F);
  for (const auto& [token, nexts] : probabilities) {
    for (const auto& [next, p] : nexts) table[token][next] = std::log(p);
  }
  return Table(table);
}

TextRowsOptions labelled(bool normalised) {
  const auto ids = [](const char* text) {
    Ids encoded = words()->encode(text);
    encoded.push_back(1);
    return encoded;
  };
  return {.name = "t", .labels = {ids(" yes"), ids(" no"), ids(" not")}, .normalised = normalised};
}

TextRows rows(const std::vector<std::pair<std::string, std::string>>& pairs,
              const TextRowsOptions& options = {.name = "t"}) {
  std::vector<TextRow> made;
  for (const auto& [prompt, response] : pairs) made.push_back(text_row(*words(), prompt, response));
  return TextRows(words(), made, options);
}

Tally score(Model& model, const Rows& rows, const std::string& metric,
            const Scoring& scoring = {}) {
  return score_rows(model, rows, {{metric, "", true}}, scoring).at(0);
}

/// Logits (1, 2, 5, 4) times x: the largest is class 2 for x > 0 and class 0 for x < 0.
std::unique_ptr<Model> third_wins() {
  return std::make_unique<OneLayer>(at::tensor({1.0F, 2.0F, 5.0F, 4.0F}).view({4, 1}));
}

/// x = 1 and x = -1, which both are of class `target`; `active` as in Batch, empty for all.
RowsPtr one_and_minus_one(int64_t target, const Ids& active) {
  return std::make_shared<VectorRows>(0, std::vector<std::vector<float>>{{1}, {-1}},
                                      Ids{target, target}, active, 4);
}

const std::vector<MetricInfo> kOfLogits = {
    {"accuracy", "fraction", true}, {"token_accuracy", "", true}, {"loss", "nats", false}};

constexpr int64_t kYes = 258, kNo = 259, kNot = 260, kA = 2 + 'a', kB = 2 + 'b', kEnd = 1;

}  // namespace

TEST_CASE("loss and token accuracy count tokens, exact match rows, in one pass") {
  // a -> yes (0.9), b -> no (0.25, yes is likelier), then the end mark for sure.
  Table model = table_of({{kA, {{kYes, 0.9}, {kNo, 0.1}}},
                          {kB, {{kYes, 0.75}, {kNo, 0.25}}},
                          {kYes, {{kEnd, 1}}},
                          {kNo, {{kEnd, 1}}}});
  const TextRows both = rows({{"a", " yes"}, {"b", " no"}});
  const auto tallies = score_rows(
      model, both,
      {{"loss", "nats", false}, {"token_accuracy", "", true}, {"exact_match", "", true}}, {});
  CHECK(tallies[0].sum == Approx(-std::log(0.9) - std::log(0.25)).epsilon(1e-5));
  CHECK(tallies[0].total == 4);
  CHECK(tallies[0].correct == 0);
  CHECK(tallies[1].correct == 3);
  CHECK(tallies[1].total == 4);
  CHECK(tallies[2].correct == 1);
  CHECK(tallies[2].total == 2);
  CHECK(tallies[2].sum == 1);
}

TEST_CASE("the loss is weighted by tokens: 6.0 nats over 3 and 2.0 over 2 are 1.6") {
  // From a token x the next has probability e^-2, from y e^-1.
  const int64_t x = 2 + 'x', y = 2 + 'y';
  Table model = table_of({{x, {{x, std::exp(-2.)}, {kNo, 1 - std::exp(-2.)}}},
                          {y, {{y, std::exp(-1.)}, {kNo, 1 - std::exp(-1.)}}}});
  const TextRows text(words(), {{{x}, {x, x, x}}, {{y}, {y, y}}}, {.name = "t"});
  const Tally tally = score(model, text, "loss");
  CHECK(tally.sum / static_cast<double>(tally.total) == Approx(1.6).epsilon(1e-5));
}

TEST_CASE("the most likely label is chosen, by its whole likelihood or by token") {
  // " yes" has p = 0.4 * 1; " no" 0.45 * 0.5, since it may go on; " not" the rest.
  Table model = table_of({{kA, {{kYes, 0.40}, {kNo, 0.45}, {kNot, 0.15}}},
                          {kYes, {{kEnd, 1}}},
                          {kNo, {{kEnd, 0.5}, {kA, 0.5}}},
                          {kNot, {{kEnd, 1}}}});
  const auto text = [&](bool normalised) {
    return rows({{"a", " yes"}, {"a", " no"}, {"a", " yes"}}, labelled(normalised));
  };
  const Tally tally = score(model, text(false), "label_accuracy", {.batch_size = 2});
  CHECK(tally.correct == 2);
  CHECK(tally.total == 3);
  CHECK(tally.sum == 2);
}

TEST_CASE("labels of different lengths compare by token where asked") {
  // " yes" + end: log p = 2 log 0.3. "b" " no" + end: 3 log 0.4; 0.4^3 < 0.3^2, but 0.4 > 0.3.
  Table model = table_of({{kA, {{kYes, 0.3}, {kB, 0.4}, {kNot, 0.3}}},
                          {kYes, {{kEnd, 0.3}, {kNot, 0.7}}},
                          {kB, {{kNo, 0.4}, {kNot, 0.6}}},
                          {kNo, {{kEnd, 0.4}, {kNot, 0.6}}}});
  for (const bool normalised : {false, true}) {
    TextRowsOptions options{.name = "t", .labels = {{kYes, kEnd}, {kB, kNo, kEnd}}};
    options.normalised = normalised;
    const TextRows text(words(), {{{kA}, {kYes, kEnd}}}, options);
    CHECK(score(model, text, "label_accuracy").correct == (normalised ? 0 : 1));
  }
}

TEST_CASE("a prompt leaves room for the longest label") {
  TextRowsOptions options = labelled(false);
  options.labels.push_back({kYes, kYes, kYes, kEnd});
  options.max_length = 6;
  const TextRows text = rows({{"aaaa", " no"}}, options);
  CHECK(text.prompt(0) == "aa");
  CHECK(text.truncated() == 1);
  CHECK(text.longest_response() == 4);
  CHECK(text.label_of(0) == 1);
  const TextRows other = rows({{"a", "b"}}, options);
  CHECK_THROWS_WITH(other.label_of(0), "the response 'b' of row 0 of t is none of its labels");
}

TEST_CASE("generated texts are cut at stop texts and scored one by one") {
  Table model = table_of({});
  model.answers = {{kA, {kYes, kNo, 2 + '\n', kYes}}, {kB, {261, 2 + '2', 2 + '.'}}};
  const TextRows text = rows({{"a", " yes no and more tokens"}, {"b", " 42"}});
  CHECK(score(model, text, "generated_match").correct == 0);
  const Tally edit = score(model, text, "edit_similarity", {.stop = {"\n"}});
  CHECK(edit.total == 2);
  CHECK(edit.correct == 0);
  // 7 of " yes no" + 23; 3 of " 42." (4) + " 42" (3).
  CHECK(edit.sum == Approx(2 * 7 / (7 + 23.) + 2 * 3 / 7.));
  const Tally number = score(model, text, "number_match");
  CHECK(number.correct == 1);
  CHECK(number.sum == 1);
  CHECK(score(model, rows({{"a", " yes no"}, {"b", " 42."}}), "generated_match", {.stop = {"\n"}})
            .correct == 2);
}

TEST_CASE("rows that a metric can't have are refused") {
  Table model = table_of({});
  CHECK_THROWS_WITH(score(model, rows({{"a", " no"}}), "label_accuracy"),
                    "label_accuracy needs rows with labels; list them in the task, or choose "
                    "another metric");
  const auto vectors = random_rows(1, 4, 2, {0, 1});
  CHECK_THROWS_WITH(score(model, *vectors, "rouge_l"),
                    "rouge_l needs rows of text; choose another metric");
}

TEST_CASE("a masked row is scored among its active classes alone") {
  // Of classes 0 and 1, x = 1 has logits (1, 2) and x = -1 has (-1, -2): class 1 wins for the
  // first.
  const auto tallies =
      score_rows(*third_wins(), *one_and_minus_one(1, {0, 1}), kOfLogits, {.batch_size = 2});
  for (const size_t accuracy : {0, 1}) {
    CHECK(tallies[accuracy].correct == 1);
    CHECK(tallies[accuracy].total == 2);
  }
  const double masked = std::log(1 + std::exp(-1.)) + std::log(1 + std::exp(1.));
  CHECK(tallies[2].sum == Approx(masked).epsilon(1e-6));
  CHECK(tallies[2].total == 2);
}

TEST_CASE("a row without a mask is scored among all classes") {
  const auto tallies =
      score_rows(*third_wins(), *one_and_minus_one(1, {}), kOfLogits, {.batch_size = 2});
  for (const size_t accuracy : {0, 1}) {
    CHECK(tallies[accuracy].correct == 0);  // class 2 wins for x = 1, class 0 for x = -1
    CHECK(tallies[accuracy].total == 2);
  }
  const auto log_sum = [](double x) {
    return std::log(std::exp(x) + std::exp(2 * x) + std::exp(5 * x) + std::exp(4 * x));
  };
  CHECK(tallies[2].sum == Approx(log_sum(1) - 2 + log_sum(-1) + 2).epsilon(1e-6));
}

TEST_CASE("the masks of a task-incremental stream hold in evaluation") {
  const auto model = third_wins();
  for (const bool masked : {true, false}) {
    CAPTURE(masked);
    const auto of = [masked](const Ids& classes) { return masked ? classes : Ids{}; };
    TaskStream stream;
    stream.scenario = masked ? Scenario::task_incremental : Scenario::class_incremental;
    stream.classes = 4;
    stream.tasks = {vector_task("first", one_and_minus_one(1, of({0, 1})), {0, 1}),
                    vector_task("second", one_and_minus_one(3, of({2, 3})), {2, 3})};
    stream.probes.push_back({"loss", {"loss", "nats", false}, stream.tasks[1].test});
    const auto scores = evaluate(*model, stream, 0, 0, {});
    REQUIRE(scores.size() == 3);
    CHECK(scores[0].correct == (masked ? 1 : 0));
    CHECK(scores[1].correct == (masked ? 1 : 0));  // for x = -1, whose logits are (-5, -4)
    if (!masked) continue;
    const double loss = std::log(1 + std::exp(1.)) + std::log(1 + std::exp(-1.));
    CHECK(scores[2].sum == Approx(loss).epsilon(1e-6));
  }
}
