// EWC against the reference code's own numbers: Fishers of every reading, penalties, gradients, and
// three steps of training.
#include "tests/catch.h"
// After Catch.
#include "core/fisher.h"
#include "tests/cl_case.h"

using namespace lethe;

namespace {

/// One of the reference's Fishers, asked for in our words.
struct FisherReading {
  std::string name, labels, divisor;
  std::shared_ptr<VectorRows> rows;
  int64_t batch = 128;
};

std::vector<int64_t> order_of(const nlohmann::json& facts) {
  std::vector<int64_t> order;
  for (const auto& batch : facts.at("sample_order_by_batch")) {
    for (const auto& row : batch) order.push_back(row);
  }
  return order;
}

std::vector<int64_t> predictions(Model& model, const std::vector<int64_t>& order) {
  const Tensor winners = model.forward(whole(*cl_rows(1, order))).argmax(1);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < winners.size(0); ++i) labels.push_back(winners[i].item<int64_t>());
  return labels;
}

std::vector<int64_t> drawn(const nlohmann::json& facts) {
  std::vector<int64_t> labels;
  for (const auto& batch : facts.at("sampled_labels")) labels.push_back(batch.at(0));
  return labels;
}

/// What `name` is in our words. A pass over all rows is divided by one less there; a pass over k +
/// 1 rows by k + 1.
FisherReading reading_of(const std::string& name, const nlohmann::json& facts, Model& model) {
  const std::vector<int64_t> order = order_of(facts);
  const auto rows = cl_rows(1, order);
  if (name == "all") return {name, "exact", "n-1", rows};
  if (name == "true") return {name, "empirical", "n-1", rows};
  if (name == "pred") return {name, "predicted", "n-1", rows};
  if (name == "sample") return {name, "empirical", "n-1", cl_rows(1, order, drawn(facts))};
  if (name == "all_n5") return {name, "exact", "n", rows};
  if (name == "true_batch4") return {name, "batched", "n-1", rows, 4};
  if (name == "pred_batch4") {
    return {name, "batched", "n-1", cl_rows(1, order, predictions(model, order)), 4};
  }
  if (name == "true_allowed")
    return {name, "empirical", "n-1", cl_rows(1, order, {}, {0, 1, 2, 3})};
  return {name, "exact", "n-1", cl_rows(1, order, {}, {0, 1})};
}

}  // namespace

TEST_CASE("logits equal the reference's") {
  const Fixture forward("forward");
  if (!forward) return;
  Driven driven = on_cl_mlp("ewc", {});
  for (const int number : {1, 2}) {
    const Tensor logits = driven.model->forward(whole(*cl_rows(number)));
    CHECK(off(logits, forward.at("logits_x" + std::to_string(number))) < kFixtureTolerance);
  }
}

TEST_CASE("every reading of the Fisher, its penalty and gradient equal the reference's") {
  const Fixture ewc("ewc"), perturbed("mlp_perturbed");
  if (!ewc) return;
  for (const std::string name : {"all", "true", "pred", "sample", "all_n5", "true_batch4",
                                 "pred_batch4", "true_allowed", "all_allowed_01"}) {
    CAPTURE(name);
    const auto& facts = ewc.json.at(name);
    Driven probe = on_cl_mlp("ewc", {});
    const FisherReading reading = reading_of(name, facts, *probe.model);
    Driven driven = on_cl_mlp("ewc", {{"lambda", "1"},
                                      {"labels", reading.labels},
                                      {"divisor", reading.divisor},
                                      {"batch", std::to_string(reading.batch)}});
    driven.end_on(1, *reading.rows);
    CHECK(off(driven.twin("ewc.importance"), ewc.flat(driven.arena, name + ".fisher.")) <
          kFixtureTolerance);
    driven.set(floats_of(perturbed.flat(driven.arena, "")));
    Tensor gradient;
    CHECK(driven.penalty(&gradient) ==
          Approx(facts.at("ewc_loss_at_perturbed").get<double>()).epsilon(kFixtureTolerance));
    CHECK(off(gradient, ewc.flat(driven.arena, name + ".penalty_grad.")) < kFixtureTolerance);
  }
}

