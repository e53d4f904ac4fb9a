#include "core/models/pretrained.h"

#include <fmt/ranges.h>

#include <vector>

#include "core/digest.h"
#include "core/error.h"
#include "core/models/decoder.h"
#include "core/models/hf_decoder.h"

namespace lethe {
namespace {

PretrainedFamily decoder_family() {
  PretrainedFamily family;
  family.make = [](const HfConfig& config, bool dropout, at::Generator generator) {
    DecoderConfig made = decoder_config(config);
    if (!dropout) made.embedding_dropout = made.attention_dropout = made.dropout = 0;
    return std::make_unique<Decoder>(std::move(made), std::move(generator));
  };
  family.rules = [](const HfConfig& config) { return decoder_rules(config); };
  family.longest = [](const HfConfig& config) { return decoder_config(config).max_length; };
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

}  // namespace

const std::map<std::string, PretrainedFamily>& pretrained_families() {
  static const std::map<std::string, PretrainedFamily> families = [] {
    std::map<std::string, PretrainedFamily> all;
    for (const std::string& name : decoder_families()) all[name] = decoder_family();
    return all;
  }();
  return families;
}

const PretrainedFamily& pretrained_family(const HfConfig& config) {
  const auto& families = pretrained_families();
  const auto found = families.find(config.model_type());
  if (found != families.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [name, family] : families) known.push_back(name);
  config.refuse({"model_type"}, fmt::format("one of {}", fmt::join(known, ", ")));
}

std::unique_ptr<Model> open_pretrained(const PretrainedOptions& options, at::Generator generator) {
  const HfConfig config = HfConfig::read(options.path);
  const PretrainedFamily& family = pretrained_family(config);
  const bool dropout = options.dropout == "config";
  if (options.init == "random") return family.make(config, dropout, std::move(generator));
  auto model = family.make(config, dropout, at::Generator());
  load_checkpoint(*model, std::make_shared<Checkpoint>(options.path), family.rules(config));
  return model;
}

std::string pretrained_digest(const PretrainedOptions& options) {
  static std::map<std::string, std::string> known;
  const std::string key = options.init + " " + options.path;
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  const HfConfig config = HfConfig::read(options.path);
  pretrained_family(config).rules(config);  // refuses what could not be opened
  std::string facts = sha256_file(config.path());
  if (options.init == "checkpoint") facts += Checkpoint(options.path).digest();
  return known[key] = sha256(facts);
}

ModelEntry pretrained_entry() {
  ModelEntry entry;
  entry.name = "pretrained";
  entry.summary = "A Hugging Face folder: GPT-2, OPT, BLOOM, LLaMA, Mistral or Qwen2.";
  entry.source = "config.json and safetensors as transformers writes them";
  entry.text = true;
  entry.docs = [] { return option_docs<PretrainedOptions>(); };
  entry.complete = [](const OptionMap& given) {
    const PretrainedOptions options = parsed(given);
    OptionMap text = options_text(options);
    text.erase("path");
    text["checkpoint"] = pretrained_digest(options);
    return text;
  };
  entry.make = [](const OptionMap& given, const ModelShape& shape, at::Generator generator) {
    const PretrainedOptions options = parsed(given);
    check_shape(HfConfig::read(options.path), shape);
    return open_pretrained(options, std::move(generator));
  };
  return entry;
}

}  // namespace lethe
