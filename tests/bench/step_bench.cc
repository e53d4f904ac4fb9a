// Training steps of GPT-2, LLaMA and T5 of one small shape under a method, on one thread: what
// train() takes from batch to batch, and the step's bound, its dense products alone.
//   step_bench MODEL [METHODS] [STEPS] [only] [unmetered]
//       gpt2, llama or t5; methods joined by commas, with a lever as finetune@bf16; 30 steps;
//       `only` leaves the bound out, for profiles; `unmetered` the memory meter, to see what it
//       costs
// Four tasks of one step go before the timed one, so that EWC holds four anchors. Rows are random
// tokens, each predicted from those before it (T5: from the whole row as the source). Prints a line
// of JSON a method: medians in milliseconds.
#include "core/torch.h"
// After libtorch.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "core/error.h"
#include "core/memory.h"
#include "core/models/decoder.h"
#include "core/models/seq2seq.h"
#include "core/random.h"
#include "core/seeds.h"
#include "core/train.h"
#include "methods/methods.h"

namespace {

using namespace lethe;

constexpr int64_t kWidth = 128, kLayers = 4, kHeads = 4, kLength = 64, kBatch = 32,
                  kVocabulary = 512;
constexpr int64_t kTasks = 5;

/// Steps before those that are timed.
int64_t warm_up(int64_t steps) { return std::min<int64_t>(3, steps); }

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Rows of random tokens; notes when each batch was asked for.
class RandomRows : public Rows {
 public:
  RandomRows(int64_t first_id, int64_t size, bool pairs)
      : Rows(first_id), size_(size), pairs_(pairs) {
    Random random(static_cast<uint64_t>(first_id) + 1);
    std::vector<int64_t> ids(static_cast<size_t>(size * kLength));
    for (int64_t& id : ids) id = 3 + static_cast<int64_t>(random.below(kVocabulary - 3));
    ids_ = at::tensor(ids, at::kLong).view({size, kLength});
  }
  int64_t size() const override { return size_; }
  int64_t length(int64_t) const override { return kLength; }
  uint64_t fingerprint(int64_t index) const override {
    return static_cast<uint64_t>(first_id() + index);
  }
  Batch batch(const std::vector<int64_t>& indices) const override {
    asked.push_back(now());
    const auto rows = static_cast<int64_t>(indices.size());
    const Tensor chosen = at::tensor(indices, at::kLong);
    Batch batch;
    batch.inputs = ids_.index_select(0, chosen);
    batch.row_ids = chosen + first_id();
    batch.tokens = rows * kLength;
    const int64_t first = pairs_ ? 0 : 1, each = kLength - first;
    batch.targets = batch.inputs.narrow(1, first, each).reshape({-1});
    if (pairs_) {
      const Tensor start = at::zeros({rows, 1}, at::kLong);
      batch.decoder_inputs = at::cat({start, batch.inputs.narrow(1, 0, kLength - 1)}, 1);
    }
    const Tensor row = at::arange(rows, at::kLong).unsqueeze(1);
    batch.positions = (row * kLength + at::arange(each, at::kLong)).reshape({-1});
    batch.row_of = row.expand({rows, each}).reshape({-1});
    return batch;
  }

  mutable std::vector<double> asked;

 private:
  int64_t size_;
  bool pairs_;
  Tensor ids_;
};

std::unique_ptr<Model> model_of(const std::string& family) {
  const at::Generator generator = make_generator(seed_for(1, "init"));
  if (family == "t5") {
    Seq2SeqConfig config;
    config.vocabulary = kVocabulary;
    config.width = kWidth;
    config.mlp_width = 4 * kWidth;
    config.heads = kHeads;
    config.head_dim = kWidth / kHeads;
    config.layers = config.decoder_layers = kLayers;
    config.activation = Activation::gelu_tanh;
    config.gated = true;
    config.dropout = 0;
    return std::make_unique<Seq2Seq>(config, generator);
  }
  DecoderOptions options;
  options.family = family;
  options.width = kWidth;
  options.layers = kLayers;
  options.heads = kHeads;
  if (family == "llama") options.mlp_width = kWidth * 8 / 3 / 8 * 8;
  return std::make_unique<Decoder>(decoder_config(options, {0, 0, kVocabulary, kLength}),
                                   generator);
}

struct Case {
  std::string name, method;
  OptionMap options;
  std::string levers = "none";
};

Case case_of(const std::string& family, const std::string& name) {
  const std::string targets = family == "gpt2"    ? "c_attn"
                              : family == "llama" ? "q_proj,v_proj"
                                                  : "q,v";
  const OptionMap lora = {{"targets", targets}};
  OptionMap ewc = {{"ewc.lambda", "1e-3"}, {"ewc.rows", "4"}};
  OptionMap distill = {
      {"alpha", "1e-3"}, {"loss", "kl"}, {"t_squared", "true"}, {"logits", "forward"}};
  if (name == "finetune" || name == "si") return {name, name, {}};
  if (name == "lora") return {name, name, lora};
  if (name == "ewc") return {name, name, ewc};
  if (name == "lora+ewc") {
    ewc["lora.targets"] = targets;
    return {name, name, ewc};
  }
  if (name == "recorded") distill["logits"] = name;
  if (name == "distill" || name == "recorded") return {name, "distill", distill};
  fail("unknown case '{}'; known: finetune, lora, ewc, si, distill, recorded, lora+ewc", name);
}

TaskStream stream_of(const std::vector<std::shared_ptr<RandomRows>>& train, bool pairs) {
  TaskStream stream;
  stream.name = "random tokens";
  stream.longest = kLength;
  const auto scored = std::make_shared<RandomRows>(1 << 20, 1, pairs);
  for (const auto& rows : train) {
    Task task;
    task.name = fmt::format("task {}", stream.tasks.size() + 1);
    task.metric = {"exact_match", "fraction", true};
    task.train = rows;
    task.validation = task.test = scored;
    stream.tasks.push_back(std::move(task));
  }
  return stream;
}

/// Milliseconds a step: the median over the last task's, warm-up left out.
double step_time(const std::string& family, const Case& one, int64_t steps) {
  const bool pairs = family == "t5";
  std::vector<std::shared_ptr<RandomRows>> rows;
  for (int64_t t = 0; t < kTasks; ++t) {
    const int64_t batches = t + 1 < kTasks ? 1 : warm_up(steps) + steps + 1;
    rows.push_back(std::make_shared<RandomRows>(t << 16, batches * kBatch, pairs));
  }
  TaskStream stream = stream_of(rows, pairs);
  const StrategyRegistry& registry = builtin_methods();
  Method method = make_method(registry, parse_method(registry, one.method, one.options).parts);
  const auto model = model_of(family);
  TrainOptions options;
  options.lr = 1e-4;
  options.weight_decay = 0.01;
  options.batch = kBatch;
  options.epochs = 1;
  options.levers = one.levers;
  train({*model, stream, method, options});
  // Each asks for its batch; what is recorded before the first step asks too.
  const std::vector<double>& asked = rows.back()->asked;
  std::vector<double> times;
  for (size_t i = asked.size() - static_cast<size_t>(steps); i < asked.size(); ++i) {
    times.push_back(1e3 * (asked[i] - asked[i - 1]));
  }
  return median(times);
}

/// The dense product of a layer over some rows, with the gradients that the step needs.
class Product {
 public:
  Product(int64_t rows, int64_t in, int64_t out, bool to_x, bool to_w)
      : x_(at::randn({rows, in})), w_(at::randn({out, in})), y_(at::empty({rows, out})) {
    if (to_x) dx_ = at::empty_like(x_);
    if (to_w) dw_ = at::empty_like(w_);
    if (to_x || to_w) dy_ = at::randn({rows, out});
  }
  void forward() { at::mm_out(y_, x_, w_.t()); }
  void backward() {
    if (dx_.defined()) at::mm_out(dx_, dy_, w_);
    if (dw_.defined()) at::mm_out(dw_, dy_.t(), x_);
  }

