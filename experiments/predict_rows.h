// The rows of `lethe predict`: JSON Lines in and out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"

namespace lethe {

struct PredictRow {
  std::string prompt;
  std::string record;  ///< the line as it was read, one JSON object
  std::string name;    ///< for messages: "FILE:LINE: the prompt", "prompt 2"
  std::string second = {}, adapter = {};
};

/// Every line of a file ("-" = standard input) that is not blank. Throws Error with FILE:LINE for a
/// line that is no UTF-8 or no JSON object, for one without text under `field`, or under `second`
/// where that is not empty, and with `adapters` for an "adapter" that is no text; it may be absent.
std::vector<PredictRow> read_predict_rows(const std::string& path, const std::string& field,
                                          const std::string& second = "", bool adapters = false);

/// The record with `generated` and `ended` added (replaced where they were there), one line.
std::string predicted_line(const PredictRow& row, const std::string& generated, bool ended);

/// The same with `label` and `probability`.
std::string classified_line(const PredictRow& row, const std::string& label, double probability);

/// The ids that a decoder is given for a prompt: what the tokenizer itself puts before a text, and
/// the text. Throws Error for a prompt without a token; `name` is what it is called then.
std::vector<int64_t> prompt_ids(const Tokenizer& tokenizer, const std::string& prompt,
                                const std::string& name = "a prompt");

/// The whole characters (UTF-8) that `text` has beyond its first `shown` bytes; what could still
/// become another character is held back.
std::string fresh_text(const std::string& text, size_t shown);

}  // namespace lethe
