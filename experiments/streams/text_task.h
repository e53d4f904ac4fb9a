// What a sweep says about one text task or probe. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"

namespace lethe {

/// Either `file`, which is split, or `train` and `test`, with `validation` cut from the training
/// rows where it is not given. A probe has `file` alone.
struct TextTaskSpec {
  std::string name = {};
  std::string file = {}, train = {}, validation = {}, test = {};  ///< paths

  std::string form = "records";
  std::string prompt = {};
  std::string second = {};  ///< of a pair of texts; empty = one text
  std::string response = "{label}";
  std::vector<std::string> labels = {};  ///< the responses allowed; empty = any
  std::string metric = "exact_match";
  std::string predict = "response";
  bool end_mark = true;
  std::vector<std::string> stop = {};  ///< texts at which what was generated is cut
  bool normalise = false;

  std::string train_records = {}, validation_records = {}, test_records = {};
  std::string group = {};
  int64_t train_rows = 0, validation_rows = 0, test_rows = 0;
  std::vector<std::string> leave_out = {};  ///< responses whose records are left out, and counted
  bool skip = false;

  int64_t window = 0, stride = 0;
  std::string separator = {}, ids = "ids";

  template <class Visit>
  void fields(Visit&& visit) {
    visit("prompt", prompt, any(), "template of the prompt");
    visit("second", second, any(), "template of a classifier's second text; empty = one text");
    visit("response", response, any(), "template of the response");
    visit("metric", metric, any(), "what the task is measured in, see docs/metrics.md");
    visit("form", form, one_of({"records", "text", "ids"}),
          "records with templates, a plain text cut into windows, or JSON Lines with token ids");
    visit("predict", predict, one_of({"response", "all"}),
          "tokens that count; text and ids predict all but the first");
    visit("end_mark", end_mark, any(), "the end mark after the response of a record");
    visit("normalise", normalise, any(),
          "label_accuracy compares log-likelihoods by token, not by label");
    visit("train_records", train_records, any(), "FIRST:END of the file's records, from 0");
    visit("validation_records", validation_records, any(), "the same for validation rows");
    visit("test_records", test_records, any(), "the same for test rows");
    visit("group", group, any(), "template; records with one value stay in one split");
    visit("train_rows", train_rows, at_least(0), "training rows at most; 0 = all");
    visit("validation_rows", validation_rows, at_least(0), "validation rows at most; 0 = all");
    visit("test_rows", test_rows, at_least(0), "test rows at most; 0 = all");
    visit("skip", skip, any(),
          "rows with an empty response, one that does not fit or invalid UTF-8 are left out and "
          "counted, in place of an error");
    visit("window", window, at_least(0),
          "tokens of a window, begin mark included; 0 = the stream's max_length");
    visit("stride", stride, at_least(0), "tokens from one window to the next; 0 = no overlap");
    visit("separator", separator, any(), "what stands between the documents of a plain text");
    visit("ids", ids, any(), "field that holds the token ids");
  }
};

/// The lists of a spec by their keys: labels, stop, leave_out.
template <class Spec, class Visit>
void text_lists(Spec& spec, Visit&& visit) {
  visit("labels", spec.labels);
  visit("leave_out", spec.leave_out);
  visit("stop", spec.stop);
}

/// The files of a spec by their keys: file, train, validation, test.
template <class Spec, class Visit>
void text_files(Spec& spec, Visit&& visit) {
  visit("file", spec.file);
  visit("train", spec.train);
  visit("validation", spec.validation);
  visit("test", spec.test);
}

/// The files that are given, each with its role. Throws Error unless they are `file` alone, or
/// train and test with or without validation.
std::vector<std::pair<std::string, std::string>> files_of(const TextTaskSpec& task);

/// SHA-256 over the contents of the task's files and their roles; their paths do not matter.
std::string text_data_digest(const TextTaskSpec& task);

/// What decides a task's rows, for a trial's canonical text: name, templates, metric, data digest
/// and lists, and what else differs from its default.
OptionMap text_task_text(const TextTaskSpec& task);

}  // namespace lethe
