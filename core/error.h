// The one exception type of Lethe. Free of libtorch.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace lethe {

/// Every error a user can cause. The message names the thing, the value, what was expected and the
/// act that fixes it. Its key function lives in the core library, so that a plugin's throw is
/// caught by type in the host.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
  ~Error() override;
};

/// Throws lethe::Error with the formatted message.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace lethe
