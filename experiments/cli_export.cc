#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

#include "core/adapters/drift.h"
#include "core/error.h"
#include "core/formats/hf_config_write.h"
#include "core/formats/hf_write.h"
#include "core/formats/peft_write.h"
#include "core/models/decoder.h"
#include "core/models/encoder.h"
#include "core/models/pretrained.h"
#include "core/models/seq2seq.h"
#include "core/text/marked_text.h"
#include "core/text/pair_rows.h"
#include "experiments/cli.h"
#include "experiments/deploy.h"
#include "experiments/export.h"
#include "experiments/merged_model.h"
#include "experiments/predict_rows.h"
#include "experiments/start_adapter.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;

/// Fills a folder beside the wanted one and moves it there, so that nobody finds half of it.
void write_folder(const std::string& to, const std::function<void(const std::string&)>& fill) {
  std::error_code error;
  if (fs::exists(to) && (!fs::is_directory(to) || !fs::is_empty(to))) {
    fail("{} is there already and not empty; name a new folder with --to", to);
  }
  const std::string wanted =
      fs::absolute(fs::path(to) / "").lexically_normal().parent_path().string();
  const std::string part = wanted + ".part";
  fs::remove_all(part, error);
  fs::create_directories(part, error);
  if (error) fail("folder {} can't be made: {}", part, error.message());
  try {
    fill(part);
  } catch (...) {
    fs::remove_all(part, error);
    throw;
  }
  fs::remove(wanted, error);  // where it was there, and empty
  fs::rename(part, wanted, error);
  if (error) fail("folder {} can't be renamed to {}: {}", part, wanted, error.message());
}

PeftBase base_of(const StartingPoint& start, Model& model) {
  PeftBase base;
  base.name_or_path = folder_of(start);
  if (class_head(model) != nullptr) base.task_type = "SEQ_CLS";
  if (const auto* decoder = dynamic_cast<const Decoder*>(&model)) {
    base.layers = decoder->config().layers;
    base.heads = decoder->config().heads;
  }
  if (const auto* seq2seq = dynamic_cast<const Seq2Seq*>(&model)) {
    base.layers = seq2seq->config().layers;
    base.heads = seq2seq->config().heads;
  }
  return base;
}

using Ids = std::vector<int64_t>;

constexpr int64_t kDrawnRows = 8, kDrawnTokens = 32;

/// The prompts of --rows, as a model of that form is given them; a classifier reads at most
/// `longest` tokens, 0 = any number.
std::vector<Ids> given_rows(const ExportArguments& arguments, const StartingPoint& start,
                            RowForm form, int64_t longest = 0) {
  std::vector<Ids> rows;
  const auto tokenizer = tokenizer_of(start);
  for (const PredictRow& row : read_predict_rows(arguments.rows, "prompt")) {
    rows.push_back(form == RowForm::pairs     ? ended_ids(*tokenizer, row.prompt)
                   : form == RowForm::classes ? encode_marked(*tokenizer, row.prompt, longest)
                                              : prompt_ids(*tokenizer, row.prompt, row.name));
  }
  return rows;
}

/// Sources with what the trained model answers to them, or with drawn ids where they are drawn.
Batch pairs_for(const ExportArguments& arguments, const StartingPoint& start, Seq2Seq& model) {
  const Seq2SeqConfig& config = model.config();
  std::vector<Ids> sources, reads;
  if (arguments.rows.empty()) {
    sources = drawn_rows(kDrawnRows, kDrawnTokens, config.vocabulary, 1);
    reads = drawn_rows(kDrawnRows, kDrawnTokens - 1, config.vocabulary, 2);
  } else {
    sources = given_rows(arguments, start, RowForm::pairs);
    reads = model.generate(sources, kDrawnTokens - 1, tokenizer_of(start)->end_id());
  }
  for (Ids& read : reads) read.insert(read.begin(), config.start_id);
  return compared_pairs(sources, reads);
}

/// The rows on which logits are compared: a classifier's, or those at all positions.
Batch rows_for(const ExportArguments& arguments, const StartingPoint& start, Model& model) {
  if (auto* seq2seq = dynamic_cast<Seq2Seq*>(&model)) return pairs_for(arguments, start, *seq2seq);
  int64_t limit = 0, vocabulary = 0;
  if (const auto* decoder = dynamic_cast<const Decoder*>(&model)) {
    limit = decoder->config().max_length;
    vocabulary = decoder->config().vocabulary;
  } else if (const auto* encoder = dynamic_cast<const Encoder*>(&model)) {
    limit = encoder->config().max_length;
    vocabulary = encoder->config().vocabulary;
  }
  if (!arguments.rows.empty()) {
    const RowForm form = class_head(model) == nullptr ? RowForm::text : RowForm::classes;
    return compared_rows(given_rows(arguments, start, form, limit));
  }
  if (vocabulary == 0) fail("give the rows on which to measure the drift with --rows FILE");
  const int64_t tokens = limit > 0 ? std::min(limit, kDrawnTokens) : kDrawnTokens;
  return compared_rows(drawn_rows(kDrawnRows, tokens, vocabulary, 1));
}

Tensor logits_of(Model& model, const Batch& batch) {
  const at::NoGradGuard no_grad;
  const Evaluating evaluating(model);
  return model.forward(batch);
}

