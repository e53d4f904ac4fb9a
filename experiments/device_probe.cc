#include "experiments/device_probe.h"

#include <cstdlib>

#include "core/error.h"
#include "core/update.h"
#include "experiments/child_process.h"

namespace lethe {
namespace {

std::string looked_at(const std::string& name) {
  try {
    return device_class(open_device(name));
  } catch (const c10::Error& error) {
    throw Error(std::string("libtorch: ") + error.what_without_backtrace());
  }
}

}  // namespace

std::string class_of_device(const std::string& name) {
  if (name == "cpu") return name;
  const ChildEnd end = in_child([&] { return looked_at(name); });
  if (end.how == ChildEnd::How::threw) throw Error(end.text);
  if (end.how == ChildEnd::How::died) {
    fail("the process that looked at device '{}' died; look at the driver (nvidia-smi)", name);
  }
  return end.text;
}

void hide_gpus() { setenv("CUDA_VISIBLE_DEVICES", "", 1); }

}  // namespace lethe
