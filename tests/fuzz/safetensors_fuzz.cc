// Any bytes as a .safetensors file: its tensors are read to their ends, or it is refused.
#include "core/error.h"
#include "core/formats/safetensors.h"
#include "tests/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Scratch folder;
  try {
    const lethe::SafetensorsFile file(folder.write(
        "model.safetensors", std::string_view(reinterpret_cast<const char*>(data), size)));
    uint64_t sum = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      if (static_cast<uint64_t>(tensor.elements()) > size * 8) std::abort();
      for (uint64_t i = 0; i < tensor.bytes; ++i) sum += tensor.data[i];
    }
    if (sum == UINT64_MAX) std::abort();
  } catch (const lethe::Error&) {
  }
  return 0;
}
