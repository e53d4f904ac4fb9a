// A T5 folder from its sweep to its use: kept trials, export merged and as an adapter, predict.
#include "tests/catch.h"
// After Catch.
#include <nlohmann/json.hpp>

#include "core/formats/peft_config.h"
#include "core/text/load_tokenizer.h"
#include "core/text/made_text.h"
#include "core/text/marked_text.h"
#include "core/text/pair_rows.h"
#include "core/text/train_bpe.h"
#include "experiments/deploy.h"
#include "experiments/predict.h"
#include "tests/deploy_case.h"
#include "tests/hf_folder.h"
#include "tests/seq2seq_case.h"

using namespace lethe;
using Catch::Contains;
using Catch::StartsWith;

namespace {

const std::string kConfig = R"({"model_type": "t5", "vocab_size": 280, "d_model": 8, "d_kv": 4,
    "d_ff": 12, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0,
    "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false, "eos_token_id": 0})";

/// A folder "t5" with weights and a tokenizer of bytes; trials 1 lora, 2 finetune on it.
struct T5Case : DeployCase {
  T5Case() {
    BpeTrainer trainer({"</s>", "<pad>"});
    trainer.add_text("text", "good bad film good bad film good good");
    write_tokenizer(trainer.train(262), t5.folder());
    write_folder(t5, kConfig);
    std::string csv = "sentence,label\n";
    for (int row = 0; row < 20; ++row) {
      csv += "film " + std::to_string(row) + "," + (row % 2 == 0 ? "good" : "bad") + "\n";
    }
    scratch.write("films.csv", csv);
    run("[stream]\nname = \"text\"\n[[stream.task]]\nname = \"films\"\nfile = \"films.csv\"\n"
        "prompt = \"{sentence}:\"\n[model]\nname = \"pretrained\"\npath = \"" +
        t5.folder() + "\"\n[train]\nsteps = 3\nbatch = 4\nsamples = 0\nlr = 0.05\n" +
        method_table("lora", "rank = 2\ntargets = \"q,v\"\n") + method_table("finetune"));
  }
  Scratch t5;
};

const T5Case& t5_trials() {
  static const T5Case& made = *new T5Case;
  return made;
}

/// What predict writes.
std::string predicted(PredictArguments arguments) {
  arguments.db = t5_trials().db;
  arguments.output = t5_trials().scratch.path("out");
  arguments.longest = 12;
  predict_command(arguments);
  return file_bytes(arguments.output);
}

PredictArguments of_trial(const std::string& what) {
  PredictArguments arguments;
  arguments.what = what;
  return arguments;
}

}  // namespace

