#include "experiments/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
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

std::string outcome_line(const WorkerNews& news, int64_t finished, int64_t total) {
  const std::string what = news.kind == WorkerNews::Kind::failed
                               ? "failed: " + news.error
                               : "done in " + clock_text(news.seconds);
  return fmt::format("[{}/{}] {} seed {} {}", finished, total, news.label, news.seed, what);
}

std::string cut_to(const std::string& text, size_t columns) {
  size_t shown = 0;
  for (size_t i = 0; columns > 0 && i < text.size(); ++i) {
    const bool inside = (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;  // of a character
    if (!inside && shown++ == columns) return text.substr(0, i);
  }
  return text;
}

ProgressView::ProgressView(bool terminal, bool quiet, int64_t total, std::FILE* out)
    : terminal_(terminal), quiet_(quiet), total_(total), out_(out) {}

ProgressView::~ProgressView() { erase(); }

// Not fmt::print, which throws: a sweep goes on where nobody can be told.
void ProgressView::put(const std::string& text) { std::fputs(text.c_str(), out_); }

void ProgressView::erase() {
  if (drawn_ > 0) put(fmt::format("\033[{}A\033[J", drawn_));
  drawn_ = 0;
}

void ProgressView::redraw() {
  erase();
  // A line that the terminal breaks in two would not be erased whole.
  winsize size{};
  const bool known = ioctl(fileno(out_), TIOCGWINSZ, &size) == 0;
  for (const auto& [worker, news] : latest_) {
    put(cut_to(worker_line(news), known ? size.ws_col : 0) + "\n");
  }
  put(fmt::format("{}/{} trials{}\n", finished_, total_,
                  failed_ > 0 ? fmt::format(", {} failed", failed_) : ""));
  drawn_ = static_cast<int>(latest_.size()) + 1;
  std::fflush(out_);
}

void ProgressView::say(const std::string& line) {
  if (quiet_) return;
  erase();
  put(line + "\n");
  if (terminal_) redraw();
}

void ProgressView::tell(int worker, const WorkerNews& news, Clock::time_point now) {
  using Kind = WorkerNews::Kind;
  if (news.kind == Kind::said) {
    if (said_.insert(news.error).second) say(news.error);  // every trial may say it
    return;
  }
  if (news.kind == Kind::done || news.kind == Kind::failed) {
    ++finished_;
    if (news.kind == Kind::failed) ++failed_;
    latest_.erase(worker);
    const std::string line = outcome_line(news, finished_, total_);
    if (quiet_ && news.kind == Kind::failed) put(line + "\n");
    say(line);
    return;
  }
  latest_[worker] = news;
  if (quiet_) return;
  if (terminal_) {
    redraw();
    return;
  }
  const auto last = logged_.find(worker);
  const bool due = last == logged_.end() || now - last->second >= std::chrono::seconds(10);
  if (news.kind == Kind::moved && !due) return;
  if (news.kind == Kind::moved) put(worker_line(news) + "\n");
  logged_[worker] = now;
}

}  // namespace lethe
