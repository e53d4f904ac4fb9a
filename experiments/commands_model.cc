// The subcommands that deal with models and their files, with their options.
#include <CLI/CLI.hpp>
#include <memory>

#include "experiments/commands.h"
#include "experiments/export.h"
#include "experiments/inspect.h"
#include "experiments/merged_model.h"
#include "experiments/predict.h"

namespace lethe {
namespace {

/// What of generation_config.json the command line can say otherwise.
void add_generation(CLI::App& command, PredictArguments& predict) {
  command
      .add_option("--max-new", predict.longest,
                  "New tokens a prompt; without it by generation_config.json, else 128")
      ->check(CLI::PositiveNumber);
  command.add_option("--temperature", predict.temperature, "0 = greedy, above it sampled")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--top-k", predict.top_k, "Sample among the k likeliest; 0 = all");
  command.add_option("--top-p", predict.top_p, "Sample among the fewest of this probability");
  command
      .add_option("--repetition-penalty", predict.repetition_penalty,
                  "Above 1: tokens of the text so far are less likely; 1 = none")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--no-repeat-ngram", predict.no_repeat_ngram,
                  "No run of this many tokens twice; 0 = any")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--seed", predict.seed, "Of sampling")->capture_default_str();
  command.add_option("--stop", predict.stops, "Text that ends a row; may be given several times")
      ->allow_extra_args(false);
}

}  // namespace

Command add_inspect(CLI::App& app) {
  const auto folder = std::make_shared<std::string>();
  auto* command = app.add_subcommand(
      "inspect", "A Hugging Face folder: architecture, parameters, what would be adapted");
  command->add_option("folder", *folder, "Folder with config.json")->required();
  return {command, [folder] { return inspect_command(*folder); }};
}

Command add_export(CLI::App& app) {
  const auto exported = std::make_shared<ExportArguments>();
  auto* command = app.add_subcommand(
      "export", "Write what a trial learned as a peft adapter, or merged as a Hugging Face folder");
  command
      ->add_option("trial", exported->what,
                   "Number or digest of a trial that was run with --keep, or an adapter's folder")
      ->required();
  command->add_option("--to", exported->to, "New folder")->required();
  command->add_option("--db", exported->db, "Result store")->capture_default_str();
  command->add_flag("--merge", exported->merge,
                    "The whole model, adapters merged into its weights");
  command->add_option("--base", exported->base, "What is merged into; without it, as in training")
      ->check(CLI::IsMember(merge_bases()));
  command->add_option("--rows", exported->rows,
                      "JSON Lines with prompts to measure on; without it, drawn token ids");
  command->add_option("--logits", exported->logits,
                      "File for those rows' ids and the trained model's logits (safetensors)");
  command->footer("Example: lethe export 3 --to merged --merge");
  return {command, [exported] { return export_command(*exported); }};
}

Command add_predict(CLI::App& app) {
  const auto predict = std::make_shared<PredictArguments>();
  auto* command = app.add_subcommand(
      "predict", "Continue prompts, or classify texts, with a trained or loaded model");
  command
      ->add_option("model", predict->what,
                   "Trial that was run with --keep, Hugging Face folder, or adapter's folder")
      ->required();
  command->add_option("--db", predict->db, "Result store")->capture_default_str();
  command
      ->add_option("--prompt", predict->prompts,
                   "Text to continue or classify; may be given several times")
      ->allow_extra_args(false);
  command->add_option("--input", predict->input, "JSON Lines with prompts; - = standard input");
  command->add_option("-o,--output", predict->output, "File to write; without one, the terminal");
  command->add_option("--field", predict->field, "Where a record has its prompt")
      ->capture_default_str();
  command->add_option("--second", predict->second,
                      "Of a model that classifies pairs: where a record has its second text");
  command
      ->add_option(
          "--adapter", predict->adapters,
          "[NAME=]DIR, a peft adapter to put on, by default called as its folder; may be "
          "given several times: a record's \"adapter\" names its own, without it the first")
      ->allow_extra_args(false);
  command->add_option("--use", predict->use, "Name of the adapter for all rows");
  command->add_option("--batch", predict->batch, "Prompts at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_generation(*command, *predict);
  command->footer("Example: lethe predict 3 --input rows.jsonl -o out.jsonl");
  return {command, [predict] { return predict_command(*predict); }};
}

}  // namespace lethe
