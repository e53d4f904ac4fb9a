#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/formats/file_bytes.h"
#include "core/models/model_facts.h"
#include "experiments/commands.h"
#include "experiments/plan.h"
#include "experiments/plan_table.h"

namespace lethe {
namespace {

std::string gib(int64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / 0x1p30);
}

/// 1234567 as 1,234,567.
std::string with_commas(int64_t value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

std::string dtype_of(const plan::PlanRequest& request) {
  const bool bf16 = request.dtype == "bf16" || request.levers.narrow();
  return bf16 ? "bf16" : "float32";
}

std::string settings_text(const plan::PlanRequest& request, const plan::Account& account) {
  return fmt::format(
      "  method         {}, base {}, dense weights {}{}, adapters {}, activations {}\n"
      "  trained        {} of {} parameters\n"
      "  step           {} rows of {} tokens, {}, levers {}\n",
      request.method, account.base, dtype_of(request),
      request.mapped ? " (frozen ones mapped)" : "", request.adapter_dtype, request.compute,
      with_commas(account.trainable), with_commas(account.parameters), request.batch,
      request.length, request.optimizer, plan::levers_text(request.levers));
}

std::string parts_text(const plan::Account& account) {
  std::string text = fmt::format("\n  {:<24} {:>12} {:>12}\n", "MiB", "device", "host");
  for (size_t i = 0; i < plan::kParts; ++i) {
    const auto part = static_cast<plan::Part>(i);
    if (account.device[part] + account.host[part] == 0) continue;
    text += fmt::format("  {:<24} {:>12} {:>12}\n", plan::part_name(part),
                        mib(account.device[part]), mib(account.host[part]));
  }
  text += fmt::format("  {:<24} {:>12}\n", "states", mib(account.states));
  text += fmt::format("  {:<24} {:>12} {:>12}   at its highest: {}\n", "peak", mib(account.peak()),
                      mib(account.host.total()), account.moment);
  return text;
}

std::string verdict_text(const plan::Plan& plan) {
  if (plan.device_memory == 0) return "";
  const int64_t left = plan.device_memory - plan.account.peak();
  std::string text =
      plan.fits
          ? fmt::format("\n  fits {}, {} left\n", gib(plan.device_memory), gib(left))
          : fmt::format("\n  does not fit {}: {} too much\n", gib(plan.device_memory), gib(-left));
  for (const plan::Remedy& remedy : plan.remedies) {
    text += fmt::format("  would fit with {:<40} peak {}\n",
                        fmt::format("{}", fmt::join(remedy.levers, ",")), gib(remedy.peak));
  }
  if (!plan.fits && plan.remedies.empty()) {
    text += fmt::format("  no levers make it fit; with all of them the peak is {}\n",
                        gib(plan.least_peak));
  }
  const auto most = [](int64_t n, const char* unit) {
    return n == 0 ? std::string("none fits") : with_commas(n) + unit;
  };
  text += fmt::format("  longest length at this batch   {}\n", most(plan.longest, " tokens"));
  text += fmt::format("  largest batch at this length   {}\n", most(plan.largest_batch, " rows"));
  return text;
}

void add_shape_options(CLI::App& command, plan::PlanRequest& request) {
  command.add_option("--batch", request.batch, "Rows an optimizer step")->capture_default_str();
  command.add_option("--length", request.length, "Tokens a row (of an encoder-decoder's source)")
      ->capture_default_str();
  command.add_option("--target-length", request.target_length,
                     "Tokens of an encoder-decoder's target; 0 = as many");
  command.add_option("--predicted", request.predicted,
                     "Positions of a row whose loss counts; 0 = all");
  command.add_flag("!--equal-lengths", request.padded, "Rows are of one length: no padding masks");
}

void add_method_options(CLI::App& command, plan::PlanRequest& request) {
  command.add_option("--method", request.method, "As in a sweep: finetune, lora, qlora, lora+ewc")
      ->capture_default_str();
  command.add_option("--rank", request.rank, "Of low-rank adapters")->capture_default_str();
  command.add_option("--virtual-tokens", request.virtual_tokens, "Of the method prompt")
      ->capture_default_str();
  command
      .add_option(
          "--targets", request.targets,
          "Linears that are adapted: all, peft (its default), or name endings: q_proj,v_proj")
      ->capture_default_str();
  command.add_option("--layers", request.layers, "That the method freeze trains")
      ->capture_default_str();
  command.add_option("--base", request.base,
                     "Of the blocks' frozen weights: float, nf4, nf4-dq, fp4, fp4-dq, int8");
  command.add_option("--block", request.block, "Values a quantisation constant")
      ->capture_default_str();
  command.add_flag("--mapped", request.mapped,
                   "Frozen float32 weights stay in the checkpoint's mapped file");
  command.add_option("--dtype", request.dtype, "Of dense weights: float32 or bf16");
  command.add_option("--adapter-dtype", request.adapter_dtype, "Of adapters: float32 or bf16")
      ->capture_default_str();
  command.add_option("--compute", request.compute, "Of activations: float32 or bf16")
      ->capture_default_str();
  command.add_option("--optimizer", request.optimizer, "adamw, adam, sgd or sgd-momentum")
      ->capture_default_str();
}

void add_memory_options(CLI::App& command, plan::PlanRequest& request) {
  command.add_option("--tasks", request.tasks, "Of the stream; the last one's steps are planned")
      ->capture_default_str();
  command.add_option("--budget", request.budget,
                     "Rows that gem keeps of each task, derpp in all; 0 = the method's default");
  command.add_option("--memory-rows", request.memory_rows,
                     "Of them in one pass; 0 = all of gem's, as many as --batch of derpp's");
}

std::string footer() {
  std::string text = "Levers, the cheapest in time first:\n";
  for (const plan::LeverDoc& lever : plan::lever_docs()) {
    text += fmt::format("  {:<22} {} ({})\n", lever.name, lever.does, lever.price);
  }
  return text +
         "Exit code 1 where it does not fit.\n"
         "Example: lethe plan models/gpt2 --method lora --batch 16 --length 1024 --device-memory "
         "24GiB";
}

}  // namespace

std::string mib(int64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / 0x1p20);
}

