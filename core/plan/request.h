// What a memory plan is asked: method, shapes, precision, levers. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lethe::plan {

/// What lowers memory, each for a price. Text: names joined by commas, "checkpointing=2,adamw8bit".
struct Levers {
  int64_t checkpoint =
      0;              ///< blocks whose inner values are made again in the backward pass; 0 = off
  int64_t chunk = 0;  ///< predicted positions whose logits are held at once; 0 = all
  int64_t accumulate = 1;        ///< forward passes over which a step's rows are spread
  bool backward_update = false;  ///< values move as soon as their gradient is there
  bool moments_8bit = false;
  bool offload_moments = false, offload_weights = false, offload_activations = false;
  bool bf16 = false;        ///< weights in bf16; trained ones with a float32 master copy
  bool stochastic = false;  ///< bf16 values rounded at random, without a master copy
  bool narrow() const { return bf16 || stochastic; }  ///< whether values are stored in bf16
};

struct LeverDoc {
  std::string name, does, price;
};

/// Every lever, the cheapest in time first.
const std::vector<LeverDoc>& lever_docs();
/// Throws Error for an unknown name (listing the known), a value that is no count, and a lever
/// named twice.
Levers parse_levers(const std::string& text);
/// "none" where nothing is on.
std::string levers_text(const Levers& levers);
/// What the levers are with `name` on as well, at its usual setting.
Levers with_lever(Levers levers, const std::string& name);
/// Whether it is on.
bool has_lever(const Levers& levers, const std::string& name);

struct PlanRequest {
  std::string method = "finetune";  ///< names joined by '+', as in a sweep
  int64_t rank = 8;                 ///< of low-rank adapters
  /// Which Linears they adapt: all (but the head), peft (its default for the architecture), or name
  /// endings.
  std::string targets = "all";
  int64_t layers = 1;           ///< that `freeze` trains
  int64_t virtual_tokens = 10;  ///< of `prompt`
  int64_t tasks = 2;            ///< of the stream; the last one's steps are planned
  int64_t budget = 0;           ///< rows that gem keeps of each task, derpp in all; 0 = default
  int64_t memory_rows = 0;  ///< of them in a pass; 0 = all of gem's, as many as --batch of derpp's
  std::string
      base;  ///< of the blocks' frozen weights: float, nf4, nf4-dq, fp4, int8; "" = by method
  std::string dtype;  ///< of dense weights that are kept: float32 or bf16; "" = by levers
  std::string adapter_dtype = "float32";  ///< of adapters and their gradients
  std::string compute = "float32";        ///< of activations and logits
  std::string optimizer = "adamw";        ///< adamw, adam, sgd, sgd-momentum
  int64_t batch = 8, length = 512;        ///< rows an optimizer step, tokens a row (of the source)
  int64_t target_length = 0;              ///< of an encoder-decoder; 0 = length
  int64_t predicted = 0;                  ///< positions a row whose loss counts; 0 = all
  bool padded = true;                     ///< rows of unequal length, so that there are masks
  int64_t block = 64;                     ///< values a quantisation constant
  std::string skip = "none";              ///< name endings of Linears that stay dense
  /// Frozen float32 weights stay in a checkpoint's mapped file, whose pages the system shares
  /// between processes and may take back: they are left out.
  bool mapped = false;
  Levers levers;
};

/// Throws Error for a value outside what is listed above.
void check(const PlanRequest& request);

/// Bytes a value: 4 of float32, 2 of bf16.
int64_t value_bytes(const std::string& dtype);

/// "80GiB", "24 GB", "512MiB" or a number of bytes. Throws Error for anything else.
int64_t parse_memory(const std::string& text);

}  // namespace lethe::plan
