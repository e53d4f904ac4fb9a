#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/error.h"
#include "core/formats/hf_config.h"
#include "core/models/pretrained.h"
#include "core/text/made_text.h"
#include "core/text/pair_rows.h"
#include "core/text/text_metrics.h"
#include "experiments/deploy.h"
#include "experiments/growing_text.h"
#include "experiments/predict.h"
#include "experiments/predict_adapters.h"
#include "experiments/predict_classes.h"
#include "experiments/predict_rows.h"

namespace lethe {
namespace {

constexpr int64_t kLongest = 128;  // new tokens, where neither command line nor folder say

/// generation_config.json of the base's folder; of the built-in models one that says nothing.
GenerationConfig generation_config(const StartingPoint& start) {
  const std::string folder = folder_of(start);
  if (folder.empty()) return {};
  return GenerationConfig::read(folder, HfConfig::read(folder));
}

/// What the command line says, and what it does not say by the folder's `own`.
GenerationOptions generation_of(const PredictArguments& arguments, const GenerationConfig& own,
                                RowForm form, const Tokenizer& tokenizer) {
  GenerationOptions options;
  options.end_ids = own.end_ids;
  if (options.end_ids.empty()) options.end_ids = {tokenizer.end_id()};
  options.pad_id = own.pad_id >= 0 ? own.pad_id : tokenizer.pad_id();
  options.start_id = own.decoder_start_id;
  options.longest = arguments.longest.value_or(own.max_new.value_or(kLongest));
  if (!arguments.longest && !own.max_new && own.max_length) {
    // It counts what a decoder reads before its text: the prompt, or an encoder-decoder's start id.
    options.longest = form == RowForm::pairs ? *own.max_length - 1 : *own.max_length;
    if (form == RowForm::text) options.longest_row = *own.max_length;
  }
  options.seed = static_cast<uint64_t>(arguments.seed);
  options.repetition_penalty = arguments.repetition_penalty.value_or(own.repetition_penalty);
  options.no_repeat_ngram = arguments.no_repeat_ngram.value_or(own.no_repeat_ngram);
  options.sample = own.do_sample;
  if (own.do_sample) {
    options.temperature = own.temperature;
    options.top_k = own.top_k;
    options.top_p = own.top_p;
  }
  if (arguments.temperature) {
    options.sample = *arguments.temperature > 0;
    if (options.sample) options.temperature = *arguments.temperature;
  }
  if (arguments.top_k) options.top_k = *arguments.top_k;
  if (arguments.top_p) options.top_p = *arguments.top_p;
  return options;
}

/// A file, or the standard output. Lines appear as they come.
class Sink {
 public:
  explicit Sink(const std::string& path)
      : path_(path), file_(path.empty() ? stdout : std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) refuse();
  }
  ~Sink() {
    if (file_ != stdout) std::fclose(file_);
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  void put(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fflush(file_) != 0) {
      refuse();
    }
  }

 private:
  [[noreturn]] void refuse() const {
    fail("{} can't be written; check the folder and the space on its disk",
         path_.empty() ? "the standard output" : path_);
  }

  std::string path_;
  std::FILE* file_;
};

class Prediction {
 public:
  explicit Prediction(const PredictArguments& arguments)
      : arguments_(arguments), deployed_(open_deployed(arguments.what, arguments.db)) {
    tokenizer_ = tokenizer_of(deployed_.start);
    model_ = make_deployed(deployed_);
    adapters_.emplace(*model_, deployed_.start.model, arguments.adapters, arguments.use);
    model_->train(false);
    if (const std::string folder = folder_of(deployed_.start); !folder.empty()) {
      rows_ = pretrained_rows(folder);
    }
    check_form();
    if (classifies()) return;
    own_ = generation_config(deployed_.start);
    options_ = generation_of(arguments, own_, rows_.form, *tokenizer_);
    if (own_.beams > 1) {
      fmt::print(stderr, "warning: num_beams = {} in {}: beams are not there, decoding is {}\n",
                 own_.beams, own_.path, options_.sample ? "sampled" : "greedy");
    }
  }

