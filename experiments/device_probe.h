// What a device is, found out without using it.
#pragma once

#include <string>

namespace lethe {

/// The class under which trials on the device called `name` are stored (device_class), found in a
/// process of its own: a process that has opened a GPU can't fork workers that use it. Throws Error
/// as open_device() does.
std::string class_of_device(const std::string& name);

/// Hides the GPUs from this process and what it forks: libtorch would otherwise open them at the
/// first backward pass of a trial on the CPU.
void hide_gpus();

}  // namespace lethe
