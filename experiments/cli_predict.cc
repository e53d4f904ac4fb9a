#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/error.h"
#include "core/formats/hf_config.h"
#include "core/formats/peft_read.h"
#include "core/models/pretrained.h"
#include "core/text/made_text.h"
#include "core/text/pair_rows.h"
#include "core/text/text_metrics.h"
#include "experiments/deploy.h"
#include "experiments/growing_text.h"
#include "experiments/predict.h"
#include "experiments/predict_rows.h"
#include "experiments/start_adapter.h"

namespace lethe {
namespace {

/// What the command line says, and for a folder what it does not say by generation_config.json.
GenerationOptions generation_of(const PredictArguments& arguments, const StartingPoint& start,
                                const Tokenizer& tokenizer) {
  GenerationOptions options;
  GenerationConfig own;
  if (const std::string folder = folder_of(start); !folder.empty()) {
    own = GenerationConfig::read(folder, HfConfig::read(folder));
  }
  options.end_ids = own.end_ids;
  if (options.end_ids.empty()) options.end_ids = {tokenizer.end_id()};
  options.pad_id = own.pad_id >= 0 ? own.pad_id : tokenizer.pad_id();
  options.longest = arguments.longest;
  options.seed = static_cast<uint64_t>(arguments.seed);
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
    if (!arguments.adapter.empty()) {
      const PeftFamily& family = family_of(deployed_.start.model);
      attach(*model_, read_peft(arguments.adapter, *model_, family).learned, "adapter");
    }
    model_->train(false);
    if (const std::string folder = folder_of(deployed_.start); !folder.empty()) {
      rows_ = pretrained_rows(folder);
    }
    options_ = generation_of(arguments, deployed_.start, *tokenizer_);
  }

  void run() {
    const bool given = !arguments_.prompts.empty();
    std::vector<PredictRow> rows;
    for (const std::string& prompt : arguments_.prompts) rows.push_back({prompt, ""});
    if (!given) rows = read_predict_rows(arguments_.input, arguments_.field);
    Sink sink(arguments_.output);
    const bool live = given && arguments_.output.empty() && isatty(STDOUT_FILENO) != 0;
    const size_t step = live ? 1 : static_cast<size_t>(arguments_.batch);
    for (size_t first = 0; first < rows.size(); first += step) {
      const size_t end = std::min(rows.size(), first + step);
      batch({rows.begin() + static_cast<int64_t>(first), rows.begin() + static_cast<int64_t>(end)},
            first, given, live, sink);
    }
  }

 private:
  void batch(const std::vector<PredictRow>& rows, size_t first, bool given, bool live, Sink& sink) {
    std::vector<std::vector<int64_t>> prompts;
    for (const PredictRow& row : rows) prompts.push_back(input_ids(row.prompt));
    options_.first_row = static_cast<int64_t>(first);
    size_t shown = 0;
    std::vector<GrowingText> growing(rows.size(), GrowingText(*tokenizer_));
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
    for (size_t i = 0; i < rows.size(); ++i) {
      std::string text = made_text(*tokenizer_, made[i].ids);
      text = cut_at_stop(text, arguments_.stops);
      if (live) {
        sink.put(text.substr(std::min(shown, text.size())) + "\n");
      } else {
        sink.put(given ? text + "\n" : predicted_line(rows[i], text, made[i].ended));
      }
    }
  }

  /// Bytes at the end that may be the start of a stop string.
  size_t held_back(const std::string& text) const {
    size_t longest = 0;
    for (const std::string& stop : arguments_.stops) longest = std::max(longest, stop.size());
    return std::min(text.size(), longest > 0 ? longest - 1 : 0);
  }

  /// What the model is given: of an encoder-decoder a source with its end mark.
  std::vector<int64_t> input_ids(const std::string& prompt) const {
    if (rows_.form == RowForm::text) return prompt_ids(*tokenizer_, prompt);
    if (rows_.form == RowForm::classes) {
      fail("{} predicts classes and does not continue prompts; give a model that generates text",
           rows_.model);
    }
    if (prompt.empty()) fail("a prompt is empty; give {} a text to read", rows_.model);
    return ended_ids(*tokenizer_, prompt);
  }

  const PredictArguments& arguments_;
  Deployed deployed_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Model> model_;
  ModelRows rows_;
  GenerationOptions options_;
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
