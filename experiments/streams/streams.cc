#include "experiments/streams/streams.h"

#include "core/error.h"
#include "experiments/streams/images.h"
#include "experiments/streams/instructions.h"

namespace lethe {
namespace {

/// Reading a folder for its digest takes a second: once a process and folder.
std::string digest_once(const std::string& folder) {
  static std::map<std::string, std::string> known;
  auto found = known.find(folder);
  if (found == known.end()) found = known.emplace(folder, data_digest(folder)).first;
  return found->second;
}

/// Two maps as one; their keys differ.
OptionMap merged(OptionMap a, const OptionMap& b) {
  a.insert(b.begin(), b.end());
  return a;
}

template <class Options>
StreamEntry image_entry(const std::string& name, const std::string& summary,
                        TaskStream (*make)(const Options&, int64_t)) {
  StreamEntry entry;
  entry.name = name;
  entry.summary = summary;
  entry.source = "van de Ven et al. 2022, Nature MI 4:1185";
  entry.docs = [] { return option_docs<Options>(); };
  entry.complete = [name](const StreamRequest& request) {
    const auto options = parse_options<Options>(name, request.options);
    if (!request.probes.empty()) {
      fail("stream '{}' has no text for probes; leave [[stream.probe]] out", name);
    }
    if (options.data.empty()) {
      fail(
          "stream '{}' needs data: the folder that holds train-images-idx3-ubyte[.gz] and its "
          "three "
          "companions; set stream.data",
          name);
    }
    OptionMap text = options_text(options);
    text.erase("data");
    text["data_sha256"] = digest_once(options.data);
    return text;
  };
  entry.make = [name, make](const StreamRequest& request, int64_t seed) {
    return make(parse_options<Options>(name, request.options), seed);
  };
  return entry;
}

StreamEntry instruction_entry() {
  StreamEntry entry;
  entry.name = "instructions";
  entry.summary = "Four built-in instruction tasks: sentiment, summarisation, Python, topic.";
  entry.source = "grammars of this project";
  entry.text = true;
  entry.docs = [] { return option_docs<InstructionOptions>(); };
  entry.complete = [](const StreamRequest& request) {
    return merged(options_text(parse_options<InstructionOptions>("instructions", request.options)),
                  text_probe_text(request.probes));
  };
  entry.make = [](const StreamRequest& request, int64_t seed) {
    if (request.rows.form != RowForm::text) {
      fail(
          "stream 'instructions' makes rows of one text for a decoder, which {} does not read; "
          "choose the stream 'text'",
          request.rows.model);
    }
    TaskStream stream = make_instruction_stream(
        parse_options<InstructionOptions>("instructions", request.options), seed);
    add_probes(stream, request.probes, {});
    return stream;
  };
  return entry;
}

StreamEntry text_entry() {
  StreamEntry entry;
  entry.name = "text";
  entry.summary = "Tasks from JSON Lines, JSON arrays, CSV and plain text, or from recipes.";
  entry.source = "files named in [[stream.task]]";
  entry.text = true;
  entry.docs = [] { return option_docs<TextStreamOptions>(); };
  entry.complete = [](const StreamRequest& request) {
    if (request.texts.empty()) {
      fail("stream 'text' has no tasks; add one [[stream.task]] table a task");
    }
    return merged(
        text_stream_text(request.texts, parse_options<TextStreamOptions>("text", request.options)),
        text_probe_text(request.probes));
  };
  entry.make = [](const StreamRequest& request, int64_t) {
    const auto options = parse_options<TextStreamOptions>("text", request.options);
    TaskStream stream = make_text_stream(request.texts, options, request.tokenizer, request.rows);
    add_probes(stream, request.probes, options, request.rows);
    return stream;
  };
  return entry;
}

}  // namespace

const std::map<std::string, StreamEntry>& stream_entries() {
  static const std::map<std::string, StreamEntry> entries = {
      {"instructions", instruction_entry()},
      {"text", text_entry()},
      {"split", image_entry<SplitOptions>("split", "Classes dealt to the tasks in equal parts.",
                                          &make_split_stream)},
      {"permuted",
       image_entry<PermutedOptions>("permuted", "Pixels in another order in every task.",
                                    &make_permuted_stream)},
      {"rotated", image_entry<RotatedOptions>("rotated", "Images turned further in every task.",
                                              &make_rotated_stream)}};
  return entries;
}

const StreamEntry& stream_entry(const std::string& name) {
  const auto found = stream_entries().find(name);
  if (found != stream_entries().end()) return found->second;
  std::vector<std::string> known;
  for (const auto& entry : stream_entries()) known.push_back(entry.first);
  fail("unknown stream '{}'; known streams: {}", name, fmt::join(known, ", "));
}

std::string label_of(const std::string& name, const OptionMap& options,
                     const std::vector<OptionDoc>& docs) {
  std::string label = name;
  for (const OptionDoc& doc : docs) {
    const auto found = options.find(doc.name);
    if (found == options.end() || found->second == doc.fallback || doc.name == "data") continue;
    label += fmt::format(" {}={}", doc.name, found->second);
  }
  return label;
}

}  // namespace lethe