plan::ModelFacts read_model_facts(const std::string& path) {
  if (std::filesystem::is_directory(path)) return model_facts(HfConfig::read(path));
  return model_facts(HfConfig::parse(file_bytes(path), path));
}

std::string plan_text(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan) {
  return fmt::format("{} ({})\n", model, facts.model_type) + settings_text(request, plan.account) +
         parts_text(plan.account) + verdict_text(plan);
}

std::string plan_json(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan) {
  nlohmann::ordered_json json = {{"model", model},
                                 {"model_type", facts.model_type},
                                 {"method", request.method},
                                 {"base", plan.account.base},
                                 {"dtype", dtype_of(request)},
                                 {"mapped", request.mapped},
                                 {"adapter_dtype", request.adapter_dtype},
                                 {"compute", request.compute},
                                 {"optimizer", request.optimizer},
                                 {"levers", plan::levers_text(request.levers)},
                                 {"batch", request.batch},
                                 {"length", request.length},
                                 {"parameters", plan.account.parameters},
                                 {"trainable", plan.account.trainable}};
  for (size_t i = 0; i < plan::kParts; ++i) {
    const auto part = static_cast<plan::Part>(i);
    json["device"][plan::part_name(part)] = plan.account.device[part];
    json["host"][plan::part_name(part)] = plan.account.host[part];
  }
  json["states"] = plan.account.states;
  json["peak"] = plan.account.peak();
  json["moment"] = plan.account.moment;
  if (plan.device_memory > 0) {
    json["device_memory"] = plan.device_memory;
    json["fits"] = plan.fits;
    json["remedies"] = nlohmann::ordered_json::array();
    for (const plan::Remedy& remedy : plan.remedies) {
      json["remedies"].push_back({{"levers", remedy.levers}, {"peak", remedy.peak}});
    }
    json["longest"] = plan.longest;
    json["largest_batch"] = plan.largest_batch;
  }
  return json.dump(2) + "\n";
}

void add_plan_options(CLI::App& command, PlanArguments& arguments) {
  add_method_options(command, arguments.request);
  add_shape_options(command, arguments.request);
  add_memory_options(command, arguments.request);
  command.add_option("--levers", arguments.levers, "Joined by commas; below")
      ->capture_default_str();
}

int plan_command(const PlanArguments& arguments) {
  if (arguments.model.empty() == arguments.table.empty()) {
    fail("`lethe plan` takes a model, or --table with a file of plans; name one of them");
  }
  plan::PlanRequest request = arguments.request;
  request.levers = plan::parse_levers(arguments.levers);
  const int64_t memory =
      arguments.device_memory.empty() ? 0 : plan::parse_memory(arguments.device_memory);
  if (!arguments.table.empty()) {
    fmt::print("{}", plan_table(arguments.table, memory));
    return 0;
  }
  const plan::ModelFacts facts = read_model_facts(arguments.model);
  const plan::Plan made = plan::make_plan(facts, request, memory);
  const auto text = arguments.format == "json" ? plan_json : plan_text;
  fmt::print("{}", text(arguments.model, facts, request, made));
  return made.fits ? 0 : 1;
}

Command add_plan(CLI::App& app) {
  const auto arguments = std::make_shared<PlanArguments>();
  auto* command = app.add_subcommand(
      "plan", "What a training step will take in memory, from config.json alone");
  command->add_option("model", arguments->model, "Folder with config.json, or such a file");
  add_plan_options(*command, *arguments);
  command->add_option(
      "--table", arguments->table,
      "A file of plans, printed as one Markdown table: sweeps/plans/published.toml");
  command->add_option("--device-memory", arguments->device_memory,
                      "What has to be enough: 80GiB, 24GB");
  command->add_option("--format", arguments->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer(footer());
  return {command, [arguments] { return plan_command(*arguments); }};
}

}  // namespace lethe