 private:
  Tensor x_, w_, y_, dy_, dx_, dw_;
};

/// Layers whose input carries no gradient where nothing below them is trained.
bool reads_embedding(const std::string& name) {
  for (const char* start : {"h.0.attn.c_attn", "layers.0.self_attn.",
                            "encoder.block.0.layer.0.Self", "decoder.block.0.layer.0.Self"}) {
    if (name.starts_with(start)) return !name.ends_with("o_proj") && !name.ends_with(".o");
  }
  return false;
}

std::vector<Product> products_of(const std::string& family, const Case& one) {
  const bool lora = one.method.starts_with("lora");
  const auto model = model_of(family);
  const int64_t tokens = kBatch * kLength,
                predicted = kBatch * (kLength - (family == "t5" ? 0 : 1));
  const std::string targets =
      lora ? "," + one.options.at(one.method == "lora" ? "targets" : "lora.targets") + "," : "";
  std::vector<Product> products;
  const auto layer = [&](const std::string& name, int64_t rows, int64_t in, int64_t out) {
    const bool graded = !lora || !reads_embedding(name);
    products.emplace_back(rows, in, out, graded, !lora);
    if (one.name == "distill") products.emplace_back(rows, in, out, false, false);
    const std::string last = name.substr(name.rfind('.') + 1);
    if (targets.find("," + last + ",") == std::string::npos) return;
    products.emplace_back(rows, in, 8, graded, true);
    products.emplace_back(rows, 8, out, true, true);
  };
  bool headed = false;
  for (Linear* seam : model->linears()) {
    const bool head = seam->kind() == SeamKind::head;
    headed = headed || head;
    layer(seam->name(), head ? predicted : tokens, seam->in_features(), seam->out_features());
  }
  if (!headed) layer("tied", predicted, kWidth, kVocabulary);
  return products;
}

double product_time(std::vector<Product>& products, int64_t steps) {
  std::vector<double> times;
  for (int64_t step = 0; step < warm_up(steps) + steps; ++step) {
    const double begin = now();
    for (Product& product : products) product.forward();
    for (auto product = products.rbegin(); product != products.rend(); ++product) {
      product->backward();
    }
    times.push_back(1e3 * (now() - begin));
  }
  return median({times.begin() + warm_up(steps), times.end()});
}

void run(const std::string& family, const std::string& name, int64_t steps, bool bound) {
  const size_t lever = name.find('@');
  Case one = case_of(family, name.substr(0, lever));
  if (lever != std::string::npos) one.levers = name.substr(lever + 1);
  std::vector<Product> products;
  if (bound) {
    const at::NoGradGuard no_grad;
    products = products_of(family, one);
  }
  const double before = product_time(products, steps);
  const double mine = step_time(family, one, steps);
  const double after = product_time(products, steps);
  std::printf(R"({"model": "%s", "method": "%s", "ms_per_step": %.3f, "gemm_ms": %.3f})"
              "\n",
              family.c_str(), name.c_str(), mine, (before + after) / 2);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string family = argc > 1 ? argv[1] : "gpt2";
  std::stringstream names(argc > 2 ? argv[2] : "finetune,lora,ewc,si,distill,recorded,lora+ewc");
  if (argc < 6) install_memory_meter();
  at::set_num_threads(1);
  for (std::string name; std::getline(names, name, ',');) {
    run(family, name, std::max<int64_t>(1, argc > 3 ? std::atoll(argv[3]) : 30), argc < 5);
  }
  return 0;
}
