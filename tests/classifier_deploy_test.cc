// A classifier with a fresh head from its sweep to its use: export as an adapter and merged.
#include "tests/catch.h"
// After Catch.
#include <nlohmann/json.hpp>

#include "core/formats/peft_config.h"
#include "experiments/deploy.h"
#include "experiments/predict.h"
#include "tests/deploy_case.h"
#include "tests/hf_folder.h"
#include "tests/tensors.h"

using namespace lethe;

namespace {

const std::string kMaskedBert = R"({"model_type": "bert", "vocab_size": 40, "hidden_size": 8,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12,
    "max_position_embeddings": 16, "architectures": ["BertForMaskedLM"])";

/// A BERT of three labels, its head left out of the file where it is `headless`, and trial 1: a
/// LoRA on pairs of texts with `labels`.
struct BertCase : DeployCase {
  BertCase(bool headless, const std::string& labels, const std::string& targets) {
    write_folder(bert, kMaskedBert + R"(, "id2label": {"0": "a", "1": "b", "2": "c"}})");
    if (headless) leave_out_head();
    std::string words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfilm\ngood\nbad\nodd\n";
    for (int id = 9; id < 40; ++id) words += fmt::format("{}\n", id);
    bert.write("vocab.txt", words);
    std::string csv = "sentence,label\n";
    for (int row = 0; row < 20; ++row) {
      csv += fmt::format("film {},{}\n", 10 + row, row % 2 == 0 ? "good" : "bad");
    }
    scratch.write("films.csv", csv);
    const bool two = labels == R"(["good", "bad"])";
    run("[stream]\nname = \"text\"\nmax_length = 8\n[[stream.task]]\nname = \"films\"\n"
        "file = \"films.csv\"\nprompt = \"{sentence}\"\nsecond = \"{label} film\"\nlabels = " +
        labels + "\n[model]\nname = \"pretrained\"\npath = \"" + bert.folder() + "\"\n" +
        (two && !headless ? "head = \"new\"\n" : "") +
        "[train]\nsteps = 3\nbatch = 4\nsamples = 0\nlr = 0.05\n" +
        method_table("lora", "rank = 2\ntargets = \"" + targets + "\"\n"));
  }

  void leave_out_head() {
    bert.write("config.json", kMaskedBert + "}");
    const std::string path = bert.path("model.safetensors");
    const std::string whole = bert.path("whole.safetensors");
    std::filesystem::rename(path, whole);
    const SafetensorsFile file(whole);
    std::map<std::string, StoredTensor> kept;
    for (const auto& [name, stored] : file.tensors()) {
      const bool head = name.find("pooler") != std::string::npos || name.starts_with("classifier");
      if (!head) kept[name] = stored;
    }
    write_safetensors(path, kept);
  }

  Tensor logits(const std::string& what) const {
    const auto model = make_deployed(open_deployed(what, db));
    model->train(false);
    const at::NoGradGuard no_grad;
    Batch batch;
    batch.inputs = at::tensor({2, 5, 12, 3, 6, 5, 3, 2, 5, 31, 3, 7, 5, 3}).view({2, 7});
    batch.token_types = at::tensor({0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1}).view({2, 7});
    return model->forward(batch);
  }

  Scratch bert;
};

void check_exports(const BertCase& made, const std::vector<std::string>& saved, int64_t classes) {
  const Tensor trained = made.logits("1");
  CHECK(trained.sizes() == at::IntArrayRef({2, classes}));
  ExportArguments adapter = made.to("1", "adapter");
  export_model(adapter);
  CHECK(read_peft_config(adapter.to).modules_to_save == saved);
  CHECK(read_peft_config(adapter.to).task_type == "SEQ_CLS");
  CHECK(largest_difference(made.logits(adapter.to), trained) < 1e-6);
  ExportArguments merged = made.to("1", "merged");
  merged.merge = true;
  CHECK_THAT(export_model(merged), Catch::Contains(" over 8 positions of 8 drawn rows"));
  merged.to = made.scratch.path("given");
  merged.rows = made.scratch.write("rows.jsonl", "{\"prompt\": \"film good\"}\n");
  CHECK_THAT(export_model(merged), Catch::Contains(" over 1 positions of 1 given rows"));
  CHECK(largest_difference(made.logits(merged.to), trained) < 1e-5);
  const auto config = nlohmann::json::parse(file_bytes(merged.to + "/config.json"));
  CHECK(config.at("architectures") == nlohmann::json{"BertForSequenceClassification"});
  CHECK(config.at("id2label").size() == static_cast<size_t>(classes));
  const bool own = config.at("id2label").at("0") == "a";  // the folder's own labels
  CHECK(own == (classes == 3));
  if (!own) CHECK(config.at("label2id").at("LABEL_1") == 1);
}