void write_settings(const StartingPoint& start, Model& model, const std::string& folder) {
  if (const std::string source = folder_of(start); !source.empty()) {
    const Linear* head = class_head(model);
    copy_hf_settings(source, folder, head == nullptr ? 0 : head->out_features());
    return;
  }
  const auto* decoder = dynamic_cast<const Decoder*>(&model);
  const auto tokenizer = tokenizer_of(start);
  write_text("model's settings", (fs::path(folder) / "config.json").string(),
             hf_config_text(start.model.options.at("family"), decoder->config(),
                            tokenizer->pad_id(), tokenizer->end_id()));
}

/// The rows on which models are compared, and the trained model's logits there.
struct Measured {
  Measured(const ExportArguments& arguments, const Deployed& deployed) {
    const auto model = make_deployed(deployed);
    batch = rows_for(arguments, deployed.start, *model);
    logits = logits_of(*model, batch);
  }
  Batch batch;
  Tensor logits;  // (P, C)
};

/// What was learned, for an adapter: with a classifier's head, without which peft opens none of its
/// adapters, and with what else the base's folder does not give. Adapters on these are merged.
Learned with_head(const Deployed& deployed) {
  Learned learned = deployed.learned;
  if (deployed.start.model.name != "pretrained") return learned;
  const auto model = make_start(deployed.start, "float");
  const Linear* head = class_head(*model);
  if (head == nullptr) return learned;
  OptionMap options = deployed.start.model.options;
  options.erase("checkpoint");
  std::vector<std::string> whole =
      fresh_parameters(parse_options<PretrainedOptions>("pretrained", options), *model);
  if (learned.values.count("prompt_embeddings") == 0) {
    for (const char* end : {".weight", ".bias"}) whole.push_back(head->name() + end);
  }
  attach(*model, deployed.learned);
  const auto is_whole = [&](const std::string& name) {
    return std::count(whole.begin(), whole.end(), name) > 0;
  };
  for (Linear* seam : model->linears()) {
    if (!is_whole(seam->name() + ".weight")) continue;
    seam->merge_adapters();
    learned.adapters.erase(seam->name());
  }
  for (const Parameter& parameter : model->parameters()) {
    if (!is_whole(parameter.name)) continue;
    learned.values[parameter.name] = parameter.value.detach().to(at::kFloat).contiguous();
  }
  return learned;
}

/// input_ids and attention_mask (B, L), of an encoder-decoder decoder_input_ids (B, T) too, and
/// logits (P, C): of the positions that the mask counts, of the decoder's own tokens, or of a
/// classifier's rows.
void write_logits(const std::string& path, const Measured& measured) {
  const Tensor mask = measured.batch.mask.to(at::kLong);
  const Tensor logits = measured.logits.contiguous();
  std::map<std::string, StoredTensor> stored;
  const auto add = [&stored](const std::string& name, const char* dtype, const Tensor& value) {
    stored[name] = {dtype, value.sizes().vec(), static_cast<const uint8_t*>(value.data_ptr()),
                    value.nbytes()};
  };
  add("input_ids", "I64", measured.batch.inputs);
  add("attention_mask", "I64", mask);
  if (measured.batch.decoder_inputs.defined()) {
    add("decoder_input_ids", "I64", measured.batch.decoder_inputs);
  }
  add("logits", "F32", logits);
  write_safetensors(path, stored);
}

std::string export_merged(const ExportArguments& arguments, const Deployed& deployed,
                          const PeftFamily& family, const Measured& measured) {
  const std::string base = merge_base(deployed, arguments.base);
  const auto model = merged_model(deployed, family, base);
  const Drift drift = drift_between(measured.logits, logits_of(*model, measured.batch));
  write_folder(arguments.to, [&](const std::string& folder) {
    write_hf_weights(folder, *model, family);
    write_settings(deployed.start, *model, folder);
    write_hf_quantisation(folder, *model, family);
  });
  return fmt::format(
      "merged into the {} base: against the trained model logits differ by at most {:.3g}, mean KL "
      "{:.3g} nats, over {} positions of {} {} rows\n",
      base, drift.largest, drift.mean_kl, drift.positions, measured.batch.rows(),
      arguments.rows.empty() ? "drawn" : "given");
}

void check(const ExportArguments& arguments, const Deployed& deployed) {
  if (!arguments.merge && !arguments.base.empty()) {
    fail("--base belongs to --merge; add it, or leave --base out");
  }
  if (!arguments.rows.empty() && !arguments.merge && arguments.logits.empty()) {
    fail("--rows belongs to --merge or --logits; add one of them, or leave --rows out");
  }
  if (arguments.merge && deployed.learned.values.count("prompt_embeddings") > 0) {
    fail("virtual tokens can't be merged into the weights; export without --merge");
  }
}

std::string files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string export_model(const ExportArguments& arguments) {
  const Deployed deployed = open_deployed(arguments.what, arguments.db);
  const PeftFamily& family = family_of(deployed.start.model);
  check(arguments, deployed);
  std::optional<Measured> measured;
  if (arguments.merge || !arguments.logits.empty()) measured.emplace(arguments, deployed);
  std::string said;
  if (arguments.merge) {
    said = export_merged(arguments, deployed, family, *measured);
  } else {
    const auto model = make_start(deployed.start);
    write_folder(arguments.to, [&](const std::string& folder) {
      write_peft(folder, with_head(deployed), *model, family, base_of(deployed.start, *model));
    });
  }
  if (!arguments.logits.empty()) write_logits(arguments.logits, *measured);
  return said + fmt::format("wrote {}: {}\n", arguments.to, files_in(arguments.to));
}

int export_command(const ExportArguments& arguments) {
  fmt::print("{}", export_model(arguments));
  return 0;
}

}  // namespace lethe
