// Synaptic intelligence and learning without forgetting against the reference code's own numbers.
#include "tests/catch.h"
// After Catch.
#include "tests/cl_case.h"

using namespace lethe;

namespace {

/// Student and teacher logits (7, 4) as the weights of one layer, whose inputs pick a row each.
struct Logits {
  Logits(const Tensor& scores, const Tensor& teacher, const OptionMap& options,
         Scenario scenario = Scenario::domain_incremental)
      : driven(std::make_unique<OneLayer>(at::zeros({4, 7})), stream_of(), "distill", options) {
    driven.stream.scenario = scenario;
    driven.stream.tasks[0].classes = scenario == Scenario::class_incremental
                                         ? std::vector<int64_t>{0, 1}
                                         : std::vector<int64_t>{0, 1, 2, 3};
    driven.set(floats_of(teacher.t()));
    driven.begin(2);
    driven.set(floats_of(scores.t()));
    const Batch batch = whole(*driven.stream.tasks[0].train);
    logits = driven.model->forward(batch);
    loss = driven.strategy->extra_loss(
        {2, 0, driven.stream, batch, logits, *driven.model, driven.arena});
  }
  static TaskStream stream_of() {
    std::vector<std::vector<float>> rows(7, std::vector<float>(7, 0));
    for (size_t i = 0; i < 7; ++i) rows[i][i] = 1;
    return same_rows_stream(std::make_shared<VectorRows>(0, rows, std::vector<int64_t>(7, 0)), 4);
  }
  Driven driven;
  Tensor logits, loss;
};

std::string step_name(const std::string& context, int before) {
  return context + ".step" + std::to_string(before + 1) + ".";
}

/// The gradient of the loss and of the penalty, as the reference records it before a step.
Tensor whole_gradient(Driven& driven, const Batch& batch) {
  Tensor penalty;
  driven.penalty(&penalty);  // a step of no length: the path stays as it is
  const Tensor loss = at::zeros_like(driven.arena.values());
  gradient_of(*driven.model, driven.arena, batch, loss);
  return loss + penalty;
}

}  // namespace

TEST_CASE("five steps a context under SI walk the reference's path") {
  const Fixture si("si_sgd");
  if (!si) return;
  // The reference takes the total gradient, and rows 1 whole, then rows 2.
  Driven driven = on_cl_mlp("si", {{"c", "1.5"}, {"xi", "0.1"}, {"gradient", "total"}});
  for (const int context : {1, 2}) {
    const std::string name = "context" + std::to_string(context);
    const auto rows = cl_rows(context);
    const Batch batch = whole(*rows);
    driven.begin(context);
    int number = 0;
    for (const auto& facts : si.json.at(name)) {
      CAPTURE(context, number);
      const double loss = task_loss(driven.model->forward(batch), batch).item<double>();
      CHECK(off(whole_gradient(driven, batch),
                si.flat(driven.arena, step_name(name, number) + "grad.")) < kFixtureTolerance);
      const double penalty = driven.step(context, batch, 0.1);
      CHECK(loss + penalty == Approx(facts.at("loss_total").get<double>()).epsilon(1e-6));
      CHECK(penalty / 1.5 ==
            Approx(facts.at("param_reg").get<double>()).epsilon(1e-6).margin(1e-9));
      CHECK(off(driven.arena.values(), si.flat(driven.arena, step_name(name, number) + "param.")) <
            kFixtureTolerance);
      ++number;
    }
    CHECK(off(driven.twin("si.path"), si.flat(driven.arena, name + ".W.")) < kFixtureTolerance);
    driven.end(context);
    CHECK(off(driven.twin("si.importance"), si.flat(driven.arena, name + ".omega.")) <
          kFixtureTolerance);
  }
  driven.begin(3);
  driven.set(floats_of(si.flat(driven.arena, "probe.")));
  Tensor gradient;
  CHECK(driven.penalty(&gradient) / 1.5 ==
        Approx(si.json.at("surrogate_loss_at_probe").get<double>()).epsilon(1e-6));
  CHECK(off(gradient / 1.5, si.flat(driven.arena, "probe.surrogate_grad.")) < kFixtureTolerance);
}

TEST_CASE("the distillation loss and its gradient equal the reference's at every temperature") {
  const Fixture lwf("lwf");
  if (!lwf) return;
  for (const std::string t : {"1", "2"}) {
    for (const std::string norm : {"0", "1"}) {
      const std::string name = "loss_fn_kd.target4.T" + t + ".norm" + norm;
      CAPTURE(name);
      for (const std::string logits : {"forward", "recorded"}) {
        const Logits kd(lwf.at("scores"), lwf.at("target4"),
                        {{"temperature", t},
                         {"t_squared", norm == "1" ? "true" : "false"},
                         {"logits", logits}});
        CHECK(kd.loss.item<double>() ==
              Approx(lwf.json.at(name).get<double>()).epsilon(kFixtureTolerance));
        const auto gradients = torch::autograd::grad({kd.loss}, {kd.logits});
        CHECK(off(gradients[0], lwf.at(name + ".grad")) < kFixtureTolerance);
      }
    }
  }
}

