// What a trial keeps of its penalties: all that decides what a strength multiplies, for every
// method with a quadratic penalty. These texts are stored: an option that was added to one later
// stands there only off its default, so that older trials still compare.
#include "tests/catch.h"
// After Catch.
#include "tests/toys.h"

using namespace lethe;

namespace {

/// Strategy, importance, divisor, "half" or "", anchor.
using FormFields = std::vector<std::string>;

FormFields form_fields(const PenaltyForm& form) {
  return {form.strategy, form.importance, form.divisor, form.half ? "half" : "", form.anchor};
}

/// Two tasks of two rows; without classes, a form takes it for text.
TaskStream stream_of_classes(int64_t classes) {
  return same_rows_stream(random_rows(3, 2, 6, {0, 1}), classes, 2);
}

FormFields form_of(const std::string& name, const OptionMap& options = {}, int64_t classes = 2) {
  const auto model = mlp(6, 8, 1, 2);
  const TaskStream stream = stream_of_classes(classes);
  Arena arena;
  const auto strategy = builtin_methods().at(name).make(options);
  Setup setup{*model, arena, stream, make_generator(1), {}};
  strategy->prepare(setup);
  const auto form = strategy->penalty_form(stream);
  return form ? form_fields(*form) : FormFields{};
}

/// Those in the result of a real trial of two tasks.
std::vector<FormFields> stored_forms(const std::string& method, const OptionMap& options = {}) {
  const auto model = mlp(6, 8, 1, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method strategies = method_of(method, options);
  const TrialResult result = train(small_request(*model, stream, strategies));
  std::vector<FormFields> forms;
  for (const PenaltyForm& form : result.penalties) forms.push_back(form_fields(form));
  return forms;
}

}  // namespace

TEST_CASE("ewc's form names the labels that its Fisher takes") {
  const auto labels = [](const std::string& importance) {
    return FormFields{"ewc", importance, "n", "half", "own of each task"};
  };
  CHECK(form_of("ewc") == labels("Fisher, exact labels"));
  CHECK(form_of("ewc", {{"labels", "exact"}}) == labels("Fisher, exact labels"));
  CHECK(form_of("ewc", {}, 101) == labels("Fisher, sampled labels"));
  CHECK(form_of("ewc", {{"labels", "sampled"}}) == labels("Fisher, sampled labels"));
  CHECK(form_of("ewc", {{"labels", "empirical"}}) == labels("Fisher, empirical labels"));
  CHECK(form_of("ewc", {{"labels", "batched"}}) == labels("Fisher, batches of 128"));
  CHECK(form_of("ewc", {{"labels", "batched"}, {"batch", "16"}}) ==
        labels("Fisher, batches of 16"));
}

TEST_CASE("ewc's form names what the Fisher leaves out, and how tasks are combined") {
  CHECK(form_of("ewc", {{"clamp", "0.0001"}, {"heads", "free"}})[1] ==
        "Fisher, exact labels, at most 0.0001, none on the head");
  CHECK(form_of("ewc", {{"mode", "online"}, {"gamma", "0.5"}, {"combine", "average"}})[1] ==
        "Fisher, exact labels, gamma 0.5, averaged over tasks");
}

TEST_CASE("ewc's form says of text whether a sample is a response or a token") {
  const auto text = [](const std::string& importance) {
    return FormFields{"ewc", importance, "n", "half", "own of each task"};
  };
  CHECK(form_of("ewc", {}, 0) == text("Fisher, sampled labels, per sequence"));
  CHECK(form_of("ewc", {{"labels", "empirical"}, {"per", "token"}}, 0) ==
        text("Fisher, empirical labels, per token"));
  CHECK(form_of("ewc", {{"labels", "batched"}}, 0) == text("Fisher, batches of 128"));
  CHECK(form_of("ewc", {{"per", "token"}}) == text("Fisher, exact labels"));  // no text, no tokens
}

TEST_CASE("ewc's form has divisor, anchor, gamma and where gamma acts") {
  CHECK(form_of("ewc", {{"divisor", "n-1"}}) ==
        FormFields{"ewc", "Fisher, exact labels", "n-1", "half", "own of each task"});
  CHECK(form_of("ewc", {{"mode", "online"}}) ==
        FormFields{"ewc", "Fisher, exact labels, gamma 1", "n", "half", "latest"});
  OptionMap options = {{"mode", "online"}, {"gamma", "0.9"}, {"labels", "empirical"}};
  CHECK(form_of("ewc", options) ==
        FormFields{"ewc", "Fisher, empirical labels, gamma 0.9", "n", "half", "latest"});
  options["decay_in_loss"] = "true";
  CHECK(form_of("ewc", options) ==
        FormFields{"ewc", "Fisher, empirical labels, gamma 0.9 also in the loss", "n", "half",
                   "latest"});
}

TEST_CASE("ewc-kfac's form has labels, anchor and a gamma that fades") {
  const auto online = [](const std::string& importance) {
    return FormFields{"ewc-kfac", importance, "n", "half", "latest"};
  };
  CHECK(form_of("ewc-kfac") == online("Kronecker-factored Fisher, exact labels"));
  CHECK(form_of("ewc-kfac", {}, 101) == online("Kronecker-factored Fisher, sampled labels"));
  CHECK(form_of("ewc-kfac", {{"labels", "predicted"}}) ==
        online("Kronecker-factored Fisher, predicted labels"));
  CHECK(form_of("ewc-kfac", {{"gamma", "0.5"}}) ==
        online("Kronecker-factored Fisher, exact labels, gamma 0.5"));
  CHECK(form_of("ewc-kfac", {{"mode", "offline"}}) ==
        FormFields{"ewc-kfac", "Kronecker-factored Fisher, exact labels", "n", "half",
                   "own of each task"});
}

TEST_CASE("si's form has gradient and damping, and says where nothing is clamped") {
  const auto latest = [](const std::string& importance) {
    return FormFields{"si", importance, "", "", "latest"};
  };
  CHECK(form_of("si") == latest("path integral, unregularised gradient, xi 0.1"));
  CHECK(form_of("si", {{"gradient", "total"}}) == latest("path integral, total gradient, xi 0.1"));
  CHECK(form_of("si", {{"xi", "0.001"}}) ==
        latest("path integral, unregularised gradient, xi 0.001"));
  CHECK(form_of("si", {{"gradient", "total"}, {"clamp", "false"}}) ==
        latest("path integral, total gradient, xi 0.1, not clamped"));
}

TEST_CASE("mas's form has the norm and how tasks are combined") {
  const auto latest = [](const std::string& importance) {
    return FormFields{"mas", importance, "n", "", "latest"};
  };
  CHECK(form_of("mas") == latest("sensitivity of the squared norm, sum over tasks"));
  CHECK(form_of("mas", {{"norm", "unsquared"}}) ==
        latest("sensitivity of the unsquared norm, sum over tasks"));
  CHECK(form_of("mas", {{"combine", "average"}}) ==
        latest("sensitivity of the squared norm, average over tasks"));
  CHECK(form_of("mas", {{"combine", "average"}, {"alpha", "0.25"}}) ==
        latest("sensitivity of the squared norm, average over tasks, alpha 0.25"));
}

TEST_CASE("rwalk's form has every option of its importance that is off its default") {
  const auto latest = [](const std::string& importance) {
    return FormFields{"rwalk", importance, "", "", "latest"};
  };
  CHECK(form_of("rwalk") == latest("moving Fisher and path score, normalised"));
  CHECK(form_of("rwalk", {{"normalise", "false"}}) == latest("moving Fisher and path score"));
  CHECK(form_of("rwalk", {{"alpha", "0.5"}}) ==
        latest("moving Fisher and path score, normalised, alpha 0.5"));
  CHECK(form_of("rwalk", {{"interval", "5"}}) ==
        latest("moving Fisher and path score, normalised, interval 5"));
  CHECK(form_of("rwalk", {{"epsilon", "0.01"}}) ==
        latest("moving Fisher and path score, normalised, epsilon 0.01"));
  CHECK(
      form_of("rwalk",
              {{"normalise", "false"}, {"alpha", "0.5"}, {"interval", "5"}, {"epsilon", "0.01"}}) ==
      latest("moving Fisher and path score, alpha 0.5, interval 5, epsilon 0.01"));
}

TEST_CASE("a form has no strength, and methods without a quadratic penalty have no form") {
  const FormFields expected = {"l2", "1", "", "half", "latest"};
  CHECK(form_of("l2") == expected);
  CHECK(form_of("l2", {{"lambda", "7"}}) == expected);
  CHECK(form_of("ewc", {{"lambda", "7"}}) == form_of("ewc"));
  CHECK(form_of("si", {{"c", "7"}}) == form_of("si"));
  CHECK(form_of("distill").empty());
  CHECK(form_of("olora", {{"rank", "2"}}).empty());
  CHECK(form_of("replay", {{"budget", "1"}}).empty());
}

TEST_CASE("a trial's result has the form of each of its method's penalties, in their order") {
  CHECK(stored_forms("finetune").empty());
  CHECK(stored_forms("replay", {{"budget", "8"}}).empty());
  CHECK(stored_forms("si+replay+ewc",
                     {{"replay.budget", "8"}, {"ewc.divisor", "n-1"}, {"si.clamp", "false"}}) ==
        std::vector<FormFields>{{"ewc", "Fisher, exact labels", "n-1", "half", "own of each task"},
                                {"si", "path integral, unregularised gradient, xi 0.1, not clamped",
                                 "", "", "latest"}});
}
