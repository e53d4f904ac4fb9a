// One step of A-GEM and of replay against the code of van de Ven et al. (../shared/fixtures/cl).
#include "tests/catch.h"
// After Catch.
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/formats/safetensors.h"
#include "tests/replay_case.h"
#include "tests/shared.h"

using namespace lethe;

namespace {

/// Relative to the largest of an array, as fixtures of float32 agree with other orders of summing.
constexpr double kTolerance = 1e-6;

Tensor tensor_of(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor& stored = file.at(name);
  return at::from_blob(const_cast<uint8_t*>(stored.data), stored.shape,
                       stored.dtype == "I64" ? at::kLong : at::kFloat)
      .clone();
}

RowsPtr rows_of(const SafetensorsFile& file, const std::string& x, const std::string& y,
                int64_t first_id) {
  const Tensor inputs = tensor_of(file, x), labels = tensor_of(file, y);
  std::vector<std::vector<float>> rows;
  for (int64_t i = 0; i < inputs.size(0); ++i) {
    const auto* row = inputs.data_ptr<float>() + i * inputs.size(1);
    rows.emplace_back(row, row + inputs.size(1));
  }
  const auto* label = labels.data_ptr<int64_t>();
  return std::make_shared<VectorRows>(first_id, rows,
                                      std::vector<int64_t>(label, label + labels.numel()));
}

/// The largest difference, relative to the largest of `expected`.
double relative_error(const Tensor& found, const Tensor& expected) {
  return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

/// One case of the fixture: its replayed rows are task 1, its current ones task 2.
struct Case {
  Case(const std::string& folder, const std::string& name, const std::string& method)
      : name(name),
        file(folder + "/agem_replay.safetensors"),
        rehearsal(made(folder, name, method)),
        whole(rehearsal.stream.tasks[1].train->batch(all_rows())) {
    rehearsal.begin(1);
    rehearsal.end(1);
    rehearsal.begin(2);
  }

  Rehearsal made(const std::string& folder, const std::string&, const std::string& method) {
    auto model = mlp(6, 8, 1, 4);
    const SafetensorsFile start(folder + "/mlp.safetensors");
    for (const Parameter& parameter : model->parameters()) {
      const at::NoGradGuard no_grad;
      Tensor value = parameter.value;
      value.copy_(tensor_of(start, theirs(parameter.name)));
    }
    const RowsPtr past = rows_of(file, name + ".x_replay", name + ".y_replay", 0);
    TaskStream stream;
    stream.name = "fixture";
    stream.classes = 4;
    stream.tasks.push_back(vector_task("replayed", past, {0, 1, 2, 3}));
    stream.tasks.push_back(
        vector_task("current", rows_of(file, name + ".x", name + ".y", 1000), {0, 1, 2, 3}));
    return {
        std::move(model),
        stream,
        method,
        {{"budget", std::to_string(past->size())}, {"per", "total"}, {"selection", "reservoir"}}};
  }

  std::vector<int64_t> all_rows() const {
    std::vector<int64_t> all;
    for (int64_t i = 0; i < rehearsal.stream.tasks[1].train->size(); ++i) all.push_back(i);
    return all;
  }

  static std::string theirs(const std::string& ours) {
    return ours.rfind("fc1.", 0) == 0 ? "fcE.fcLayer1.linear." + ours.substr(4)
                                      : "classifier.linear." + ours.substr(11);
  }

  /// The four parameters' arrays under `prefix` and in one, `name` + "_flat", in the arena's
  /// layout.
  Tensor flat(const std::string& array) const {
    const Tensor all = tensor_of(file, name + "." + array);
    const Tensor made = at::zeros_like(rehearsal.arena.values());
    int64_t from = 0;
    for (const ArenaRange& range : rehearsal.arena.ranges()) {  // in the file's order
      made.narrow(0, range.offset, range.size).copy_(all.narrow(0, from, range.size));
      from += range.size;
    }
    return made;
  }

  /// The largest difference of the arena's gradient from the fixture's, relative to its largest.
  double gradient_error() const {
    double error = 0;
    for (const ArenaRange& range : rehearsal.arena.ranges()) {
      const Tensor expected = tensor_of(file, name + ".grad_used." + theirs(range.name));
      const Tensor found = rehearsal.arena.slice(rehearsal.arena.gradient(), range);
      error = std::max(error, relative_error(found, expected));
    }
    return error;
  }

  /// The same of the values after a step of SGD with rate 0.1.
  double values_error() {
    kernels::Update step;
    step.optimizer = kernels::Optimizer::sgd;
    step.n = rehearsal.arena.size();
    step.value = rehearsal.arena.values().data_ptr<float>();
    step.gradient = rehearsal.arena.gradient().data_ptr<float>();
    step.learning_rate = 0.1;
    update_on(at::kCPU, step);
    double error = 0;
    for (const ArenaRange& range : rehearsal.arena.ranges()) {
      const Tensor expected = tensor_of(file, name + ".after1." + theirs(range.name));
      error = std::max(error, relative_error(range.parameter, expected));
    }
    return error;
  }

  std::string name;
  SafetensorsFile file;
  Rehearsal rehearsal;
  Batch whole;
};

nlohmann::json expected(const std::string& folder, const std::string& name) {
  std::ifstream stream(folder + "/agem_replay.json");
  return nlohmann::json::parse(stream)[name];
}

}  // namespace

TEST_CASE("a step of A-GEM has the reference code's gradient and values") {
  const auto folder = shared_path("fixtures/cl");
  if (!folder) return;
  for (const std::string name : {"agem_violated", "agem_satisfied", "agem_two_sets_violated"}) {
    CAPTURE(name);
    Case given(folder->string(), name, "a-gem");
    Rehearsal& agem = given.rehearsal;
    const Tensor loss = task_loss(agem.model->forward(given.whole), given.whole);
    CHECK(loss.item<double>() ==
          Approx(expected(folder->string(), name)["result"]["loss_current"].get<double>())
              .epsilon(1e-6));
    torch::autograd::backward({loss}, {});
    CHECK(relative_error(agem.arena.gradient(), given.flat("grad_current_flat")) < kTolerance);
    Tensor reference;
    agem.contribute([&](const Batch& batch, Tensor out) {
      gradient_of(*agem.model, agem.arena, batch, out);
      reference = out.clone();
      CHECK(relative_error(reference, given.flat("grad_replay_flat")) < kTolerance);
      CHECK(task_loss(agem.model->forward(batch), batch).item<double>() ==
            Approx(expected(folder->string(), name)["result"]["loss_replay"].get<double>())
                .epsilon(kTolerance));
      const double dot = (reference * agem.arena.gradient()).sum().item<double>();
      CHECK(dot == Approx(expected(folder->string(), name)["dot_current_replay"].get<double>())
                       .epsilon(1e-5));
    });
    CHECK(given.gradient_error() < kTolerance);
    if (name != "agem_satisfied") {
      const double after = (reference * agem.arena.gradient()).sum().item<double>();
      CHECK(std::abs(after) < 1e-5);
    }
    CHECK(given.values_error() < kTolerance);
  }
}

TEST_CASE("a step of replay has the reference code's loss, gradient and values") {
  const auto folder = shared_path("fixtures/cl");
  if (!folder) return;
  Case given(folder->string(), "replay_normal", "replay");
  Rehearsal& replay = given.rehearsal;
  // The shares of loss and replay are a half each in task 2; the loss takes the whole step, so the
  // replayed rows' own loss is half of the extra one's weighted difference to it.
  const Tensor current = task_loss(replay.model->forward(given.whole), given.whole);
  const Tensor extra = replay.extra(2, given.whole);
  const Tensor loss = current + extra;
  const auto result = expected(folder->string(), "replay_normal")["result"];
  CHECK(current.item<double>() == Approx(result["loss_current"].get<double>()).epsilon(kTolerance));
  CHECK(2 * extra.item<double>() + current.item<double>() ==
        Approx(result["loss_replay"].get<double>()).epsilon(2 * kTolerance));
  CHECK(loss.item<double>() ==
        Approx(expected(folder->string(), "replay_normal")["result"]["loss_total"].get<double>())
            .epsilon(1e-6));
  torch::autograd::backward({loss}, {});
  CHECK(given.gradient_error() < kTolerance);
  CHECK(given.values_error() < kTolerance);
}
