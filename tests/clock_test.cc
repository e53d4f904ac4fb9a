// Seconds by phase: what is counted where. No test asks how long anything takes.
#include <thread>

#include "tests/catch.h"
// After Catch.
#include <sys/wait.h>
#include <unistd.h>

#include "core/trainer.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

void sleep_ms(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

void spend_cpu(double seconds) {
  for (const double end = cpu_seconds() + seconds; cpu_seconds() < end;) {
  }
}

std::map<std::string, Timing> by_phase(const TrialResult& result) {
  std::map<std::string, Timing> phases;
  for (const Timing& timing : result.timing) {
    CHECK(phases.emplace(timing.phase, timing).second);  // one row a phase
  }
  return phases;
}

}  // namespace

TEST_CASE("a second inside two phases belongs to the inner one") {
  TrialResult result;
  Clock clock(result);
  clock.time("outer", [&] { clock.time("inner", [] { sleep_ms(60); }); });
  const auto phases = by_phase(result);
  CHECK(phases.at("inner").wall >= 0.06);
  CHECK(phases.at("outer").wall < phases.at("inner").wall);
}

TEST_CASE("phases of one name add up") {
  TrialResult result;
  Clock clock(result);
  for (int i = 0; i < 3; ++i) clock.time("train", [] { sleep_ms(10); });
  clock.add({"train", 100, 200, 3, 4});
  const auto phases = by_phase(result);
  CHECK(phases.size() == 1);
  CHECK(phases.at("train").wall >= 100.03);
  CHECK(phases.at("train").cpu >= 200);
  CHECK(phases.at("train").tokens == 3);
  CHECK(phases.at("train").samples == 4);
}

TEST_CASE("sleeping takes wall time, working takes processor time too, in a child as well") {
  TrialResult result;
  Clock clock(result);
  clock.time("sleep", [] { sleep_ms(60); });
  clock.time("work", [] { spend_cpu(0.03); });
  clock.time("child", [] {
    const pid_t child = fork();
    if (child == 0) {
      spend_cpu(0.03);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  });
  const auto phases = by_phase(result);
  CHECK(phases.at("sleep").cpu < 0.06);
  CHECK(phases.at("work").cpu >= 0.03);
  CHECK(phases.at("child").cpu >= 0.02);  // the system counts a child's time in ticks
}

TEST_CASE("a trial's phases are loading, importances, evaluation and training, each once") {
  const auto model = mlp(6, 8, 1, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method strategies = method_of("finetune");
  TrainRequest request = small_request(*model, stream, strategies);
  request.options.eval_every = 1;
  const TrialResult result = train(request);
  const auto phases = by_phase(result);
  CHECK(phases.size() == 4);
  for (const char* phase : {"load", "importance", "evaluate", "train"}) CHECK(phases.count(phase));
  int64_t scored = 0;
  for (const Evaluation& evaluation : result.evaluations) scored += evaluation.total;
  CHECK(phases.at("evaluate").samples == scored);
  const int64_t steps = 2 * request.options.steps;
  CHECK(phases.at("train").samples == steps * request.options.batch * request.options.accumulate);
}

TEST_CASE("opening a teacher is a phase of its own, apart from loading") {
  const auto model = mlp(6, 8, 1, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method strategies = method_of("distill", {{"teacher", "larger"}});
  TrainRequest request = small_request(*model, stream, strategies);
  request.open_teacher = [](const TeacherRequest&) -> std::shared_ptr<Model> {
    sleep_ms(60);
    return mlp(6, 16, 1, 4);
  };
  const auto phases = by_phase(train(request));
  CHECK(phases.at("teacher").wall >= 0.06);
  CHECK(phases.at("load").wall < phases.at("teacher").wall);
}