/// Checks predict on the two pairs of BertCase::logits().
void check_predicted(const BertCase& made, const std::string& what,
                     const std::vector<std::string>& names) {
  CAPTURE(what);
  PredictArguments arguments;
  arguments.what = what;
  arguments.db = made.db;
  arguments.field = "first";
  arguments.second = "second";
  arguments.input = made.scratch.write(
      "pairs.jsonl",
      "{\"first\": \"film 12\", \"second\": \"good film\", \"id\": 4, \"label\": \"?\"}\n"
      "{\"first\": \"film 31\", \"second\": \"bad film\"}\n");
  arguments.output = made.scratch.path("classes.jsonl");
  predict_command(arguments);
  const Tensor sure = made.logits(what).softmax(1);
  std::istringstream lines(file_bytes(arguments.output));
  std::string line;
  for (int64_t row = 0; row < 2; ++row) {
    REQUIRE(std::getline(lines, line));
    const auto record = nlohmann::json::parse(line);
    const int64_t best = sure[row].argmax().item<int64_t>();
    CHECK(record.at("label") == names.at(static_cast<size_t>(best)));
    CHECK(record.at("probability").get<double>() == Approx(sure[row][best].item<double>()));
    CHECK(record.contains("id") == (row == 0));
  }
  CHECK_FALSE(std::getline(lines, line));
}

}  // namespace

TEST_CASE("a head that the base lacks goes with the adapter, untrained as it is") {
  const BertCase made(true, R"(["good", "bad", "odd", "sad"])", "query,value");
  check_exports(made, {"classifier", "pooler.dense"}, 4);
}

TEST_CASE("a fresh layer with an adapter of its own is written whole") {
  const BertCase made(true, R"(["good", "bad"])", "all");
  check_exports(made, {"classifier", "pooler.dense"}, 2);
}

TEST_CASE("a head in place of the folder's goes with the adapter, and so does the folder's own") {
  check_exports({false, R"(["good", "bad"])", "query,value"}, {"classifier"}, 2);
  check_exports({false, R"(["good", "bad", "odd"])", "query,value"}, {"classifier"}, 3);
}

TEST_CASE("predict classifies pairs, by the names of the trial or of the folder") {
  const BertCase made(false, R"(["good", "bad", "odd"])", "query,value");
  check_predicted(made, "1", {"good", "bad", "odd"});
  check_predicted(made, made.bert.folder(), {"a", "b", "c"});
  const BertCase two(false, R"(["good", "bad"])", "query,value");
  check_predicted(two, "1", {"good", "bad"});
  ExportArguments adapter = two.to("1", "adapter");
  export_model(adapter);
  check_predicted(two, adapter.to, {"0", "1"});  // the folder has three names
  PredictArguments arguments;
  arguments.what = two.bert.folder();
  arguments.input = two.scratch.write(
      "long.jsonl",
      "{\"prompt\": \"film film film film film film film film\"}\n"
      "{\"prompt\": \"film film film film film film film film film film film film "
      "film film film\"}\n");
  arguments.output = two.scratch.path("absent");
  CHECK_THROWS_WITH(predict_command(arguments),
                    arguments.input +
                        ":2: the prompt has 17 tokens, marks included, and the model takes 16; "
                        "shorten it");
  CHECK_FALSE(std::filesystem::exists(arguments.output));
}