TEST_CASE("a T5 trial is exported merged, with its drift, and opens as the trained model") {
  for (const std::string trial : {"1", "2"}) {
    CAPTURE(trial);
    ExportArguments arguments = t5_trials().to(trial, "merged" + trial);
    arguments.merge = true;
    const std::string text = said(arguments);
    CHECK_THAT(text, StartsWith("merged into the float base: against the trained model logits "
                                "differ by at most ") &&
                         Contains(" nats, over 256 positions of 8 drawn rows\nwrote "));
    const std::string before = "differ by at most ";
    CHECK(std::stod(text.substr(text.find(before) + before.size())) < 1e-4);
    for (const std::string name :
         {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"}) {
      CHECK(file_bytes(arguments.to + "/" + name) == file_bytes(t5_trials().t5.path(name)));
    }
    const auto trained = make_deployed(open_deployed(trial, t5_trials().db));
    const auto merged = make_deployed(open_deployed(arguments.to, t5_trials().db));
    const at::NoGradGuard no_grad;
    const Batch batch = pair_batch({{70, 71, 1}, {80, 1}}, {{90, 91, 1}, {92, 1}});
    const Tensor difference = trained->forward(batch) - merged->forward(batch);
    CHECK(difference.abs().max().item<double>() < 1e-4);
  }
}

TEST_CASE("a merge that changes weights says so, on given rows too") {
  ExportArguments arguments = t5_trials().to("1", "requantised");
  arguments.merge = true;
  arguments.base = "requantised";
  arguments.rows = t5_trials().scratch.write("rows.jsonl", "{\"prompt\": \"film 3:\"}\n");
  arguments.logits = t5_trials().scratch.path("logits");
  const std::string text = said(arguments);
  CHECK_THAT(text, StartsWith("merged into the requantised base: ") &&
                       Contains(" positions of 1 given rows\n"));
  const std::string before = "differ by at most ";
  CHECK(std::stod(text.substr(text.find(before) + before.size())) > 1e-3);
  const SafetensorsFile logits(arguments.logits);
  CHECK(logits.at("decoder_input_ids").shape[0] == 1);
  CHECK(logits.at("logits").shape[0] == logits.at("decoder_input_ids").shape[1]);
  CHECK(logits.at("logits").shape[1] == 280);
}

TEST_CASE("an adapter of T5 is written as peft has it") {
  const ExportArguments arguments = t5_trials().to("1", "adapter");
  CHECK(said(arguments) ==
        "wrote " + arguments.to + ": adapter_config.json, adapter_model.safetensors\n");
  const PeftConfig config = read_peft_config(arguments.to);
  CHECK(config.task_type == "SEQ_2_SEQ_LM");
  CHECK(config.target_modules.names == std::vector<std::string>{"q", "v"});
  const SafetensorsFile adapter(arguments.to + "/adapter_model.safetensors");
  CHECK(adapter.at("base_model.model.decoder.block.0.layer.1.EncDecAttention.q.lora_A.weight")
            .shape == std::vector<int64_t>{2, 8});
}

TEST_CASE("predict gives an encoder-decoder a source with its end mark") {
  const Deployed deployed = open_deployed("1", t5_trials().db);
  const auto model = make_deployed(deployed);
  const auto tokenizer = tokenizer_of(deployed.start);
  const auto made = model->generate({ended_ids(*tokenizer, "film 3:")}, 12, tokenizer->end_id());
  const std::string text = made_text(*tokenizer, made[0]);
  REQUIRE(text.size() > 2);
  PredictArguments arguments = of_trial("1");
  arguments.prompts = {"film 3:"};
  CHECK(predicted(arguments) == text + "\n");
  arguments.stops = {text.substr(1, 1)};
  CHECK(predicted(arguments) == text.substr(0, text.find(arguments.stops[0])) + "\n");
  arguments.prompts = {""};
  CHECK_THROWS_WITH(predicted(arguments), "prompt 1 is empty; give the t5 model of " +
                                              t5_trials().t5.folder() + " a text to read");
}

TEST_CASE("the folder's generation_config.json says from where T5 starts and how far it goes") {
  const Scratch folder;
  BpeTrainer trainer({"</s>", "<pad>"});
  trainer.add_text("text", "good bad film good");
  write_tokenizer(trainer.train(258), folder.folder());
  const auto model = write_folder(folder, kConfig);
  const auto tokenizer = load_tokenizer(folder.folder());
  GenerationOptions options;
  options.end_ids = {279};
  const auto text_from = [&](int64_t start, int64_t longest) {
    options.start_id = start;
    options.longest = longest;
    return made_text(*tokenizer,
                     model->continuations({ended_ids(*tokenizer, "film")}, options)[0].ids);
  };
  int64_t start = 1;  // one that makes a difference
  while (start < 258 && text_from(start, 5) == text_from(0, 5)) ++start;
  REQUIRE(start < 258);
  folder.write("generation_config.json",
               "{\"max_length\": 6, \"eos_token_id\": 279, \"decoder_start_token_id\": " +
                   std::to_string(start) + "}");
  PredictArguments arguments = of_trial(folder.folder());
  arguments.output = folder.path("out");
  arguments.prompts = {"film"};
  predict_command(arguments);  // the start id is one of the six
  CHECK(file_bytes(arguments.output) == text_from(start, 5) + "\n");
  arguments.longest = 3;
  predict_command(arguments);
  CHECK(file_bytes(arguments.output) == text_from(start, 3) + "\n");
}

TEST_CASE("predict names the likeliest class of a classifier and its probability") {
  const Scratch bert;
  BpeTrainer trainer({"</s>"});
  trainer.add_text("text", "good");
  write_tokenizer(trainer.train(257), bert.folder());
  const auto model =
      write_folder(bert, R"({"model_type": "bert", "vocab_size": 280, "hidden_size": 8,
      "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12,
      "id2label": {"0": "calm", "1": "very odd", "2": "sad"}})");
  model->train(false);
  const at::NoGradGuard no_grad;
  Batch batch;
  batch.inputs = at::tensor(encode_marked(*load_tokenizer(bert.folder()), "film")).unsqueeze(0);
  const Tensor sure = model->forward(batch)[0].to(at::kDouble).softmax(0);
  const int64_t best = sure.argmax().item<int64_t>();
  const std::string label = std::vector<std::string>{"calm", "very odd", "sad"}.at(best);
  PredictArguments arguments = of_trial(bert.folder());
  arguments.prompts = {"film"};
  arguments.output = bert.path("out");
  predict_command(arguments);
  CHECK(file_bytes(arguments.output) ==
        fmt::format("{}\t{:.4f}\n", label, sure[best].item<double>()));
  const std::string named = "the bert model of " + bert.folder();
  CHECK_THROWS_WITH(predicted(arguments), "--max-new is for generated text, but " + named +
                                              " predicts classes; leave it out");
  arguments.prompts = {"film", ""};
  CHECK_THROWS_WITH(predict_command(arguments),
                    "prompt 2 is empty; give " + named + " a text to read");
}
