#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/formats/file_bytes.h"
#include "core/models/model_facts.h"
#include "experiments/plan.h"
#include "experiments/with_commas.h"

namespace lethe {
namespace {

std::string gib(int64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / 0x1p30);
}

std::string dtype_of(const plan::PlanRequest& request) {
  const bool bf16 = request.dtype == "bf16" || request.levers.narrow();
  return bf16 ? "bf16" : "float32";
}

std::string adapters_in(const plan::PlanRequest& request) {
  return request.levers.narrow() ? "bf16" : request.adapter_dtype;
}

std::string settings_text(const plan::PlanRequest& request, const plan::Account& account) {
  const auto more = [](int64_t n, const char* what) {
    return n > 0 ? fmt::format(", {} {}", n, what) : std::string();
  };
  return fmt::format(
      "  method         {}, base {}, dense weights {}{}, adapters {}, activations {}\n"
      "  trained        {} of {} parameters\n"
      "  step           {} rows of {}{} tokens{}{}, {}, levers {}\n",
      request.method, account.base, dtype_of(request),
      request.mapped ? " (frozen ones mapped)" : "", adapters_in(request), request.compute,
      with_commas(account.trainable), with_commas(account.parameters), request.batch,
      request.padded ? "up to " : "", request.length, more(request.target_length, "of the target"),
      more(request.predicted, "predicted"), request.optimizer, plan::levers_text(request.levers));
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

/// What the plan leaves out of such a method's step.
std::string uncounted_text(const plan::PlanRequest& request) {
  std::string names;
  for (const std::string name : {"distill", "replay", "a-gem", "lwf"}) {
    const std::string all = "+" + request.method + "+";
    if (all.find("+" + name + "+") != std::string::npos)
      names += (names.empty() ? "" : ", ") + name;
  }
  if (names.empty()) return "";
  return fmt::format("  not counted: further forward passes of {} (docs/memory.md)\n", names);
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

std::string measured_text(const plan::Account& account, const MeasuredStep& measured) {
  if (measured.out_of_memory) {
    return fmt::format("\n  measured on {}: out of memory\n", measured.device);
  }
  std::string text = fmt::format("\n  measured on {}\n", measured.device);
  const auto line = [&text](const std::string& name, int64_t device, int64_t host,
                            const std::string& note) {
    text += fmt::format("  {:<24} {:>12} {:>12}{}\n", name, mib(device), mib(host), note);
  };
  for (const MeasuredStep::Held& one : measured.held) line(one.category, one.device, one.host, "");
  const double off = 100.0 * static_cast<double>(account.peak() - measured.peak) /
                     static_cast<double>(measured.peak);
  line("peak", measured.peak, measured.host, fmt::format("   the plan is {:+.1f} % off", off));
  line("before the first step", measured.before, 0, "   while it is made, moved and laid out");
  if (measured.reserved > 0) line("CUDA reserved", measured.reserved, 0, "   from the driver");
  return text + fmt::format("  {:<24} {:>12.2f} ms, the median\n", "a step", measured.milliseconds);
}

nlohmann::ordered_json measured_json(const MeasuredStep& measured) {
  nlohmann::ordered_json held = nlohmann::ordered_json::object();
  for (const MeasuredStep::Held& one : measured.held) {
    held[one.category] = {{"device", one.device}, {"host", one.host}};
  }
  return {{"device", measured.device},
          {"held", held},
          {"out_of_memory", measured.out_of_memory},
          {"peak", measured.peak},
          {"host", measured.host},
          {"before_the_first_step", measured.before},
          {"cuda_reserved", measured.reserved},
          {"milliseconds", measured.milliseconds}};
}

void add_shape_options(CLI::App& command, plan::PlanRequest& request) {
  command.add_option("--batch", request.batch, "Rows an optimizer step")->capture_default_str();
  command
      .add_option("--length", request.length,
                  "Tokens a row (of an encoder-decoder's source); at most what the model takes")
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
                     "Of the blocks' frozen weights: float, bf16, int8, nf4, nf4-dq, fp4, fp4-dq");
  command.add_option("--skip", request.skip, "Name endings of Linears that stay dense under it")
      ->capture_default_str();
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

}  // namespace

std::string mib(int64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / 0x1p20);
}

plan::ModelFacts read_model_facts(const std::string& path) {
  if (std::filesystem::is_directory(path)) return model_facts(HfConfig::read(path));
  return model_facts(HfConfig::parse(file_bytes(path), path));
}

std::string plan_text(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan,
                      const std::optional<MeasuredStep>& measured) {
  return fmt::format("{} ({})\n", model, facts.model_type) + settings_text(request, plan.account) +
         parts_text(plan.account) + uncounted_text(request) + verdict_text(plan) +
         (measured ? measured_text(plan.account, *measured) : "");
}

std::string plan_json(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan,
                      const std::optional<MeasuredStep>& measured) {
  nlohmann::ordered_json json = {{"model", model},
                                 {"model_type", facts.model_type},
                                 {"method", request.method},
                                 {"base", plan.account.base},
                                 {"dtype", dtype_of(request)},
                                 {"mapped", request.mapped},
                                 {"adapter_dtype", adapters_in(request)},
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
  if (measured) json["measured"] = measured_json(*measured);
  return json.dump(2) + "\n";
}

void add_plan_options(CLI::App& command, PlanArguments& arguments) {
  add_method_options(command, arguments.request);
  add_shape_options(command, arguments.request);
  add_memory_options(command, arguments.request);
  command.add_option("--levers", arguments.levers, "Joined by commas; below")
      ->capture_default_str();
}

void fit_length(const CLI::App& command, const plan::ModelFacts& facts,
                plan::PlanRequest& request) {
  if (command.count("--length") > 0 || facts.longest == 0) return;
  request.length = std::min(request.length, facts.longest);
}

std::string config_text(const std::string& path) {
  const bool folder = std::filesystem::is_directory(path);
  return file_bytes(folder ? path + "/config.json" : path);
}

std::string plan_footer() {
  std::string text = "Levers, the cheapest in time first:\n";
  for (const plan::LeverDoc& lever : plan::lever_docs()) {
    text += fmt::format("  {:<22} {} ({})\n", lever.name, lever.does, lever.price);
  }
  return text +
         "Exit code 1 where it does not fit.\n"
         "Example: lethe plan models/gpt2 --method lora --batch 16 --length 1024 --device-memory "
         "24GiB";
}

}  // namespace lethe
