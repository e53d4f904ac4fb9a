// Sums of single rows' gradients without one pass a row: against one pass a row, for every kind of
// part that is trained, and position by position.
#include "tests/catch.h"
// After Catch.
#include "core/fisher.h"
#include "core/importance.h"
#include "tests/tensors.h"
#include "tests/text_case.h"

using namespace lethe;

namespace {

/// Squares of float32 gradients whose sums are taken in another order: a wrong term is at 1e-2.
constexpr double kRoundingOfSquares = 5e-5;

/// A method, prepared on a decoder or on an mlp, at the end of its first task.
struct Ended {
  Ended(const std::string& method, const OptionMap& options, std::unique_ptr<Model> given,
        TaskStream tasks)
      : model(std::move(given)), stream(std::move(tasks)), made(method_of(method, options)) {
    Setup setup{*model, arena, stream, make_generator(1), {}};
    for (const auto& strategy : made.strategies) strategy->prepare(setup);
    for (const auto& strategy : made.strategies) strategy->adapt(setup, 1);
    arena.lay_out(*model);
    // As if trained: adapters that begin at 0 would hide half of the gradients.
    const at::NoGradGuard no_grad;
    at::Generator generator = make_generator(9);
    for (const ArenaRange& range : arena.ranges()) {
      Tensor values = arena.slice(arena.values(), range);
      values.add_(at::empty_like(values).uniform_(-0.3, 0.3, generator));
    }
  }

  TaskEnd end(int64_t batch = 256) {
    return {1, stream, *stream.tasks[0].train, *model, arena, make_generator(5), batch};
  }

  /// The largest difference of a range, relative to the range's largest value, or to 1e-8 of all
  /// values' largest: the squares of gradients that cancel to 0 are rounding alone.
  double off(const Tensor& found, const Tensor& expected) {
    const double floor = 1e-8 * expected.abs().max().item<double>();
    double largest = 0;
    for (const ArenaRange& range : arena.ranges()) {
      const Tensor a = arena.slice(found, range), b = arena.slice(expected, range);
      const double scale = std::max(floor, b.abs().max().item<double>());
      largest = std::max(largest, largest_difference(a, b) / scale);
    }
    return largest;
  }

  std::unique_ptr<Model> model;
  TaskStream stream;
  Method made;
  Arena arena;
};

Ended on_text(const std::string& method, const OptionMap& options = {},
              const std::string& family = "gpt2") {
  return {method, options, letters_decoder(family), uneven_stream(40)};
}

Ended on_images(const std::string& method, const OptionMap& options = {}) {
  return {method, options, mlp(6, 8, 2, 4), random_stream(Scenario::class_incremental, 2, 40)};
}

bool covered(Ended& ended) { return rows_need_no_loop(ended.end()); }

void check_text(Ended& ended) {
  REQUIRE(covered(ended));
  for (const std::string labels : {"empirical", "weighted", "predicted"}) {
    CAPTURE(labels);
    const Tensor slow = fisher_by_rows(ended.end(), {labels, 0});
    CHECK(ended.off(fisher_diagonal(ended.end(), {labels, 0}), slow) < kRoundingOfSquares);
  }
}

/// Squares of what each position adds by itself, at every place where a parameter of `kind` is
/// used.
Tensor by_position(Ended& ended, const Batch& batch) {
  const Evaluating evaluating(*ended.model);
  const Capture capture(*ended.model, batch);
  const Tensor logits = capture.logits();
  Tensor cotangent = logits.detach().softmax(1);
  cotangent = cotangent - at::zeros_like(cotangent).scatter(1, batch.targets.unsqueeze(1), 1);
  const auto deltas = capture.output_gradients(cotangent);
  const Tensor total = at::zeros_like(ended.arena.values());
  const at::NoGradGuard no_grad;
  for (size_t s = 0; s < capture.sites().size(); ++s) {
    const Capture::Site& site = capture.sites()[s];
    if (site.seam == nullptr) continue;  // frozen here
    const Tensor a = site.input.reshape({-1, site.input.size(-1)});
    const Tensor d = deltas[s].reshape({-1, deltas[s].size(-1)});
    site.seam->parameters([&](const std::string&, Tensor& value) {
      const ArenaRange* range = ended.arena.range_of(value);
      if (range == nullptr) return;
      Tensor sum = ended.arena.slice(total, *range);
      for (int64_t p = 0; p < a.size(0); ++p) {
        const Tensor g = value.dim() == 2 ? at::matmul(d[p].unsqueeze(1), a[p].unsqueeze(0)) : d[p];
        sum.add_(g.square());
      }
    });
  }
  return total;
}

/// Adds its bias outside of every seam's own product.
class Hidden : public Model {
 public:
  Hidden() : layer_("classifier", at::full({4, 6}, 0.1F), at::full({4}, 0.2F)) {}
  Tensor forward(const Batch& batch) override {
    return layer_.forward(batch.inputs) + layer_.bias() * 0.5;
  }
  std::vector<Seam*> seams() override { return {&layer_}; }

 private:
  Linear layer_;
};

}  // namespace

TEST_CASE("a decoder's Fisher without a loop is that of one pass a row, for every family") {
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    CAPTURE(family);
    Ended ended = on_text("finetune", {}, family);
    check_text(ended);
  }
}

