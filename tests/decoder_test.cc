// The decoder's four families: causality, and generation with a cache against full forwards.
#include "tests/catch.h"
// After Catch.
#include "core/loss.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

using Ids = std::vector<int64_t>;
constexpr int64_t kEnd = 1, kVocabulary = 24;
const char* const kFamilies[] = {"gpt2", "opt", "bloom", "llama"};

std::unique_ptr<Model> decoder(const std::string& family, uint64_t seed = 3) {
  ModelShape shape;
  shape.vocabulary = kVocabulary;
  shape.longest = 16;
  auto model = model_entry("decoder").make(
      {{"family", family}, {"width", "16"}, {"layers", "2"}, {"heads", "4"}}, shape,
      make_generator(seed));
  const at::NoGradGuard no_grad;
  // Fresh weights are small: spread out, they give outputs that depend on what was read.
  for (Parameter& parameter : model->parameters()) {
    if (parameter.value.dim() == 2) parameter.value.mul_(12);
  }
  return model;
}

/// Logits (L, V) of every position of one row.
Tensor all_logits(Model& model, const Ids& ids) {
  const at::NoGradGuard no_grad;
  Batch batch;
  const auto length = static_cast<int64_t>(ids.size());
  batch.inputs = at::tensor(ids).view({1, length});
  batch.positions = at::arange(length, at::kLong);
  batch.row_of = at::zeros({length}, at::kLong);
  return model.forward(batch);
}

Ids by_full_forward(Model& model, Ids ids, int64_t longest) {
  Ids made;
  while (static_cast<int64_t>(made.size()) < longest) {
    const Tensor logits = all_logits(model, ids);
    const auto next = logits[logits.size(0) - 1].argmax().item<int64_t>();
    if (next == kEnd) break;
    made.push_back(next);
    ids.push_back(next);
  }
  return made;
}

std::vector<Ids> prompts() {
  Random random(11);
  std::vector<Ids> made;
  for (const int64_t length : {3, 7, 1, 5, 5, 2}) {
    Ids ids;
    for (int64_t i = 0; i < length; ++i) ids.push_back(2 + random.below(kVocabulary - 2));
    made.push_back(ids);
  }
  return made;
}

}  // namespace

TEST_CASE("generation with a cache equals the arg max of full forwards in every family") {
  for (const std::string family : kFamilies) {
    CAPTURE(family);
    const auto model = decoder(family);
    const auto made = model->generate(prompts(), 6, kEnd);
    size_t different = 0;
    for (size_t row = 0; row < made.size(); ++row) {
      CHECK(made[row] == by_full_forward(*model, prompts()[row], 6));
      different += made[row] != made[0];
    }
    CHECK(different > 0);
  }
}

TEST_CASE("a later token does not change earlier logits in any family") {
  for (const std::string family : kFamilies) {
    CAPTURE(family);
    const auto model = decoder(family);
    const Tensor one = all_logits(*model, {4, 9, 12, 5, 20, 8});
    const Tensor other = all_logits(*model, {4, 9, 12, 5, 21, 3});
    CHECK((one - other).narrow(0, 0, 4).abs().max().item<double>() < 1e-5);
    CHECK((one - other).narrow(0, 4, 2).abs().max().item<double>() > 1e-2);
  }
}

TEST_CASE("exact match by one forward pass equals comparing what is generated") {
  for (const std::string family : kFamilies) {
    CAPTURE(family);
    const auto model = decoder(family);
    const auto tokenizer = std::make_shared<WordTokenizer>(std::vector<std::string>{});
    // Rows expect what is generated, every second one with a token changed; no end mark (-1).
    const auto made = model->generate(prompts(), 3, -1);
    std::vector<TextRow> rows;
    int64_t right = 0;
    for (size_t i = 0; i < made.size(); ++i) {
      TextRow row{prompts()[i], made[i]};
      if (i % 2 == 1) row.response[i % 3] = row.response[i % 3] == 5 ? 6 : 5;
      right += model->generate({row.prompt}, 3, -1)[0] == row.response;
      rows.push_back(row);
    }
    const TextRows text(tokenizer, rows, {"rows", Predict::response, 0, 0});
    const Batch batch = text.batch({0, 1, 2, 3, 4, 5});
    const at::NoGradGuard no_grad;
    CHECK(right == 3);
    CHECK(rows_right(model->forward(batch), batch) == right);
  }
}
