#include "core/text/tokenizer_json.h"

#include <utility>

#include "core/error.h"
#include "core/text/tokenizer_settings.h"

namespace lethe {
namespace {

using Ids = std::vector<int64_t>;

/// The ids of a template's special token.
Ids template_ids(const JsonAt& processor, const std::string& name) {
  const JsonAt ids = processor.at("special_tokens").at(name).at("ids");
  Ids result;
  for (size_t i = 0; i < ids.size(); ++i) result.push_back(ids.at(i).integer());
  return result;
}

/// The marks before, between and after the sequences of a template, in that order.
std::vector<Ids> template_marks(const JsonAt& processor, const std::string& key, size_t sequences) {
  std::vector<Ids> marks(1);
  const JsonAt pieces = processor.at(key);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const JsonAt piece = pieces.at(i);
    if (piece.find("Sequence")) {
      marks.emplace_back();
      continue;
    }
    const Ids ids = template_ids(processor, piece.at("SpecialToken").at("id").text());
    marks.back().insert(marks.back().end(), ids.begin(), ids.end());
  }
  if (marks.size() != sequences + 1) {
    fail("{}: expected a template of {} text(s), found {}", pieces.where(), sequences,
         marks.size() - 1);
  }
  return marks;
}

void read_template(const JsonAt& processor, Marks& marks) {
  const std::vector<Ids> single = template_marks(processor, "single", 1);
  marks.before = single[0];
  marks.after = single[1];
  if (processor.find("pair")) {
    marks.between = template_marks(processor, "pair", 2)[1];
  } else {
    marks.between = marks.after;
  }
}

/// BertProcessing and RobertaProcessing: "sep" and "cls" are pairs of text and id.
void read_classic(const JsonAt& processor, bool doubled, Marks& marks) {
  const auto id = [&](const char* key) {
    const JsonAt pair = processor.at(key);
    if (pair.size() != 2) pair.fail_expecting("a token and its id");
    return pair.at(size_t{1}).integer();
  };
  marks.before = {id("cls")};
  marks.after = {id("sep")};
  marks.between = Ids(doubled ? 2 : 1, id("sep"));
}

}  // namespace

std::vector<JsonAt> steps_of(const std::optional<JsonAt>& step, const std::string& list) {
  if (!step) return {};
  if (step->at("type").text() != "Sequence") return {*step};
  std::vector<JsonAt> steps;
  const JsonAt elements = step->at(list);
  for (size_t i = 0; i < elements.size(); ++i) steps.push_back(elements.at(i));
  return steps;
}

std::string model_type(const JsonAt& root) {
  const JsonAt model = root.at("model");
  const std::string type = model.text("type", "");
  if (!type.empty()) return type;
  if (model.find("merges")) return "BPE";
  return model.find("vocab") && model.at("vocab").value().is_array() ? "Unigram" : "WordPiece";
}

bool is_byte_level(const JsonAt& root) {
  for (const JsonAt& step : steps_of(root.find("pre_tokenizer"), "pretokenizers")) {
    if (step.at("type").text() == "ByteLevel") return true;
  }
  return false;
}

std::vector<AddedToken> read_vocabulary(const JsonAt& root, Vocabulary& vocabulary) {
  const JsonAt vocab = root.at("model").at("vocab");
  for (const auto& [token, id] : vocab.object().items()) {
    if (!id.is_number_integer()) vocab.at(token).fail_expecting("a whole number");
    vocabulary.add(token, id.get<int64_t>());
  }
  std::vector<AddedToken> added;
  const auto list = root.find("added_tokens");
  for (size_t i = 0; list && i < list->size(); ++i) {
    AddedToken token = read_added_token(list->at(i), false);
    token.id = list->at(i).at("id").integer();
    vocabulary.add_beside(token.content, token.id);
    added.push_back(std::move(token));
  }
  return added;
}

Marks read_post_processor(const JsonAt& root) {
  Marks marks;
  for (const JsonAt& step : steps_of(root.find("post_processor"), "processors")) {
    const std::string type = step.at("type").text();
    if (type == "TemplateProcessing") {
      read_template(step, marks);
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      read_classic(step, type == "RobertaProcessing", marks);
    } else if (type != "ByteLevel") {
      fail(
          "{}: unknown type '{}'; known are BertProcessing, ByteLevel, RobertaProcessing, Sequence "
          "and TemplateProcessing",
          step.where(), type);
    }
  }
  return marks;
}

}  // namespace lethe