  void run() {
    const bool given = !arguments_.prompts.empty();
    const std::vector<PredictRow> rows = read_rows();
    const std::vector<std::string> adapters = take(rows);
    Sink sink(arguments_.output);
    const bool live =
        given && !classifies() && arguments_.output.empty() && isatty(STDOUT_FILENO) != 0;
    const size_t most = live ? 1 : static_cast<size_t>(arguments_.batch);
    std::vector<std::optional<std::string>> made(rows.size());
    size_t written = 0;
    for (const auto& batch : batches_of(adapters, most, options_.sample)) {
      adapters_->activate(adapters[batch.front()]);
      if (classifies()) {
        classify(rows, batch, given, made);
      } else {
        generate(rows, batch, given, live, sink, made);
      }
      // Rows of another adapter may stand before those that are made.
      for (; written < made.size() && made[written]; ++written) sink.put(*made[written]);
    }
  }

 private:
  using Texts = std::vector<std::optional<std::string>>;  // what is written of every row

  bool classifies() const { return rows_.form == RowForm::classes; }

  /// Throws Error for options that mean nothing to the model.
  void check_form() const {
    if (!classifies()) {
      if (arguments_.second.empty()) return;
      fail("--second is '{}', but {} reads no pairs of texts; leave it out", arguments_.second,
           rows_.model.empty() ? "the model" : rows_.model);
    }
    if (!arguments_.second.empty() && !arguments_.prompts.empty()) {
      fail("--second is '{}', a field of records; give the pairs in a file with --input",
           arguments_.second);
    }
    const std::pair<const char*, bool> given[] = {
        {"--max-new", arguments_.longest.has_value()},
        {"--temperature", arguments_.temperature.has_value()},
        {"--top-k", arguments_.top_k.has_value()},
        {"--top-p", arguments_.top_p.has_value()},
        {"--repetition-penalty", arguments_.repetition_penalty.has_value()},
        {"--no-repeat-ngram", arguments_.no_repeat_ngram.has_value()},
        {"--stop", !arguments_.stops.empty()}};
    for (const auto& [option, is_given] : given) {
      if (is_given) {
        fail("{} is for generated text, but {} predicts classes; leave it out", option,
             rows_.model);
      }
    }
  }

  std::vector<PredictRow> read_rows() const {
    if (arguments_.prompts.empty()) {
      const bool by_row = !arguments_.adapters.empty() && arguments_.use.empty();
      return read_predict_rows(arguments_.input, arguments_.field, arguments_.second, by_row);
    }
    std::vector<PredictRow> rows;
    for (const std::string& prompt : arguments_.prompts) {
      rows.push_back({prompt, "", fmt::format("prompt {}", rows.size() + 1)});
    }
    return rows;
  }

  /// Encodes all rows, so that nothing is written where one does not fit; their adapters.
  std::vector<std::string> take(const std::vector<PredictRow>& rows) {
    std::vector<std::string> adapters;
    for (const PredictRow& row : rows) {
      adapters.push_back(adapters_->of(row));
      if (classifies()) continue;
      adapters_->activate(adapters.back());  // virtual tokens leave less room for a prompt
      ids_.push_back(fitting_ids(row));
    }
    if (!classifies()) return adapters;
    class_rows_ =
        class_rows(tokenizer_, rows, !arguments_.second.empty(), deployed_.start, rows_.model);
    const Linear* head = class_head(*model_);
    if (head == nullptr) fail("{} has no head that classifies; give another model", rows_.model);
    labels_ = label_names(deployed_.start, head->out_features());
    return adapters;
  }

  void classify(const std::vector<PredictRow>& rows, const std::vector<size_t>& batch, bool given,
                Texts& written) {
    const auto found = classified(*model_, *class_rows_, batch, labels_);
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto& [label, probability] = found[i];
      written[batch[i]] = given ? fmt::format("{}\t{:.4f}\n", label, probability)
                                : classified_line(rows[batch[i]], label, probability);
    }
  }

