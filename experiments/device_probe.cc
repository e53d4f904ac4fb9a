#include "experiments/device_probe.h"

#include <cstdlib>

#include "core/error.h"
#include "core/update.h"
#include "experiments/child_process.h"

namespace lethe {
namespace {

/// "BYTES CLASS".
std::string looked_at(const std::string& name) {
  try {
    const at::Device device = open_device(name);
    return fmt::format("{} {}", free_memory(device), device_class(device));
  } catch (const c10::Error& error) {
    throw Error(std::string("libtorch: ") + error.what_without_backtrace());
  }
}

}  // namespace

FoundDevice find_device(const std::string& name) {
  if (name == "cpu") return {};
  const ChildEnd end = in_child([&] { return looked_at(name); });
  if (end.how == ChildEnd::How::threw) throw Error(end.text);
  if (end.how == ChildEnd::How::died) {
    fail("the process that looked at device '{}' died; look at the driver (nvidia-smi)", name);
  }
  const size_t space = end.text.find(' ');
  return {end.text.substr(space + 1), std::stoll(end.text.substr(0, space))};
}

void hide_gpus() { setenv("CUDA_VISIBLE_DEVICES", "", 1); }

}  // namespace lethe
