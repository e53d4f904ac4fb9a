// A trial in progress as safetensors files: one of the state after a task, and beside it one of the
// state within the next, which continues from the former: before_task() is called on the values
// that it saw, then what the steps moved is put over them. Both are written beside, fsynced,
// renamed.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/formats/safetensors.h"
#include "core/trainer.h"

namespace lethe {
namespace {

using nlohmann::json;

const char* dtype_name(const Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return "F32";
    case at::kDouble:
      return "F64";
    case at::kLong:
      return "I64";
    case at::kBFloat16:
      return "BF16";
    default:
      return "U8";
  }
}

Tensor read_tensor(const StoredTensor& stored) {
  const at::ScalarType type = stored.dtype == "F32"    ? at::kFloat
                              : stored.dtype == "F64"  ? at::kDouble
                              : stored.dtype == "I64"  ? at::kLong
                              : stored.dtype == "BF16" ? at::kBFloat16
                                                       : at::kByte;
  return at::from_blob(const_cast<uint8_t*>(stored.data), stored.shape, type).clone();
}

json to_json(const Evaluation& e) {
  return {e.after_task, e.step,        e.within_task, e.on_task,
          e.task,       e.metric.name, e.metric.unit, e.metric.higher_is_better,
          e.correct,    e.total,       e.sum};
}

Evaluation evaluation_from(const json& j) {
  Evaluation e;
  e.after_task = j[0];
  e.step = j[1];
  e.within_task = j[2];
  e.on_task = j[3];
  e.task = j[4];
  e.metric = {j[5], j[6], j[7]};
  e.correct = j[8];
  e.total = j[9];
  e.sum = j[10];
  return e;
}

json results_json(const TrialResult& result) {
  json all;
  for (const Evaluation& e : result.evaluations) all["evaluations"].push_back(to_json(e));
  for (const CurvePoint& p : result.curve) {
    all["curve"].push_back({p.task, p.step, p.loss, p.penalty, p.learning_rate, p.gradient_norm});
  }
  for (const Timing& t : result.timing) {
    all["timing"].push_back({t.phase, t.wall, t.cpu, t.tokens, t.samples});
  }
  for (const Sample& s : result.samples) {
    all["samples"].push_back({s.after_task, s.on_task, s.row, s.prompt, s.expected, s.generated});
  }
  return all;
}

/// In place of what there is.
void read_results(const json& all, TrialResult& result) {
  result.evaluations.clear();
  result.curve.clear();
  result.samples.clear();
  result.timing.clear();
  for (const json& e : all.value("evaluations", json::array())) {
    result.evaluations.push_back(evaluation_from(e));
  }
  for (const json& p : all.value("curve", json::array())) {
    result.curve.push_back({p[0], p[1], p[2], p[3], p[4], p[5]});
  }
  for (const json& t : all.value("timing", json::array())) {
    Clock(result).add({t[0], t[1], t[2], t[3], t[4]});
  }
  for (const json& s : all.value("samples", json::array())) {
    result.samples.push_back({s[0], s[1], s[2], s[3], s[4], s[5]});
  }
}

}  // namespace

/// Writes the whole state after `done` tasks; with a sampler, that within the next task.
void Trainer::write(const std::string& path, int64_t done, Sampler* sampler) {
  std::map<std::string, Tensor> tensors;
  for (const ArenaRange& range : arena_.ranges()) {
    tensors["values." + range.name] = arena_.slice(arena_.values(), range).cpu().contiguous();
  }
  for (const Twin& twin : arena_.twins()) tensors["twin." + twin.name()] = twin.tensor().cpu();
  Archive archive(Archive::Direction::write, tensors);
  for (size_t s = 0; s < strategies_.size(); ++s) {
    archive.set_prefix("strategy." + request_.method.names[s] + ".");
    strategies_[s]->state(archive);
  }
  archive.set_prefix("moments.");
  if (moments_) moments_->state(archive);
  if (sampler != nullptr) {
    archive.set_prefix("sampler.");
    sampler->state(archive);
    tensors["dropout"] = at::Generator(model_.generator()).get_state();
    archive.set_prefix("patience.");
    archive("best", best_);
    archive("waited", waited_);
  }
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) {
    stored[name] = {dtype_name(tensor), tensor.sizes().vec(),
                    static_cast<const uint8_t*>(tensor.data_ptr()), tensor.nbytes()};
  }
  // Bytes, not text: what an untrained model generates need not be valid UTF-8.
  const std::vector<uint8_t> results = json::to_cbor(results_json(result_));
  stored["results"] = {
      "U8", {static_cast<int64_t>(results.size())}, results.data(), results.size()};
  const json position = {{"task", done},
                         {"step", step_},
                         {"bias_step", bias_step_},
                         {"task_step", task_step_},
                         {"seed", request_.seed}};
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder);
  write_safetensors(path, stored, {{"position", position.dump()}});
  saved_ = std::chrono::steady_clock::now();
}

