// Trials of an encoder-decoder: it learns, every kind of method runs on it, neutral settings train
// as finetune, a continued trial ends as an uninterrupted one.
#include "tests/catch.h"
// After Catch.
#include "tests/seq2seq_case.h"

using namespace lethe;

namespace {

constexpr int64_t kTasks = 3;

std::shared_ptr<const Tokenizer> shared_bytes() {
  static const auto tokenizer = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  return tokenizer;
}

/// Three letters and one of them: which one is the task.
RowsPtr letter_rows(int64_t task, int64_t rows, int64_t first_id) {
  Random random(static_cast<uint64_t>(first_id) + 1);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (int64_t i = 0; i < rows; ++i) {
    std::string source;
    for (int letter = 0; letter < 3; ++letter) source += static_cast<char>('a' + random.below(3));
    pairs.emplace_back(source, source.substr(static_cast<size_t>(task), 1));
  }
  PairRowsOptions options;
  options.name = "letters";
  options.first_id = first_id;
  return make_pair_rows(shared_bytes(), pairs, options);
}

TaskStream letter_stream() {
  TaskStream stream;
  stream.name = "letters";
  stream.longest = 6;
  for (int64_t t = 0; t < kTasks; ++t) {
    stream.tasks.push_back({"letter " + std::to_string(t + 1),
                            {"exact_match", "fraction", true},
                            letter_rows(t, 48, 300 * t),
                            letter_rows(t, 8, 300 * t + 100),
                            letter_rows(t, 8, 300 * t + 200),
                            {}});
  }
  return stream;
}

std::unique_ptr<Seq2Seq> letter_model() {
  Seq2SeqConfig config = small_seq2seq_config(true);
  config.vocabulary = shared_bytes()->vocabulary_size();
  config.layers = config.decoder_layers = 1;
  config.dropout = 0.1;
  return std::make_unique<Seq2Seq>(config, make_generator(5));
}

TrialResult trial(const std::string& method, const OptionMap& options, int64_t steps = 4,
                  const std::string& checkpoint = "", int64_t last_task = 0) {
  const auto model = letter_model();
  TaskStream stream = letter_stream();
  check_stream(stream);
  Method made = method_of(method, options);
  TrainRequest request = small_request(*model, stream, made);
  request.options.steps = steps;
  request.checkpoint = checkpoint;
  request.last_task = last_task;
  return train(request);
}

std::string digest(const std::string& method, const OptionMap& options) {
  return trial(method, options).weights_digest;
}

}  // namespace

TEST_CASE("an encoder-decoder learns a task and answers in its samples") {
  const auto model = letter_model();
  TaskStream stream = letter_stream();
  stream.tasks.resize(1);
  Method none;
  TrainRequest request = small_request(*model, stream, none);
  request.options.steps = 150;
  request.options.lr = 0.01;
  const TrialResult result = train(request);
  const Evaluation& last = result.evaluations.back();
  CHECK(last.correct >= 7);
  CHECK(last.total == 8);
  CHECK(result.evaluations.front().correct == 0);
  // Generated text and scored rows agree.
  const Sample& sample = result.samples.back();
  CHECK(sample.prompt.size() == 3);
  CHECK(sample.generated.size() == 1);
  const auto& rows = dynamic_cast<const PairRows&>(*stream.tasks[0].test);
  std::vector<int64_t> all = {0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<std::vector<int64_t>> prompts;
  for (const int64_t row : all) prompts.push_back(rows.prompt_ids(row));
  const auto made = model->generate(prompts, rows.longest_response(), rows.end_id());
  int64_t right = 0;
  for (const int64_t row : all)
    right += rows.decode(made[static_cast<size_t>(row)]) == rows.expected(row);
  CHECK(right == last.correct);
}

TEST_CASE("every kind of method trains an encoder-decoder, and the same way again") {
  const std::string finetune = digest("finetune", {});
  const std::pair<std::string, OptionMap> methods[] = {
      {"lora", {{"rank", "2"}, {"targets", "q,v"}, {"dropout", "0.05"}}},
      {"dora", {{"rank", "2"}, {"targets", "q,v"}}},
      {"ia3", {}},
      {"prompt", {{"tokens", "2"}}},
      {"norm-tuning", {}},
      {"ewc", {{"rows", "8"}}},
      {"si", {}},
      {"mas", {{"rows", "8"}}},
      {"distill", {}},
      {"distill", {{"logits", "recorded"}}},
      {"replay", {{"budget", "4"}}},
      {"a-gem", {{"budget", "4"}}},
      {"multitask", {}}};
  for (const auto& [method, options] : methods) {
    CAPTURE(method);
    const std::string once = digest(method, options);
    CHECK(once != finetune);
    CHECK(digest(method, options) == once);
  }
}

TEST_CASE("neutral settings train an encoder-decoder exactly as finetune") {
  const std::string finetune = digest("finetune", {});
  CHECK(digest("ewc", {{"lambda", "0"}, {"rows", "8"}}) == finetune);
  CHECK(digest("distill", {{"alpha", "0"}}) == finetune);
  CHECK(digest("replay", {{"budget", "0"}}) == finetune);
}

TEST_CASE("an encoder-decoder's trial that is continued ends with the same weights") {
  const Scratch scratch;
  const std::string file = scratch.path("checkpoint");
  const OptionMap options = {{"budget", "4"}};
  CHECK_THROWS_AS(trial("replay", options, 4, file, 1), Interrupted);
  CHECK(trial("replay", options, 4, file).weights_digest == digest("replay", options));
}

TEST_CASE("lora's q and v are those of every attention, and adapters start as the base") {
  Batch batch = pair_batch({{5, 9, 3, 1}, {8, 1}}, {{4, 6, 1}, {9, 1}});
  const Adapted adapted("lora", {{"rank", "2"}, {"targets", "q,v"}}, small_seq2seq(true), batch);
  // Attention takes another kernel where its bias, a trained table, has no gradient any more.
  const double least = 2e-6 * adapted.before.abs().max().item<double>();
  CHECK(largest_difference(adapted.prepared, adapted.before) < least);
  // Two encoder blocks with one attention, three decoder blocks with two: A (2, 12), B (18, 2).
  CHECK(adapted.model->count(true) == (2 + 2 * 3) * 2 * 2 * (12 + 18));
  const Adapted scaled("ia3", {}, small_seq2seq(true), batch);
  CHECK(largest_difference(scaled.prepared, scaled.before) < least);
  // Keys and values of eight attentions, and what wo of five blocks reads.
  CHECK(scaled.model->count(true) == 8 * 2 * 18 + 5 * 20);
}
