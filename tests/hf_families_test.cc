// T5 and BERT folders as pretrained models: what may stand in their files, what is refused.
#include "tests/catch.h"
// After Catch.
#include "core/models/encoder.h"
#include "tests/hf_folder.h"
#include "tests/seq2seq_case.h"

using namespace lethe;

namespace {

std::string t5_text(const std::string& more = "") {
  return R"({"model_type": "t5", "vocab_size": 24, "d_model": 8, "d_kv": 4, "d_ff": 12,
             "num_layers": 1, "num_decoder_layers": 2, "num_heads": 2)" +
         more + "}";
}
std::string bert_text(const std::string& more = "") {
  return R"({"model_type": "bert", "vocab_size": 24, "hidden_size": 8, "num_hidden_layers": 1,
             "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 10)" +
         more + "}";
}

/// Writes the folder's weights again with `change` made to the map of them.
void rewrite(const Scratch& scratch,
             const std::function<void(std::map<std::string, StoredTensor>&)>& change) {
  const std::string path = scratch.path("model.safetensors");
  const std::string old = scratch.path("old.safetensors");
  std::filesystem::rename(path, old);
  const SafetensorsFile file(old);
  auto stored = file.tensors();
  change(stored);
  write_safetensors(path, stored);
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

Batch class_batch() {
  Batch batch;
  batch.inputs = at::tensor({2, 5, 7, 3, 9, 3}).view({2, 3});
  batch.targets = at::tensor({0, 1});
  return batch;
}

std::unique_ptr<Model> made(const Scratch& scratch, const ModelShape& shape) {
  return model_entry("pretrained").make({{"path", scratch.folder()}}, shape, make_generator(3));
}

}  // namespace

TEST_CASE("a t5 folder opens with the copies and strays of old files, and without them") {
  const Scratch scratch;
  const auto written = write_folder(scratch, t5_text());
  const Batch batch = pair_batch({{5, 9, 1}, {8, 1}}, {{4, 1}, {3, 7, 1}});
  const at::NoGradGuard no_grad;
  const Tensor expected = written->forward(batch);
  CHECK(open_folder(scratch)->forward(batch).equal(expected));
  rewrite(scratch, [](auto& stored) {
    const std::string table = "SelfAttention.relative_attention_bias.weight";
    for (const char* copy : {"lm_head", "encoder.embed_tokens", "decoder.embed_tokens"}) {
      stored[std::string(copy) + ".weight"] = stored.at("shared.weight");
    }
    stored["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] =
        stored.at("decoder.block.0.layer.0." + table);
  });
  CHECK(open_folder(scratch)->forward(batch).equal(expected));
}

TEST_CASE("a t5 folder whose config and weights disagree is refused with a list") {
  const Scratch scratch;
  write_folder(scratch, t5_text());
  rewrite(scratch, [](auto& stored) {
    stored.erase("encoder.final_layer_norm.weight");
    stored["lm_head.weight"] = stored.at("shared.weight");
    stored["decoder.block.2.layer_norm.weight"] = stored.at("decoder.final_layer_norm.weight");
  });
  const std::string head = scratch.folder() +
                           " does not fit the model; its config.json and its weights have to be of "
                           "one model:";
  CHECK(refusal([&] { open_folder(scratch); }) ==
        head +
            "\n  unexpected: decoder.block.2.layer_norm.weight"
            "\n  missing: encoder.final_layer_norm.weight");
  scratch.write("config.json", t5_text(R"(, "tie_word_embeddings": false, "num_heads": 1)"));
  CHECK(refusal([&] { open_folder(scratch); })
            .find("expected F32, F16, BF16 or F64 of shape "
                  "[4, 8]") != std::string::npos);
}

TEST_CASE("a bert folder gives the stream's classes a head, and refuses another's") {
  const Scratch scratch;
  const auto written = write_folder(scratch, bert_text());
  const at::NoGradGuard no_grad;
  CHECK(open_folder(scratch)->forward(class_batch()).equal(written->forward(class_batch())));
  ModelShape shape;
  shape.vocabulary = 24;
  shape.longest = 10;
  shape.classes = 2;
  CHECK(made(scratch, shape)->forward(class_batch()).equal(written->forward(class_batch())));
  shape.classes = 5;
  CHECK(
      refusal([&] { made(scratch, shape); }) ==
      scratch.folder() +
          ": the head 'classifier' was made for 2 classes, but the labels of the stream's tasks "
          "are 5; give the tasks 2 labels in all, or set model.head = \"new\" for a fresh head of "
          "5");
  rewrite(scratch, [](auto& stored) {
    stored.erase("classifier.bias");
    stored.erase("classifier.weight");
  });
  const Tensor logits = made(scratch, shape)->forward(class_batch());
  CHECK(logits.sizes() == at::IntArrayRef({2, 5}));
  CHECK(made(scratch, shape)->forward(class_batch()).equal(logits));  // of one seed
  shape.longest = 11;
  CHECK(refusal([&] { made(scratch, shape); }) ==
        scratch.folder() +
            "/config.json: the stream's longest row has 11 tokens, and the model takes 10; lower "
            "the stream's max_length");
}

TEST_CASE("random weights need a config.json alone, dropout is asked for") {
  const Scratch scratch;
  scratch.write("config.json", t5_text());
  const auto t5 = open_folder(scratch, "random", "config");
  CHECK(dynamic_cast<Seq2Seq&>(*t5).config().dropout == 0.1);
  CHECK(dynamic_cast<Seq2Seq&>(*open_folder(scratch, "random")).config().dropout == 0);
  scratch.write("config.json", bert_text());
  const auto bert = open_folder(scratch, "random", "config");
  CHECK(dynamic_cast<Encoder&>(*bert).config().attention_dropout == 0.1);
  CHECK(dynamic_cast<Encoder&>(*open_folder(scratch, "random")).config().head_dropout == 0);
}

TEST_CASE("each family says what its rows are") {
  const auto rows = [](const char* family) { return pretrained_families().at(family).rows; };
  CHECK(rows("t5") == RowForm::pairs);
  CHECK(rows("mt5") == RowForm::pairs);
  CHECK(rows("bert") == RowForm::classes);
  CHECK(rows("gpt2") == RowForm::text);
}
