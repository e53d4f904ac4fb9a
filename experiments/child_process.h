// Work in a forked process: neither its memory nor what it opens stays with this one.
#pragma once

#include <atomic>
#include <functional>
#include <string>

namespace lethe {

struct ChildEnd {
  enum class How { returned, threw, died };
  How how = How::died;
  std::string text;  ///< what the work returned, or what() of what it threw
};

/// Runs `work` in a child process and waits for it; while `stop` is true the child is sent SIGTERM.
/// It is killed where this process dies. Throws Error where no child can be made.
ChildEnd in_child(const std::function<std::string()>& work,
                  const std::atomic<bool>* stop = nullptr);

}  // namespace lethe