TEST_CASE("adapters' Fisher without a loop is that of one pass a row, on text") {
  const std::vector<std::pair<std::string, OptionMap>> methods = {
      {"lora", {{"rank", "2"}, {"bias", "all"}}},
      {"dora", {{"rank", "2"}}},
      {"ia3", {}},
      {"osf", {}},
      {"inclora", {{"rank", "2"}, {"modules_to_save", "ln_f"}}},
      {"bitfit", {}},
      {"norm-tuning", {}},
      {"prompt", {{"tokens", "2"}}}};
  for (const auto& [method, options] : methods) {
    CAPTURE(method);
    Ended ended = on_text(method, options);
    check_text(ended);
  }
}

TEST_CASE("adapters' Fisher without a loop is that of one pass a row and class, on images") {
  for (const std::string method : {"finetune", "lora", "dora", "ia3", "osf", "bitfit"}) {
    CAPTURE(method);
    Ended ended = on_images(method);
    REQUIRE(covered(ended));
    for (const std::string labels : {"exact", "empirical", "weighted"}) {
      CAPTURE(labels);
      CHECK(ended.off(fisher_diagonal(ended.end(7), {labels, 0}),
                      fisher_by_rows(ended.end(), {labels, 0})) < 1e-5);
    }
  }
}

TEST_CASE("where a use of a parameter is hidden, rows are passed one by one") {
  Ended ended{"finetune",
              {},
              std::make_unique<Hidden>(),
              random_stream(Scenario::class_incremental, 2, 20)};
  CHECK_FALSE(covered(ended));
  CHECK(
      fisher_diagonal(ended.end(), {"exact", 0}).equal(fisher_by_rows(ended.end(), {"exact", 0})));
  Ended adalora = on_text("adalora", {{"rank", "2"}, {"target", "1"}});
  CHECK_FALSE(covered(adalora));
  CHECK(fisher_diagonal(adalora.end(), {"empirical", 0})
            .equal(fisher_by_rows(adalora.end(), {"empirical", 0})));
}

TEST_CASE("the Fisher of token rows does not depend on how many are looked at together") {
  Ended ended = on_text("finetune");
  const Tensor all = fisher_diagonal(ended.end(32), {"empirical", 0});
  for (const int64_t batch : {1, 7}) {
    CHECK(ended.off(fisher_diagonal(ended.end(batch), {"empirical", 0}), all) < kRoundingOfSquares);
  }
}

TEST_CASE("per token, the Fisher is the mean of the squares that each position adds by itself") {
  Ended ended = on_text("lora", {{"rank", "2"}});
  for (Linear* seam : ended.model->linears()) {  // Linears alone: their weights, for one
    seam->clear_adapters();
    seam->set_trainable(true);
  }
  ended.arena.lay_out(*ended.model);
  const Rows& rows = *ended.stream.tasks[0].train;
  Tensor expected = at::zeros_like(ended.arena.values());
  int64_t tokens = 0;
  for (int64_t row = 0; row < rows.size(); ++row) {
    const Batch batch = rows.batch({row});
    expected += by_position(ended, batch);
    tokens += batch.targets.numel();
  }
  const FisherOptions options = {.labels = "empirical", .per = "token"};
  const Tensor found = fisher_diagonal(ended.end(), options);
  CHECK(ended.off(found, expected / static_cast<double>(tokens)) < 1e-5);
  const Tensor whole = fisher_diagonal(ended.end(), {"empirical", 0});
  CHECK(ended.off(found, whole) > 0.1);
}

TEST_CASE("one token a row counts the same per token and per sequence") {
  // One prompt token, one response: the end mark follows, so the row is cut to a single prediction.
  const auto tokenizer = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  std::vector<TextRow> one;
  for (int64_t i = 0; i < 12; ++i) one.push_back({{2 + i}, {3 + 2 * i}});
  const auto rows = std::make_shared<TextRows>(tokenizer, one, TextRowsOptions{"one", {}, 0, 0});
  TaskStream stream = uneven_stream(4);
  for (Task& task : stream.tasks) task.train = rows;
  // A Linear that sees one position of one token, and an untied head.
  Ended ended{
      "freeze", {{"layers", "0"}, {"trained", "lm_head"}}, letters_decoder("llama"), stream};
  REQUIRE(ended.arena.parameter_count() > 0);
  const Tensor sequence = fisher_diagonal(ended.end(), {"empirical", 0});
  const Tensor token = fisher_diagonal(ended.end(), {.labels = "empirical", .per = "token"});
  CHECK(sequence.max().item<double>() > 0);
  CHECK(ended.off(token, sequence) < 1e-6);
}

TEST_CASE("mas on text without a loop is that of one pass a row, for either norm") {
  for (const std::string norm : {"squared", "unsquared"}) {
    CAPTURE(norm);
    Ended ended = on_text("mas", {{"norm", norm}});
    ended.made.strategies[0]->after_task(ended.end());
    const Tensor found = ended.arena.twin("mas.importance").tensor();
    Tensor expected = at::zeros_like(found);
    const Rows& rows = *ended.stream.tasks[0].train;
    for (int64_t row = 0; row < rows.size(); ++row) {
      const Tensor logits = ended.model->forward(rows.batch({row}));
      const Tensor f = logits.detach();
      const auto gradients =
          range_gradients(ended.arena, logits, norm == "squared" ? f * 2 : f / f.norm());
      for (size_t i = 0; i < gradients.size(); ++i) {
        if (!gradients[i].defined()) continue;
        ended.arena.slice(expected, ended.arena.ranges()[i]).add_(gradients[i].abs());
      }
    }
    CHECK(ended.off(found, expected / static_cast<double>(rows.size())) < 1e-5);
  }
}