void Trainer::save(int64_t task) {
  if (request_.checkpoint.empty()) return;
  const std::chrono::duration<double> since = std::chrono::steady_clock::now() - saved_;
  // What is within a task continues from the file of the task before.
  if (since.count() < request_.checkpoint_seconds && !within_) return;
  write(request_.checkpoint, task, nullptr);
  saved_task_ = task;
  within_ = false;
  std::filesystem::remove(within_path());
}

bool Trainer::due_within(int64_t task) const {
  if (request_.checkpoint.empty() || saved_task_ + 1 != task) return false;
  if (request_.checkpoint_steps > 0 && task_step_ % request_.checkpoint_steps == 0) return true;
  const std::chrono::duration<double> since = std::chrono::steady_clock::now() - saved_;
  return request_.checkpoint_seconds > 0 && since.count() >= request_.checkpoint_seconds;
}

void Trainer::save_within(int64_t task, Sampler& sampler) {
  if (request_.checkpoint.empty() || saved_task_ + 1 != task || task_step_ == 0) return;
  write(within_path(), task - 1, &sampler);
  within_ = true;
}

namespace {

json position_of(const SafetensorsFile& file, int64_t seed) {
  const json position = json::parse(file.metadata().at("position"));
  if (position["seed"] == seed) return position;
  fail("checkpoint {} is of seed {}, this trial's is {}; delete it", file.path(),
       position["seed"].get<int64_t>(), seed);
}

}  // namespace

/// Everything but what before_task() makes again.
void Trainer::read(const std::string& path, int64_t done, Sampler* sampler) {
  const SafetensorsFile file(path);
  const json position = position_of(file, request_.seed);
  step_ = position["step"];
  bias_step_ = position["bias_step"];
  const StoredTensor& results = file.at("results");
  read_results(json::from_cbor(results.data, results.data + results.bytes), result_);
  const at::NoGradGuard no_grad;
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, stored] : file.tensors()) tensors[name] = read_tensor(stored);
  for (const ArenaRange& range : arena_.ranges()) {
    arena_.slice(arena_.values(), range).copy_(tensors.at("values." + range.name));
  }
  arena_.follow_values();
  for (const Twin& twin : arena_.twins()) {
    const auto found = tensors.find("twin." + twin.name());
    if (found != tensors.end()) twin.tensor().copy_(found->second);
  }
  Archive archive(Archive::Direction::read, tensors);
  for (size_t s = 0; s < strategies_.size(); ++s) {
    archive.set_prefix("strategy." + request_.method.names[s] + ".");
    strategies_[s]->state(archive);
  }
  archive.set_prefix("moments.");
  if (moments_) moments_->state(archive);
  saved_task_ = done;
  if (sampler == nullptr) return;
  task_step_ = position["task_step"];
  archive.set_prefix("sampler.");
  sampler->state(archive);
  at::Generator(model_.generator()).set_state(tensors.at("dropout"));
  archive.set_prefix("patience.");
  archive("best", best_);
  archive("waited", waited_);
}

int64_t Trainer::restore() {
  adapt(1);
  if (request_.checkpoint.empty()) return 0;
  int64_t task = 0;
  if (std::filesystem::exists(request_.checkpoint)) {
    const SafetensorsFile file(request_.checkpoint);
    task = position_of(file, request_.seed)["task"];
    for (int64_t t = 2; t <= task; ++t) adapt(t);
    open_moments();
    read(request_.checkpoint, task, nullptr);
  }
  if (std::filesystem::exists(within_path())) {
    const SafetensorsFile file(within_path());
    within_ = position_of(file, request_.seed)["task"] == task;  // else it is of an earlier one
  }
  return task;
}

void Trainer::restore_within(int64_t task, Sampler& sampler) {
  within_ = false;
  read(within_path(), task - 1, &sampler);
  within_ = true;
}

void remove_checkpoint(const std::string& path) {
  if (path.empty()) return;
  std::filesystem::remove(path);
  std::filesystem::remove(path + ".step");
}

}  // namespace lethe
