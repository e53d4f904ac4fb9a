// What a user sees while a sweep runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <string>

namespace lethe {

/// One message of a worker: a trial began, moves, ended or failed, or something to be said.
struct WorkerNews {
  enum class Kind { began, moved, done, failed, said };
  Kind kind = Kind::moved;
  int64_t trial = 0;  ///< index in the sweep
  std::string label;  ///< method
  int64_t seed = 0, task = 0, tasks = 0, step = 0, steps = 0;
  double loss = 0, per_second = 0, seconds_left = -1, seconds = 0;
  bool tokens = false;
  std::string phase;
  std::string error;  ///< what failed, or what is said
};

/// One line without a newline, for the pipe; and back. Throws Error on a line of another form.
std::string encode(const WorkerNews& news);
WorkerNews decode(const std::string& line);

/// "ewc            seed 1  task 2/4  step 120/200  loss 0.532  12.3k tokens/s  0:42 left"
std::string worker_line(const WorkerNews& news);
/// "[3/12] ewc seed 1 done in 0:42", "[3/12] ewc seed 1 failed: the loss ..."
std::string outcome_line(const WorkerNews& news, int64_t finished, int64_t total);
/// The first `columns` characters of UTF-8 text; 0 = all.
std::string cut_to(const std::string& text, size_t columns);
/// "0:42", "1:02:03".
std::string clock_text(double seconds);

/// Lines on `out`: redrawn a worker a line on a terminal, else plain log lines.
class ProgressView {
 public:
  using Clock = std::chrono::steady_clock;

  ProgressView(bool terminal, bool quiet, int64_t total, std::FILE* out = stderr);
  ~ProgressView();
  ProgressView(const ProgressView&) = delete;
  ProgressView& operator=(const ProgressView&) = delete;
  /// Away from a terminal a worker's moves are printed every 10 seconds.
  void tell(int worker, const WorkerNews& news, Clock::time_point now = Clock::now());
  /// A line that stays.
  void say(const std::string& line);

 private:
  void put(const std::string& text);
  void redraw();
  void erase();

  bool terminal_, quiet_;
  int64_t total_, finished_ = 0, failed_ = 0;
  std::FILE* out_;
  int drawn_ = 0;
  std::map<int, WorkerNews> latest_;
  std::map<int, Clock::time_point> logged_;
  std::set<std::string> said_;
};

}  // namespace lethe
