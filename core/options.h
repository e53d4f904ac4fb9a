// Options of methods, models, streams and the trainer: one field list each, from which parsing,
// range checks, unknown-key messages, the canonical text, `lethe list` and the docs tables come.
// Free of libtorch.
//
//   struct Options {
//     double lambda = 1.0;
//     template <class Visit>
//     void fields(Visit&& visit) {
//       visit("lambda", lambda, at_least(0.0), "penalty weight, in units of task loss; 0 =
//       finetune");
//     }
//   };
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace lethe {

/// Option values as text, sorted by key. Numbers, `true`/`false`, or the string itself.
using OptionMap = std::map<std::string, std::string>;

/// What an option may hold: an interval, or a list of words. An empty list of words allows any
/// text.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;
  std::vector<std::string> words;

  /// ">= 0", "> 0", "in [0, 1)", "one of exact, sampled", "any".
  std::string text() const;
};

Range any();
Range at_least(double low);
Range above(double low);
Range between(double low, double high);     ///< [low, high]
Range below_from(double low, double high);  ///< [low, high)
Range one_of(std::vector<std::string> words);

/// One field of an options struct, erased to a pointer.
struct Field {
  std::string name;
  std::variant<double*, int64_t*, bool*, std::string*> value;
  Range range;
  std::string doc;
};

/// An option that counts only under some values of another option of the same owner.
struct OptionCondition {
  std::string option, needs;
  std::vector<std::string> values;  ///< of `needs`
};

/// One row of a table of options.
struct OptionDoc {
  std::string name, type, fallback, range, doc;
};

/// Sets fields from `given`. Throws Error for an unknown key ("unknown option 'lamda' of ewc; known
/// options: gamma, lambda"), for text of the wrong type and for a value out of range.
void set_fields(const std::string& owner, const std::vector<Field>& fields, const OptionMap& given);

/// Every field with its present value, numbers in the shortest text that reads back to the same
/// bits.
OptionMap text_of_fields(const std::vector<Field>& fields);

std::vector<OptionDoc> docs_of_fields(const std::vector<Field>& fields);

/// Throws Error where an option differs from its default although another one switches it off: a
/// setting that does nothing would look like one that makes no difference. `complete` holds every
/// option.
void check_conditions(const std::string& owner, const std::vector<OptionDoc>& docs,
                      const std::vector<OptionCondition>& conditions, const OptionMap& complete);

/// Shortest text that reads back to the same double; "1" for 1.0.
std::string number_text(double value);

template <class Options>
std::vector<Field> fields_of(Options& options) {
  std::vector<Field> fields;
  options.fields([&](const char* name, auto& value, Range range, const char* doc) {
    fields.push_back({name, &value, std::move(range), doc});
  });
  return fields;
}

/// `owner` is the name used in messages: a method's, model's or stream's.
template <class Options>
Options parse_options(const std::string& owner, const OptionMap& given) {
  Options options;
  set_fields(owner, fields_of(options), given);
  return options;
}

template <class Options>
OptionMap options_text(Options options) {
  return text_of_fields(fields_of(options));
}

template <class Options>
std::vector<OptionDoc> option_docs() {
  Options options;
  return docs_of_fields(fields_of(options));
}

}  // namespace lethe
