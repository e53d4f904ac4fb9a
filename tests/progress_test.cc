// What a user sees while a sweep runs, byte for byte.
#include "experiments/progress.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace lethe {
namespace {

WorkerNews news(WorkerNews::Kind kind, const std::string& label = "ewc") {
  WorkerNews one;
  one.kind = kind;
  one.trial = 4;
  one.label = label;
  one.seed = 1;
  one.task = 2;
  one.tasks = 4;
  one.step = 120;
  one.steps = 200;
  one.loss = 0.5324;
  one.per_second = 12345;
  one.tokens = true;
  one.seconds_left = 42.4;
  one.seconds = 61;
  return one;
}

/// What a view writes while `use` has it, and as it goes away.
template <class Use>
std::string shown(bool terminal, bool quiet, const Use& use) {
  char* bytes = nullptr;
  size_t size = 0;
  std::FILE* out = open_memstream(&bytes, &size);
  {
    ProgressView view(terminal, quiet, 3, out);
    use(view);
  }
  std::fclose(out);
  const std::string text(bytes, size);
  std::free(bytes);
  return text;
}

const auto kStart = ProgressView::Clock::time_point(std::chrono::hours(1));
constexpr auto kMoved = WorkerNews::Kind::moved;
constexpr auto kDone = WorkerNews::Kind::done;
const std::string kLine =
    "ewc              seed 1   task 2/4  step 120/200  loss 0.532  12.3k tokens/s  0:42 left";

}  // namespace

TEST_CASE("a worker's line has method, seed, task, step, loss, speed and time left") {
  CHECK(worker_line(news(kMoved)) == kLine);
  WorkerNews slow = news(kMoved, "lora+ewc ewc.lambda=10");
  slow.seed = 100;
  slow.per_second = 999;
  slow.tokens = false;
  slow.seconds_left = -1;
  slow.loss = std::nan("");
  CHECK(worker_line(slow) ==
        "lora+ewc ewc.lambda=10 seed 100 task 2/4  step 120/200  loss nan  999 samples/s");
  CHECK(worker_line(news(WorkerNews::Kind::began)) == "ewc              seed 1   loading");
}

TEST_CASE("an ended trial's line has its place in the sweep and its time or error") {
  CHECK(outcome_line(news(kDone), 3, 12) == "[3/12] ewc seed 1 done in 1:01");
  WorkerNews failed = news(WorkerNews::Kind::failed);
  failed.error = "the loss is nan at step 7";
  CHECK(outcome_line(failed, 12, 12) == "[12/12] ewc seed 1 failed: the loss is nan at step 7");
}

TEST_CASE("times are minutes and seconds, and hours where there are any") {
  CHECK(clock_text(0) == "0:00");
  CHECK(clock_text(59.4) == "0:59");
  CHECK(clock_text(59.6) == "1:00");
  CHECK(clock_text(3599) == "59:59");
  CHECK(clock_text(3723) == "1:02:03");
}

TEST_CASE("a line is cut between characters, not bytes") {
  CHECK(cut_to("loss 0.5", 4) == "loss");
  CHECK(cut_to("loss", 4) == "loss");
  CHECK(cut_to("loss", 0) == "loss");
  CHECK(cut_to("λ=3 λ=4", 5) == "λ=3 λ");
}

TEST_CASE("a terminal's lines are drawn again over themselves, ended trials stay above") {
  const std::string text = shown(true, false, [](ProgressView& view) {
    view.tell(0, news(WorkerNews::Kind::began));
    view.tell(1, news(kMoved));
    view.tell(1, news(kDone));
    WorkerNews failed = news(WorkerNews::Kind::failed, "si");
    failed.error = "no";
    view.tell(0, failed);
  });
  const std::string loading = "ewc              seed 1   loading\n";
  CHECK(text == loading + "0/3 trials\n" +                                          // one worker
                    "\033[2A\033[J" + loading + kLine + "\n0/3 trials\n" +          // two
                    "\033[3A\033[J[1/3] ewc seed 1 done in 1:01\n" + loading +      // one is done
                    "1/3 trials\n" + "\033[2A\033[J[2/3] si seed 1 failed: no\n" +  // one failed
                    "2/3 trials, 1 failed\n" + "\033[1A\033[J");                    // the end
}

TEST_CASE("elsewhere a worker's moves are plain lines, ten seconds apart") {
  const std::string text = shown(false, false, [](ProgressView& view) {
    view.tell(0, news(WorkerNews::Kind::began), kStart);
    view.tell(0, news(kMoved), kStart + std::chrono::seconds(9));
    view.tell(0, news(kMoved), kStart + std::chrono::seconds(10));
    view.tell(0, news(kMoved), kStart + std::chrono::seconds(19));
    view.tell(1, news(kMoved, "si"), kStart + std::chrono::seconds(19));
    view.tell(0, news(kDone), kStart + std::chrono::seconds(20));
  });
  std::string other = kLine;
  other.replace(0, 3, "si ");
  CHECK(text == kLine + "\n" + other + "\n[1/3] ewc seed 1 done in 1:01\n");
}

TEST_CASE("what every trial says is printed once") {
  WorkerNews said = news(WorkerNews::Kind::said);
  said.error = "warning: rows are shared";
  const auto use = [&](ProgressView& view) {
    view.tell(0, said);
    view.tell(1, said);
  };
  CHECK(shown(false, false, use) == "warning: rows are shared\n");
}

TEST_CASE("a quiet view says nothing but what failed") {
  for (const bool terminal : {false, true}) {
    CHECK(shown(terminal, true, [](ProgressView& view) {
            view.tell(0, news(WorkerNews::Kind::began));
            view.tell(0, news(kMoved), kStart);
            view.tell(0, news(WorkerNews::Kind::said));
            view.tell(0, news(WorkerNews::Kind::done));
            view.say("stopping");
          }).empty());
    CHECK_THAT(shown(terminal, true,
                     [](ProgressView& view) { view.tell(0, news(WorkerNews::Kind::failed)); }),
               Catch::Contains(" failed: "));
  }
}

TEST_CASE("news come through the pipe as they were") {
  WorkerNews sent = news(WorkerNews::Kind::failed, "a \"b\"\nλ");
  sent.phase = "train";
  sent.error = "line one\nline two";
  const std::string line = encode(sent);
  CHECK(line.find('\n') == std::string::npos);
  const WorkerNews got = decode(line);
  CHECK(encode(got) == line);
  CHECK(got.kind == WorkerNews::Kind::failed);
  CHECK(got.trial == 4);
  CHECK(got.label == sent.label);
  CHECK(got.error == sent.error);
  CHECK(got.loss == 0.5324);
  CHECK(got.tokens);
  sent.loss = std::numeric_limits<double>::infinity();
  CHECK(std::isnan(decode(encode(sent)).loss));
  CHECK_THROWS_WITH(decode("[1, 2]"), "a worker sent '[1, 2]', which is no message");
}

}  // namespace lethe
