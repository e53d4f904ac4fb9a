#include "core/models/pretrained.h"

#include <fmt/ranges.h>

#include <vector>

#include "core/digest.h"
#include "core/error.h"
#include "core/models/decoder.h"
#include "core/models/hf_decoder.h"
#include "core/models/hf_encoder.h"
#include "core/models/hf_seq2seq.h"
#include "core/models/seq2seq.h"

namespace lethe {
namespace {

PretrainedFamily decoder_family() {
  PretrainedFamily family;
  family.make = [](const HfConfig& config, const PretrainedMaking& making) {
    DecoderConfig made = decoder_config(config);
    if (!making.dropout) made.embedding_dropout = made.attention_dropout = made.dropout = 0;
    if (made.labels > 0 && making.classes > 0) made.labels = making.classes;
    return std::make_unique<Decoder>(std::move(made), making.weights, making.head);
  };
  family.rules = [](const HfConfig& config) { return decoder_rules(config); };
  family.longest = [](const HfConfig& config) { return decoder_config(config).max_length; };
  return family;
}

PretrainedFamily seq2seq_family() {
  PretrainedFamily family;
  family.rows = RowForm::pairs;
  family.make = [](const HfConfig& config, const PretrainedMaking& making) {
    Seq2SeqConfig made = seq2seq_config(config);
    if (!making.dropout) made.dropout = 0;
    return std::make_unique<Seq2Seq>(made, making.weights);
  };
  family.rules = [](const HfConfig& config) { return seq2seq_rules(config); };
  family.longest = [](const HfConfig&) { return int64_t{0}; };
  return family;
}

PretrainedFamily encoder_family() {
  PretrainedFamily family;
  family.rows = RowForm::classes;
  family.make = [](const HfConfig& config, const PretrainedMaking& making) {
    EncoderConfig made = encoder_config(config, making.classes);
    if (!making.dropout) made.dropout = made.attention_dropout = made.head_dropout = 0;
    return std::make_unique<Encoder>(made, making.weights, making.head);
  };
  family.rules = [](const HfConfig& config) { return encoder_rules(config); };
  family.longest = [](const HfConfig& config) { return encoder_config(config, 0).max_length; };
  return family;
}

PretrainedOptions parsed(const OptionMap& given) {
  auto options = parse_options<PretrainedOptions>("pretrained", given);
  if (options.path.empty()) {
    fail(
        "the model 'pretrained' needs path: a folder with config.json and model.safetensors, as "
        "the Hugging Face hub has them; set model.path");
  }
  return options;
}

/// A folder of quantised weights has its base already.
void take_stored_base(const OptionMap& given, PretrainedOptions& options) {
  const std::string stored = stored_base(options);
  if (stored.empty()) return;
  const auto asked = given.find("base");
  if (asked != given.end() && asked->second != stored) {
    fail(
        "model.base is {}, but the weights of {} are stored as {}; leave base out, or take the "
        "folder of the float weights",
        asked->second, options.path, stored);
  }
  for (const char* key : {"block", "skip"}) {
    if (given.count(key) == 0) continue;
    fail("model.{} is {}, but the weights of {} are quantised already, as {}; leave {} out", key,
         given.at(key), options.path, stored, key);
  }
  options.base = stored;
}

void check_shape(const HfConfig& config, const ModelShape& shape) {
  if (shape.features > 0) {
    fail("the model 'pretrained' takes text, but the stream gives images; choose the model 'mlp'");
  }
  const int64_t vocabulary = config.size({"vocab_size"});
  if (shape.vocabulary > vocabulary) {
    fail("{}: the tokenizer has {} ids, and the model knows {}; use the tokenizer of its folder",
         config.path(), shape.vocabulary, vocabulary);
  }
  const int64_t longest = pretrained_family(config).longest(config);
  if (longest > 0 && shape.longest > longest) {
    fail(
        "{}: the stream's longest row has {} tokens, and the model takes {}; lower the stream's "
        "max_length",
        config.path(), shape.longest, longest);
  }
}

/// The family's rules, and for a fresh head that the folder's is left out. Another number of
/// classes is no damage of the file, and said by itself.
CheckpointRules rules_for(const PretrainedOptions& options, Model& model,
                          const Checkpoint& checkpoint) {
  const HfConfig config = HfConfig::read(options.path);
  CheckpointRules rules = pretrained_family(config).rules(config);
  rules.quantised = stored_quantisation(config);
  const Linear* head = class_head(model);
  if (options.head == "new") {
    if (head == nullptr) {
      fail("model.head is new, but the model of {} has no classification head; leave head out",
           options.path);
    }
    rules.left_out = {head->name() + R"(\..*)"};
    return rules;
  }
  if (head == nullptr) return rules;
  const auto stored = checkpoint.tensors().find(head->name() + ".weight");
  if (stored == checkpoint.tensors().end() || stored->second.shape.size() != 2) return rules;
  const int64_t classes = stored->second.shape[0], wanted = head->out_features();
  if (classes == wanted) return rules;
  fail(
      "{}: the head '{}' was made for {} classes, but the labels of the stream's tasks are {}; "
      "give the tasks {} labels in all, or set model.head = \"new\" for a fresh head of {}",
      checkpoint.path(), head->name(), classes, wanted, classes, wanted);
}

}  // namespace

const std::map<std::string, PretrainedFamily>& pretrained_families() {
  static const std::map<std::string, PretrainedFamily> families = [] {
    std::map<std::string, PretrainedFamily> all;
    for (const std::string& name : decoder_families()) all[name] = decoder_family();
    all["bert"] = encoder_family();
    all["t5"] = all["mt5"] = seq2seq_family();
    return all;
  }();
  return families;
}

const PretrainedFamily& pretrained_family(const HfConfig& config) {
  const auto& families = pretrained_families();
  const auto found = families.find(config.text({"model_type"}, ""));
  if (found != families.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [name, family] : families) known.push_back(name);
  config.refuse({"model_type"}, fmt::format("one of {}", fmt::join(known, ", ")));
}

ModelRows pretrained_rows(const std::string& folder) {
  const HfConfig config = HfConfig::read(folder);
  ModelRows rows;
  rows.form = pretrained_family(config).rows;
  if (rows.form == RowForm::pairs) rows.start_id = seq2seq_config(config).start_id;
  if (rows.form == RowForm::text && decoder_config(config).labels > 0) {
    rows.form = RowForm::classes;
  }
  rows.model = fmt::format("the {} model of {}", config.model_type(), folder);
  return rows;
}

std::unique_ptr<Model> open_pretrained(const PretrainedOptions& options, at::Generator generator,
                                       int64_t classes) {
  const HfConfig config = HfConfig::read(options.path);
  const PretrainedFamily& family = pretrained_family(config);
  PretrainedMaking making{options.dropout == "config", classes, {}, generator};
  if (options.init == "random") {
    making.weights = generator;
    return family.make(config, making);
  }
  auto model = family.make(config, making);
  const auto checkpoint = std::make_shared<Checkpoint>(options.path);
  load_checkpoint(*model, checkpoint, rules_for(options, *model, *checkpoint));
  return model;
}

const Linear* class_head(Model& model) {
  for (const Linear* seam : model.linears()) {
    const bool classifies = seam->name() == "classifier" || seam->name() == "score";
    if (classifies && seam->kind() == SeamKind::head) return seam;
  }
  return nullptr;
}

std::vector<std::string> fresh_parameters(const PretrainedOptions& options, Model& model) {
  if (options.init == "random") return {};
  const auto checkpoint = std::make_shared<Checkpoint>(options.path);
  return parameters_not_in(checkpoint, model, rules_for(options, model, *checkpoint));
}

std::string stored_base(const PretrainedOptions& options) {
  if (options.init == "random") return "";
  const auto stored = stored_quantisation(HfConfig::read(options.path));
  return stored ? stored->base : "";
}

std::string pretrained_digest(const PretrainedOptions& options) {
  static std::map<std::string, std::string> known;
  const std::string key = options.init + " " + options.path;
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  const HfConfig config = HfConfig::read(options.path);
  pretrained_family(config).rules(config);  // refuses what could not be opened
  if (options.init == "checkpoint") stored_quantisation(config);
  std::string facts = sha256_file(config.path());
  if (options.init == "checkpoint") facts += Checkpoint(options.path).digest();
  return known[key] = sha256(facts);
}

ModelEntry pretrained_entry() {
  ModelEntry entry;
  entry.name = "pretrained";
  entry.summary = "A Hugging Face folder: GPT-2, OPT, BLOOM, LLaMA, Mistral, Qwen2, T5, mT5, BERT.";
  entry.source = "config.json and safetensors as transformers writes them";
  entry.text = true;
  entry.docs = [] { return option_docs<PretrainedOptions>(); };
  entry.complete = [](const OptionMap& given) {
    PretrainedOptions options = parsed(given);
    take_stored_base(given, options);
    OptionMap text = options_text(options);
    text.erase("path");
    if (options.head == "checkpoint") text.erase("head");
    text["checkpoint"] = pretrained_digest(options);
    return text;
  };
  entry.make = [](const OptionMap& given, const ModelShape& shape, at::Generator generator) {
    const PretrainedOptions options = parsed(given);
    check_shape(HfConfig::read(options.path), shape);
    return open_pretrained(options, std::move(generator), shape.classes);
  };
  return entry;
}

}  // namespace lethe
