#include "results/store.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/digest.h"
#include "tests/store_fixture.h"

namespace lethe {
namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

TrialResult every_field() {
  TrialResult result = two_tasks();
  Evaluation loss = counted(-1, 0, 0, std::numeric_limits<int64_t>::max());
  loss.within_task = true;
  loss.metric = {"loss", "nats", false};
  loss.sum = 0.1 + 0.2;
  result.evaluations.push_back(loss);
  loss.sum = nan_value;
  result.evaluations.push_back(loss);
  result.curve = {{1, 10, 5e-324, 1.7976931348623157e308, 1e-3, 1.0 / 3},
                  {2, 20, nan_value, 3.0, std::numeric_limits<double>::infinity(), -7.25}};
  result.usage = {{"train", "base weights", "host", int64_t{1} << 40, 17}};
  result.timing = {{"train", 1.25, 0.1, 1234567890123, 42}, {"load", 0, 3, 0, 0}};
  result.samples = {{0, 1, 7, "a 'quoted'; DROP TABLE trial;", "line\nline", std::string("\0x", 2)},
                    {2, 1, 8, "", "\xc3\xa9\xe6\xbc\xa2", "<b>&amp;"}};
  result.artifacts = {{"out/w.safetensors", std::string(64, 'a')}};
  result.penalties = {{"ewc", "Fisher, exact labels", "n-1", true, "own of each task"},
                      {"si", "path integral", "", false, "latest"}};
  result.notes = {"task 'a': 2 records with an empty response are left out", "", "\xc3\xa9"};
  result.weights_digest = sha256("weights");
  result.trainable_parameters = 123456789012;
  result.total_parameters = 987654321098;
  return result;
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

void check_same(const Evaluation& a, const Evaluation& b) {
  CHECK(std::tie(a.after_task, a.step, a.within_task, a.on_task, a.task, a.correct, a.total) ==
        std::tie(b.after_task, b.step, b.within_task, b.on_task, b.task, b.correct, b.total));
  CHECK(std::tie(a.metric.name, a.metric.unit, a.metric.higher_is_better) ==
        std::tie(b.metric.name, b.metric.unit, b.metric.higher_is_better));
  CHECK(same_bits(a.sum, b.sum));
}

void check_same(const CurvePoint& a, const CurvePoint& b) {
  CHECK(std::tie(a.task, a.step) == std::tie(b.task, b.step));
  CHECK(same_bits(a.loss, b.loss));
  CHECK(same_bits(a.penalty, b.penalty));
  CHECK(same_bits(a.learning_rate, b.learning_rate));
  CHECK(same_bits(a.gradient_norm, b.gradient_norm));
}

void check_same(const Usage& a, const Usage& b) {
  CHECK(std::tie(a.phase, a.category, a.device, a.peak, a.at_peak) ==
        std::tie(b.phase, b.category, b.device, b.peak, b.at_peak));
}

void check_same(const Timing& a, const Timing& b) {
  CHECK(std::tie(a.phase, a.wall, a.cpu, a.tokens, a.samples) ==
        std::tie(b.phase, b.wall, b.cpu, b.tokens, b.samples));
}

void check_same(const Sample& a, const Sample& b) {
  CHECK(std::tie(a.after_task, a.on_task, a.row, a.prompt, a.expected, a.generated) ==
        std::tie(b.after_task, b.on_task, b.row, b.prompt, b.expected, b.generated));
}

void check_same(const Artifact& a, const Artifact& b) {
  CHECK(std::tie(a.path, a.sha256) == std::tie(b.path, b.sha256));
}

void check_same(const PenaltyForm& a, const PenaltyForm& b) {
  CHECK(std::tie(a.strategy, a.importance, a.divisor, a.half, a.anchor) ==
        std::tie(b.strategy, b.importance, b.divisor, b.half, b.anchor));
}

template <class Row>
void check_same(const std::vector<Row>& a, const std::vector<Row>& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) check_same(a[i], b[i]);
}

/// Labels of the loaded trials as "label seed".
std::vector<std::string> shown(const std::vector<TrialRecord>& records) {
  std::vector<std::string> lines;
  for (const TrialRecord& r : records) lines.push_back(r.method + " " + std::to_string(r.seed));
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a finished trial reads back bit for bit in every field", "[store]") {
  const StoreFolder folder;
  const TrialResult result = every_field();
  TrialRecord trial = asked(-5);
  trial.sweep = "demo";
  trial.environment = {"b1", "2.11.0", "g++ 12", "cpu", "Xeon", "AVX512", "abc123", 2, 8};
  {
    ResultStore store(folder.file(), OpenMode::read_write);
    store_trial(store, asked(1), two_tasks());
    store_trial(store, trial, result);
  }
  const ResultStore store(folder.file(), OpenMode::read_only);
  const TrialRecord read = store.find("2");
  CHECK(read.digest == sha256(trial.key.text + "\nb1\ncpu").substr(0, 16));
  CHECK(std::tie(read.key.text, read.key.build, read.key.device_class) ==
        std::tie(trial.key.text, trial.key.build, trial.key.device_class));
  CHECK(std::tie(read.method, read.model, read.stream, read.sweep, read.seed, read.error) ==
        std::tie(trial.method, trial.model, trial.stream, trial.sweep, trial.seed, trial.error));
  CHECK(read.status == "done");
  const Environment &a = read.environment, &b = trial.environment;
  CHECK(std::tie(a.build, a.libtorch, a.compiler, a.device, a.cpu, a.cpu_capability, a.git_commit,
                 a.threads, a.jobs) == std::tie(b.build, b.libtorch, b.compiler, b.device, b.cpu,
                                                b.cpu_capability, b.git_commit, b.threads, b.jobs));
  check_same(read.result.evaluations, result.evaluations);
  check_same(read.result.curve, result.curve);
  check_same(read.result.usage, result.usage);
  check_same(read.result.timing, result.timing);
  check_same(read.result.samples, result.samples);
  check_same(read.result.artifacts, result.artifacts);
  check_same(read.result.penalties, result.penalties);
  SQLite::Database db(folder.file(), SQLite::OPEN_READONLY);
  SQLite::Statement form(db,
                         "SELECT importance || '|' || divisor || '|' || half || '|' || anchor "
                         "FROM penalty WHERE trial = 2 ORDER BY strategy");
  for (const char* expected :
       {"Fisher, exact labels|n-1|1|own of each task", "path integral||0|latest"}) {
    REQUIRE(form.executeStep());
    CHECK(form.getColumn(0).getString() == expected);  // each under the column of its name
  }
  CHECK(read.result.notes == result.notes);
  CHECK(read.result.task_names == result.task_names);
  CHECK(read.result.weights_digest == result.weights_digest);
  CHECK(read.result.trainable_parameters == result.trainable_parameters);
  CHECK(read.result.total_parameters == result.total_parameters);
}

TEST_CASE("the state of a trial goes from missing over running to done or failed", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  const TrialRecord trial = asked(1);
  CHECK(store.state(trial.key) == TrialState::missing);
  const int64_t id = store.claim(trial, "w1", 60).value();
  CHECK(store.state(trial.key) == TrialState::running);
  CHECK_FALSE(store.claim(trial, "w2", 60, 1e18).has_value());
  store.fail(id, "loss is NaN at step 7");
  CHECK(store.state(trial.key) == TrialState::failed);
  CHECK(store.find("1").error == "loss is NaN at step 7");
  CHECK_FALSE(store.claim(trial, "w2", 60).has_value());
  CHECK(store.claim(trial, "w2", 60, 1e18) == id);
  store.finish(id, two_tasks());
  CHECK(store.state(trial.key) == TrialState::done);
  CHECK(store.find("1").error.empty());
  CHECK_FALSE(store.claim(trial, "w3", 60, 1e18).has_value());
}

TEST_CASE("a failure is retried once and keeps its error where the retry is given back",
          "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  const int64_t id = store.claim(asked(1), "w", 60).value();
  store.fail(id, "the first error");
  const double began = lethe::seconds_since_1970();
  REQUIRE(store.claim(asked(1), "w", 60, began) == id);
  store.release(id);
  CHECK(store.state(asked(1).key) == TrialState::failed);
  CHECK(store.find("1").error == "the first error");
  CHECK_FALSE(store.claim(asked(1), "w", 60, began).has_value());
  REQUIRE(store.claim(asked(1), "w", 60, lethe::seconds_since_1970() + 1) == id);
  store.fail(id, "the second error");
  CHECK(store.find("1").error == "the second error");
}

TEST_CASE("a released trial is missing again and a finished one stays", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  const int64_t done = store_trial(store, asked(1), two_tasks());
  const int64_t id = store.claim(asked(2), "w", 60).value();
  store.release(id);
  store.release(done);
  CHECK(store.state(asked(1).key) == TrialState::done);
  CHECK(store.state(asked(2).key) == TrialState::missing);
  CHECK(store.claim(asked(2), "w", 60).value() > id);
}

TEST_CASE("a trial is another one under another build or device class", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  TrialRecord on_gpu = asked(1, "b2");
  on_gpu.key.device_class = "cuda sm_90";
  store_trial(store, asked(1), two_tasks());
  CHECK(store.state(asked(1, "b2").key) == TrialState::missing);
  store_trial(store, asked(1, "b2"), two_tasks());
  CHECK(store.state(on_gpu.key) == TrialState::missing);
  store_trial(store, on_gpu, two_tasks());
  CHECK(store.newest_build() == "b2");
  CHECK(store.builds() == Lines{"b2", "b1"});
  CHECK(store.load({}).size() == 2);
  CHECK(store.load({.device_class = "cpu"}).size() == 1);
  CHECK(store.load({.build = "b1"}).size() == 1);
  CHECK(store.load({.build = "*"}).size() == 3);
}

TEST_CASE("the newest build is that of the trial that ended last", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  CHECK(store.newest_build().empty());
  CHECK(store.builds().empty());
  const int64_t first = store.claim(asked(1, "b1"), "w", 60).value();
  store_trial(store, asked(1, "b2"), two_tasks());
  CHECK(store.newest_build() == "b2");
  store.finish(first, two_tasks());
  CHECK(store.newest_build() == "b1");
}

TEST_CASE("a sweep loads in its own order and under its own labels", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  for (const int64_t seed : {3, 1, 2, 9}) store_trial(store, asked(seed), two_tasks());
  store.add_to_sweep(asked(1).key, "s", "weak", 1);
  store.add_to_sweep(asked(3).key, "s", "strong", 0);
  store.add_to_sweep(asked(2).key, "s", "strong", 5);
  store.add_to_sweep(asked(2).key, "s", "strong", 0);
  store.add_to_sweep(asked(2).key, "t", "other", 0);
  CHECK(shown(store.load({.sweep = "s"})) == Lines{"strong 2", "strong 3", "weak 1"});
  CHECK(shown(store.load({.sweep = "t"})) == Lines{"other 2"});
  CHECK(store.load({.sweep = "t"}).front().sweep == "t");
  CHECK(shown(store.load({})) == Lines{"ewc 9", "ewc 2", "ewc 3", "ewc 1"});
  CHECK(store.load({.sweep = "u"}).empty());
}

TEST_CASE("failed and running trials load only when asked for", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  store_trial(store, asked(1), two_tasks());
  store.fail(store.claim(asked(2), "w", 60).value(), "no");
  store.claim(asked(3), "w", 60);
  CHECK(shown(store.load({})) == Lines{"ewc 1"});
  CHECK(shown(store.load({.finished_only = false})) == Lines{"ewc 1", "ewc 2", "ewc 3"});
}

TEST_CASE("a trial is found by its id and by a prefix of its digest", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  for (int64_t seed = 1; seed <= 3; ++seed) store_trial(store, asked(seed), two_tasks());
  const std::string digest = store.find("2").digest;
  CHECK(digest.size() == 16);
  CHECK(store.find(digest).id == 2);
  CHECK(store.find(digest.substr(0, 6)).id == 2);
}

}  // namespace lethe
