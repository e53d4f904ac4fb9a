// What a user sees while a sweep runs.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace lethe {

/// One message of a worker: a trial began, moves, ended or failed.
struct WorkerNews {
  enum class Kind { began, moved, done, failed };
  Kind kind = Kind::moved;
  int64_t trial = 0;  ///< index in the sweep
  std::string label;  ///< method
  int64_t seed = 0, task = 0, tasks = 0, step = 0, steps = 0;
  double loss = 0, per_second = 0, seconds_left = -1, seconds = 0;
  bool tokens = false;
  std::string phase, error;
};

/// One line without a newline, for the pipe; and back. Throws Error on a line of another form.
std::string encode(const WorkerNews& news);
WorkerNews decode(const std::string& line);

/// "ewc            seed 1  task 2/4  step 120/200  loss 0.532  12.3k tokens/s  0:42 left"
std::string worker_line(const WorkerNews& news);
/// "0:42", "1:02:03".
std::string clock_text(double seconds);

/// Lines on stderr: redrawn a worker a line on a terminal, else plain log lines.
class ProgressView {
 public:
  ProgressView(bool terminal, bool quiet, int64_t total);
  ~ProgressView();
  void tell(int worker, const WorkerNews& news);
  /// A line that stays.
  void say(const std::string& line);

 private:
  void redraw();
  void erase();

  bool terminal_, quiet_;
  int64_t total_, finished_ = 0, failed_ = 0;
  int drawn_ = 0;
  std::map<int, WorkerNews> latest_;
  std::map<int, std::chrono::steady_clock::time_point> logged_;
};

}  // namespace lethe