TEST_CASE("a teacher of fewer units counts as 0 at the others, over the student's whole softmax") {
  const Fixture lwf("lwf");
  if (!lwf) return;
  // The teacher's two new units must not matter, whatever they are.
  const Tensor teacher = at::cat({lwf.at("target2"), at::full({7, 2}, 5.0F)}, 1);
  for (const std::string t : {"1", "2"}) {
    for (const std::string norm : {"0", "1"}) {
      const std::string name = "loss_fn_kd.target2.T" + t + ".norm" + norm;
      CAPTURE(name);
      const Logits kd(
          lwf.at("scores"), teacher,
          {{"temperature", t}, {"t_squared", norm == "1" ? "true" : "false"}, {"units", "all"}},
          Scenario::class_incremental);
      CHECK(kd.loss.item<double>() ==
            Approx(lwf.json.at(name).get<double>()).epsilon(kFixtureTolerance));
      const auto gradients = torch::autograd::grad({kd.loss}, {kd.logits});
      CHECK(off(gradients[0], lwf.at(name + ".grad")) < kFixtureTolerance);
    }
  }
}

TEST_CASE("binary distillation and its gradient equal the reference's, with all units or fewer") {
  const Fixture lwf("lwf");
  if (!lwf) return;
  for (const std::string t : {"1", "2"}) {
    for (const std::string norm : {"0", "1"}) {
      for (const bool fewer : {false, true}) {
        const std::string name = std::string("loss_fn_kd_binary.target") + (fewer ? "2" : "4") +
                                 ".T" + t + ".norm" + norm;
        CAPTURE(name);
        // The teacher's two new units must not matter, whatever they are.
        const Tensor teacher =
            fewer ? at::cat({lwf.at("target2"), at::full({7, 2}, 5.0F)}, 1) : lwf.at("target4");
        const Logits kd(lwf.at("scores"), teacher,
                        {{"temperature", t},
                         {"t_squared", norm == "1" ? "true" : "false"},
                         {"loss", "binary"},
                         {"units", fewer ? "all" : "past"}},
                        fewer ? Scenario::class_incremental : Scenario::domain_incremental);
        CHECK(kd.loss.item<double>() ==
              Approx(lwf.json.at(name).get<double>()).epsilon(kFixtureTolerance));
        const auto gradients = torch::autograd::grad({kd.loss}, {kd.logits});
        CHECK(off(gradients[0], lwf.at(name + ".grad")) < kFixtureTolerance);
      }
    }
  }
}

TEST_CASE("three steps of learning without forgetting end at the reference's weights") {
  const Fixture lwf("lwf"), perturbed("mlp_perturbed");
  if (!lwf) return;
  // weighting1 adds the distillation loss to the task's; weighting0 halves both, which for SGD is
  // half the rate.
  for (const int weighting : {1, 0}) {
    const std::string name = "lwf_weighting" + std::to_string(weighting);
    CAPTURE(name);
    Driven driven = on_cl_mlp("distill", {{"temperature", "2"}});
    driven.stream.scenario = Scenario::task_incremental;
    const auto rows = cl_rows(2);
    driven.stream.tasks[1].train = rows;
    const Batch batch = whole(*rows);
    driven.begin(2);
    CHECK(off(driven.model->forward(batch), lwf.at("lwf.teacher_scores_x2")) < kFixtureTolerance);
    driven.set(floats_of(perturbed.flat(driven.arena, "")));
    for (const auto& facts :
         lwf.json.at("train_a_batch_lwf.lwf_weighting" + std::to_string(weighting)).at("steps")) {
      const Tensor logits = driven.model->forward(batch);
      const double loss = task_loss(logits, batch).item<double>();
      CHECK(loss == Approx(facts.at("loss_current").get<double>()).epsilon(kFixtureTolerance));
      const Tensor extra = driven.strategy->extra_loss(
          {2, 0, driven.stream, batch, logits, *driven.model, driven.arena});
      CHECK(extra.item<double>() ==
            Approx(facts.at("distil_r").get<double>()).epsilon(kFixtureTolerance));
      CHECK((loss + extra.item<double>()) * (weighting == 1 ? 1 : 0.5) ==
            Approx(facts.at("loss_total").get<double>()).epsilon(kFixtureTolerance));
      driven.step(2, batch, weighting == 1 ? 0.05 : 0.025);
    }
    CHECK(off(driven.arena.values(), lwf.flat(driven.arena, name + ".after3.")) <
          kFixtureTolerance);
  }
}
