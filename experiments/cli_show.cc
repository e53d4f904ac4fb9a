#include <map>

#include "core/error.h"
#include "experiments/cli.h"
#include "results/store.h"

namespace lethe {
namespace {

void show_matrix(const TrialResult& result) {
  std::map<int64_t, std::string> rows;
  for (const Evaluation& e : result.evaluations) {
    if (e.within_task) continue;
    const std::string column =
        e.on_task > 0 ? std::to_string(e.on_task) : e.task + " " + e.metric.name;
    rows[e.after_task] += fmt::format("  {}:{:.4f}", column, e.score());
  }
  fmt::print("\nscores (row: after task, column: on task, or the probe with its metric)\n");
  for (const auto& [after, scores] : rows) {
    fmt::print("{:>8}{}\n",
               after == -1  ? "random"
               : after == 0 ? "before"
                            : std::to_string(after),
               scores);
  }
}

void show_notes(const TrialResult& result) {
  if (!result.notes.empty()) fmt::print("\nnotes\n");
  for (const std::string& note : result.notes) fmt::print("  {}\n", note);
}

void show_costs(const TrialResult& result) {
  fmt::print("\nmemory (bytes: peak of the category, share at the phase's peak)\n");
  for (const Usage& u : result.usage) {
    fmt::print("  {:<10} {:<18} {:<8} {:>14} {:>14}\n", u.phase, u.category, u.device, u.peak,
               u.at_peak);
  }
  fmt::print("\ntime (seconds)\n");
  for (const Timing& t : result.timing) {
    fmt::print("  {:<10} wall {:>9.3f}  cpu {:>9.3f}  samples {}  tokens {}\n", t.phase, t.wall,
               t.cpu, t.samples, t.tokens);
  }
}

void show_samples(const TrialResult& result) {
  if (!result.samples.empty()) fmt::print("\nsamples\n");
  for (const Sample& s : result.samples) {
    fmt::print("  after task {} on task {} row {}: {}\n    expected  {}\n    generated {}\n",
               s.after_task, s.on_task, s.row, s.prompt, s.expected, s.generated);
  }
}

}  // namespace

int show_command(const std::string& db, const std::string& trial) {
  const TrialRecord record = ResultStore(db, OpenMode::read_only).find(trial);
  fmt::print("trial {} ({})\n{} | {} | {} | seed {}\nstatus {}\n", record.id, record.digest,
             record.stream, record.model, record.method, record.seed, record.status);
  if (!record.error.empty()) fmt::print("error: {}\n", record.error);
  const Environment& e = record.environment;
  fmt::print("build {}, libtorch {}, {}, {} on {}, {} job(s), commit {}\n\n{}\n",
             record.key.build.substr(0, 16), e.libtorch, e.compiler, e.device, e.cpu, e.jobs,
             e.git_commit, record.key.text);
  if (record.status != "done") return 0;
  show_matrix(record.result);
  show_notes(record.result);
  if (!record.result.curve.empty()) {
    const CurvePoint& last = record.result.curve.back();
    fmt::print(
        "\nlast point of the curve: task {} step {} loss {:.4f} penalty {:.4g} rate {:.3g}\n",
        last.task, last.step, last.loss, last.penalty, last.learning_rate);
  }
  show_costs(record.result);
  show_samples(record.result);
  fmt::print("\nweights {}\n{} of {} parameters trained\n", record.result.weights_digest,
             record.result.trainable_parameters, record.result.total_parameters);
  return 0;
}

}  // namespace lethe
