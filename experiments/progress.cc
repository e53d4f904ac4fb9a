#include "experiments/progress.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace lethe {

std::string encode(const WorkerNews& news) {
  const nlohmann::json line = {static_cast<int>(news.kind),
                               news.trial,
                               news.label,
                               news.seed,
                               news.task,
                               news.tasks,
                               news.step,
                               news.steps,
                               news.loss,
                               news.per_second,
                               news.seconds_left,
                               news.seconds,
                               news.tokens,
                               news.phase,
                               news.error};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

WorkerNews decode(const std::string& text) {
  const auto line = nlohmann::json::parse(text, nullptr, false);
  if (!line.is_array() || line.size() != 15) fail("a worker sent '{}', which is no message", text);
  WorkerNews news;
  news.kind = static_cast<WorkerNews::Kind>(line[0].get<int>());
  news.trial = line[1];
  news.label = line[2];
  news.seed = line[3];
  news.task = line[4];
  news.tasks = line[5];
  news.step = line[6];
  news.steps = line[7];
  news.loss = line[8].is_null() ? std::nan("") : line[8].get<double>();
  news.per_second = line[9].is_null() ? 0 : line[9].get<double>();
  news.seconds_left = line[10].is_null() ? -1 : line[10].get<double>();
  news.seconds = line[11];
  news.tokens = line[12];
  news.phase = line[13];
  news.error = line[14];
  return news;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string worker_line(const WorkerNews& news) {
  std::string line = fmt::format("{:<16} seed {:<3}", news.label, news.seed);
  if (news.kind == WorkerNews::Kind::began) return line + " loading";
  line += fmt::format(" task {}/{}  step {}/{}  loss {:.3f}", news.task, news.tasks, news.step,
                      news.steps, news.loss);
  const bool thousands = news.per_second >= 1000;
  line += fmt::format("  {:.{}f}{} {}/s", thousands ? news.per_second / 1000 : news.per_second,
                      thousands ? 1 : 0, thousands ? "k" : "", news.tokens ? "tokens" : "samples");
  if (news.seconds_left >= 0) line += fmt::format("  {} left", clock_text(news.seconds_left));
  return line;
}

ProgressView::ProgressView(bool terminal, bool quiet, int64_t total)
    : terminal_(terminal), quiet_(quiet), total_(total) {}

ProgressView::~ProgressView() { erase(); }

void ProgressView::erase() {
  if (drawn_ > 0) fmt::print(stderr, "\033[{}A\033[J", drawn_);
  drawn_ = 0;
}

void ProgressView::redraw() {
  erase();
  for (const auto& [worker, news] : latest_) fmt::print(stderr, "{}\n", worker_line(news));
  fmt::print(stderr, "{}/{} trials{}\n", finished_, total_,
             failed_ > 0 ? fmt::format(", {} failed", failed_) : "");
  drawn_ = static_cast<int>(latest_.size()) + 1;
  std::fflush(stderr);
}

void ProgressView::say(const std::string& line) {
  if (quiet_) return;
  erase();
  fmt::print(stderr, "{}\n", line);
  if (terminal_) redraw();
}

void ProgressView::tell(int worker, const WorkerNews& news) {
  using Kind = WorkerNews::Kind;
  if (news.kind == Kind::done || news.kind == Kind::failed) {
    ++finished_;
    if (news.kind == Kind::failed) ++failed_;
    latest_.erase(worker);
    say(news.kind == Kind::failed ? fmt::format("[{}/{}] {} seed {} failed: {}", finished_, total_,
                                                news.label, news.seed, news.error)
                                  : fmt::format("[{}/{}] {} seed {} done in {}", finished_, total_,
                                                news.label, news.seed, clock_text(news.seconds)));
    return;
  }
  latest_[worker] = news;
  if (quiet_) return;
  if (terminal_) {
    redraw();
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  auto& last = logged_[worker];
  if (news.kind == Kind::moved && now - last < std::chrono::seconds(10)) return;
  if (news.kind == Kind::moved) fmt::print(stderr, "{}\n", worker_line(news));
  last = now;
}

}  // namespace lethe
