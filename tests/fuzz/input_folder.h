// Where a fuzzer's bytes stand as the file that a reader opens.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

/// A folder of the process, in memory where the system has /dev/shm; it goes with the process.
class InputFolder {
 public:
  InputFolder() {
    char shared[] = "/dev/shm/lethe-fuzz-XXXXXX", plain[] = "/tmp/lethe-fuzz-XXXXXX";
    const char* made = mkdtemp(shared);
    if (made == nullptr) made = mkdtemp(plain);
    if (made == nullptr) std::abort();
    path_ = made;
  }
  ~InputFolder() {
    if (!last_.empty()) std::remove((path_ + "/" + last_).c_str());
    rmdir(path_.c_str());
  }
  InputFolder(const InputFolder&) = delete;
  InputFolder& operator=(const InputFolder&) = delete;

  const std::string& path() const { return path_; }

  /// Writes the bytes as file `name`, in place of the last one; returns its path.
  std::string put(const std::string& name, const uint8_t* data, size_t size) {
    if (!last_.empty() && last_ != name) std::remove((path_ + "/" + last_).c_str());
    last_ = name;
    const std::string file = path_ + "/" + name;
    std::FILE* out = std::fopen(file.c_str(), "wb");
    if (out == nullptr) std::abort();
    if (size > 0 && std::fwrite(data, 1, size, out) != size) std::abort();
    if (std::fclose(out) != 0) std::abort();
    return file;
  }

 private:
  std::string path_, last_;
};