  void generate(const std::vector<PredictRow>& rows, const std::vector<size_t>& batch, bool given,
                bool live, Sink& sink, Texts& written) {
    std::vector<std::vector<int64_t>> prompts;
    for (const size_t row : batch) prompts.push_back(ids_[row]);
    options_.first_row = static_cast<int64_t>(batch.front());
    size_t shown = 0;
    std::vector<GrowingText> growing(batch.size(), GrowingText(*tokenizer_));
    const auto follow = [&](size_t row, const std::vector<int64_t>& ids) {
      const size_t seen = growing[row].text().size();
      growing[row].grow(ids);
      const std::string& text = growing[row].text();
      const bool stopped = new_stop(text, seen, arguments_.stops) != std::string::npos;
      const size_t end = text.size() - held_back(text);
      if (live && !stopped && end > shown) {
        const std::string fresh = fresh_text(text.substr(shown, end - shown), 0);
        sink.put(fresh);
        shown += fresh.size();
      }
      return stopped;
    };
    if (live || !arguments_.stops.empty()) options_.stop = follow;
    const auto made = model_->continuations(prompts, options_);
    for (size_t i = 0; i < batch.size(); ++i) {
      std::string text = made_text(*tokenizer_, made[i].ids);
      text = cut_at_stop(text, arguments_.stops);
      std::string& line = written[batch[i]].emplace();
      if (live) {
        line = text.substr(std::min(shown, text.size())) + "\n";
      } else {
        line = given ? text + "\n" : predicted_line(rows[batch[i]], text, made[i].ended);
      }
    }
  }

  /// Bytes at the end that may be the start of a stop string.
  size_t held_back(const std::string& text) const {
    size_t longest = 0;
    for (const std::string& stop : arguments_.stops) longest = std::max(longest, stop.size());
    return std::min(text.size(), longest > 0 ? longest - 1 : 0);
  }

  /// Throws Error for a prompt that leaves no room for a new token.
  std::vector<int64_t> fitting_ids(const PredictRow& row) const {
    std::vector<int64_t> ids = input_ids(row);
    const auto tokens = static_cast<int64_t>(ids.size());
    const std::optional<int64_t> limit = model_->longest_prompt();
    if (limit && tokens > *limit) {
      fail("{} has {} tokens, and the model takes {}; shorten it", row.name, tokens, *limit);
    }
    if (options_.longest_row > 0 && tokens >= options_.longest_row) {
      fail("{} has {} tokens, and max_length = {} of {} counts them; shorten it or give --max-new",
           row.name, tokens, options_.longest_row, own_.path);
    }
    return ids;
  }

  /// What the model is given: of an encoder-decoder a source with its end mark.
  std::vector<int64_t> input_ids(const PredictRow& row) const {
    if (rows_.form == RowForm::text) return prompt_ids(*tokenizer_, row.prompt, row.name);
    if (row.prompt.empty()) fail("{} is empty; give {} a text to read", row.name, rows_.model);
    return ended_ids(*tokenizer_, row.prompt);
  }

  const PredictArguments& arguments_;
  Deployed deployed_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Model> model_;
  std::optional<PredictAdapters> adapters_;  // on the model, which outlives it
  ModelRows rows_;
  GenerationConfig own_;
  GenerationOptions options_;
  std::vector<std::vector<int64_t>> ids_;        // of every prompt
  std::shared_ptr<const ClassRows> class_rows_;  // of a model that classifies
  std::vector<std::string> labels_;              // by class
};

}  // namespace

int predict_command(const PredictArguments& arguments) {
  if (arguments.prompts.empty() == arguments.input.empty()) {
    fail("give prompts with --prompt TEXT, or a file of them with --input FILE, not both");
  }
  Prediction(arguments).run();
  return 0;
}

}  // namespace lethe
