// Any bytes as config.json, and the questions that models and generation ask it.
#include "core/error.h"
#include "core/formats/hf_config.h"
#include "core/formats/peft_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const auto config = lethe::HfConfig::parse(text, "config.json");
    for (const char* key : {"hidden_size", "n_embd", "rope_scaling.factor", "eos_token_id"}) {
      try {
        config.size({key}, 1);
        if (config.has({key})) config.within({key}, 10);
        config.number({key}, 1);
        config.ids({key});
        config.text({key}, "");
        config.flag({key}, false);
      } catch (const lethe::Error&) {
      }
    }
    config.architectures();
    config.model_type();
  } catch (const lethe::Error&) {
  }
  try {
    lethe::parse_peft_config(text, "adapter_config.json");
  } catch (const lethe::Error&) {
  }
  return 0;
}
