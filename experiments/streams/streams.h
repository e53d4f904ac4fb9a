// The streams by name, as sweeps and `lethe list streams` know them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/task.h"
#include "experiments/streams/text.h"

namespace lethe {

/// A stream with where its files lie: paths decide nothing, contents do.
struct StreamRequest {
  std::string name;
  OptionMap options;                                ///< as given, `data` with the folder's path
  std::vector<TextTaskSpec> texts;                  ///< of the stream "text"
  std::vector<TextTaskSpec> probes = {};            ///< of a stream of text
  std::shared_ptr<const Tokenizer> tokenizer = {};  ///< of the model; null = the built-in one
  ModelRows rows = {};                              ///< what the model reads
};

struct StreamEntry {
  std::string name, summary, source;
  bool text = false;
  std::function<std::vector<OptionDoc>()> docs;
  /// Every option that decides the rows, checked and complete; a path becomes its content's digest
  /// ("data_sha256").
  std::function<OptionMap(const StreamRequest&)> complete;
  std::function<TaskStream(const StreamRequest&, int64_t seed)> make;
};

const std::map<std::string, StreamEntry>& stream_entries();
/// Throws "unknown stream 'x'; known streams: ...".
const StreamEntry& stream_entry(const std::string& name);

/// "split scenario=task": the name and what differs from the defaults, paths and digests left out.
std::string label_of(const std::string& name, const OptionMap& options,
                     const std::vector<OptionDoc>& docs);

}  // namespace lethe
