// What a device is, found out without using it.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

struct FoundDevice {
  std::string device_class = "cpu";  ///< under which trials on it are stored (device_class)
  int64_t memory = 0;                ///< bytes that a GPU has free; 0 of the CPU
};

/// The device called `name`, looked at in a process of its own: a process that has opened a GPU
/// can't fork workers that use it. Throws Error as open_device() does.
FoundDevice find_device(const std::string& name);

/// Hides the GPUs from this process and what it forks: libtorch would otherwise open them at the
/// first backward pass of a trial on the CPU.
void hide_gpus();

}  // namespace lethe