TEST_CASE("online EWC over two contexts equals the reference's, gamma once more in the loss") {
  const Fixture ewc("ewc"), perturbed("mlp_perturbed");
  if (!ewc) return;
  Driven driven = on_cl_mlp("ewc", {{"lambda", "1"},
                                    {"mode", "online"},
                                    {"gamma", "0.9"},
                                    {"decay_in_loss", "true"},
                                    {"divisor", "n-1"}});
  driven.end_on(1, *cl_rows(1));
  driven.set(floats_of(perturbed.flat(driven.arena, "")));
  driven.end_on(2, *cl_rows(2));
  const std::string name = "online_gamma0.9";
  CHECK(off(driven.twin("ewc.importance"), ewc.flat(driven.arena, name + ".fisher.")) <
        kFixtureTolerance);
  CHECK(driven.twin("ewc.anchor").equal(ewc.flat(driven.arena, name + ".prev.")));
  driven.set(floats_of(ewc.flat(driven.arena, "p3.")));
  Tensor gradient;
  CHECK(driven.penalty(&gradient) ==
        Approx(ewc.json.at(name).at("ewc_loss_at_p3").get<double>()).epsilon(kFixtureTolerance));
  CHECK(off(gradient, ewc.flat(driven.arena, name + ".penalty_grad.")) < kFixtureTolerance);
}

TEST_CASE("offline EWC, collapsed, equals the reference's two separate penalties") {
  const Fixture ewc("ewc"), first("mlp"), second("mlp_perturbed");
  if (!ewc) return;
  Driven driven = on_cl_mlp("ewc", {{"lambda", "1"}, {"divisor", "n-1"}});
  const Tensor m1 = first.flat(driven.arena, ""), m2 = second.flat(driven.arena, "");
  driven.end_on(1, *cl_rows(1));
  driven.set(floats_of(m2));
  driven.end_on(2, *cl_rows(2));
  const Tensor f1 = ewc.flat(driven.arena, "offline.fisher1."),
               f2 = ewc.flat(driven.arena, "offline.fisher2.");
  CHECK(off(driven.twin("ewc.importance"), f1 + f2) < kFixtureTolerance);
  driven.set(floats_of(ewc.flat(driven.arena, "p3.")));
  // The collapse leaves out 1/2 sum F1 F2 / (F1 + F2) (m1 - m2)^2.
  const Tensor share = at::where(f1 + f2 > 0, f1 * f2 / (f1 + f2), at::zeros_like(f1));
  const double constant = (share * (m1 - m2).square()).sum(at::kDouble).item<double>() / 2;
  Tensor gradient;
  CHECK(driven.penalty(&gradient) + constant ==
        Approx(ewc.json.at("offline_two_contexts").at("ewc_loss_at_p3").get<double>())
            .epsilon(kFixtureTolerance));
  CHECK(off(gradient, ewc.flat(driven.arena, "offline.penalty_grad.")) < kFixtureTolerance);
}

TEST_CASE("three steps of training under EWC end at the reference's weights") {
  const Fixture ewc("ewc"), perturbed("mlp_perturbed");
  if (!ewc) return;
  Driven driven = on_cl_mlp("ewc", {{"lambda", "100"}, {"divisor", "n-1"}});
  driven.end_on(1, *cl_rows(1));
  driven.set(floats_of(perturbed.flat(driven.arena, "")));
  const auto rows = cl_rows(2);
  const Batch batch = whole(*rows);
  for (const auto& facts : ewc.json.at("train_a_batch_ewc").at("steps")) {
    const double loss = task_loss(driven.model->forward(batch), batch).item<double>();
    const double penalty = driven.step(2, batch, 0.01);
    CHECK(penalty == Approx(100 * facts.at("param_reg").get<double>()).epsilon(kFixtureTolerance));
    CHECK(loss + penalty ==
          Approx(facts.at("loss_total").get<double>()).epsilon(kFixtureTolerance));
  }
  CHECK(off(driven.arena.values(), ewc.flat(driven.arena, "train_a_batch_ewc.after3.")) <
        kFixtureTolerance);
}
