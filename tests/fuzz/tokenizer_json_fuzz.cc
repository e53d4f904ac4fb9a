// Any bytes as tokenizer.json: a tokenizer, whose ids of some text are within its vocabulary, or an
// error.
#include "core/error.h"
#include "core/text/load_tokenizer.h"
#include "tests/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Scratch folder;
  folder.write("tokenizer.json", std::string_view(reinterpret_cast<const char*>(data), size));
  try {
    const auto tokenizer = lethe::load_tokenizer(folder.folder());
    const auto ids = tokenizer->encode("ab<x> ABba 12\n\xc3\xa9 [CLS] \xff");
    for (const int64_t id : ids) {
      if (id < 0) std::abort();
    }
    tokenizer->decode_with_special(ids);
  } catch (const lethe::Error&) {
  }
  return 0;
}
