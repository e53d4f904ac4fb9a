// A model: logits over predicted positions from a batch, and its seams.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/generation.h"
#include "core/linear.h"

namespace lethe {

struct Parameter {
  std::string name;
  Tensor value;  ///< the parameter itself, not a copy
};

class Model {
 public:
  virtual ~Model();
  /// Logits (P, C) of the batch's predicted positions. Never masks classes: the loss does.
  virtual Tensor forward(const Batch& batch) = 0;
  /// Whether forward() keeps packed rows apart (Batch::segments).
  virtual bool takes_packed() const { return false; }
  /// Whether it has blocks that can be checkpointed.
  virtual bool has_blocks() const { return false; }
  /// Gradient checkpointing of the blocks of a training pass: of so many only the input is kept; 0
  /// = off. See core/models/block_run.h.
  void checkpoint_blocks(int64_t every) { checkpointed_blocks_ = every; }
  int64_t checkpointed_blocks() const { return checkpointed_blocks_; }
  /// Whether forward() is head(predicted_states()), so that logits may be made a few positions at a
  /// time.
  virtual bool has_states() const { return false; }
  virtual Tensor predicted_states(const Batch& batch);  ///< (P, width), with a graph
  virtual Tensor head(const Tensor& states) const;      ///< (..., width) -> (..., C)
  /// Every seam in a fixed order.
  virtual std::vector<Seam*> seams() = 0;
  /// Tokens that a prompt may have; nullopt = no limit.
  virtual std::optional<int64_t> longest_prompt() const { return std::nullopt; }
  /// A continuation of every prompt, in evaluation mode. What a row becomes does not depend on the
  /// others but for rounding. Throws Error for a model that does not generate, and for a prompt
  /// longer than longest_prompt().
  virtual std::vector<Generated> continuations(const std::vector<std::vector<int64_t>>& prompts,
                                               const GenerationOptions& options);
  /// Greedy continuations, end mark left out; one list of new ids a prompt, at most `longest` ids
  /// each.
  std::vector<std::vector<int64_t>> generate(const std::vector<std::vector<int64_t>>& prompts,
                                             int64_t longest, int64_t end_id);

  std::vector<Linear*> linears();
  std::vector<Parameter> parameters();  ///< base and adapters, in seam order
  std::vector<Parameter> trainable();
  int64_t count(bool trainable_only);
  void set_trainable(bool trainable);  ///< base parameters of every seam

  bool training() const { return training_; }
  /// Dropout on or off, in the model and its adapters.
  void train(bool on);
  /// The generator from which dropout draws; set once by the trainer.
  void set_generator(at::Generator generator) { generator_ = std::move(generator); }
  const at::Generator& generator() const { return generator_; }

 protected:
  bool training_ = false;
  at::Generator generator_;

 private:
  int64_t checkpointed_blocks_ = 0;
};

/// Evaluation mode while it lives; then the mode that was.
class Evaluating {
 public:
  explicit Evaluating(Model& model) : model_(model), training_(model.training()) {
    model.train(false);
  }
  ~Evaluating() { model_.train(training_); }
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

 private:
  Model& model_;
  bool training_;
};

/// x with each value dropped with probability p and the others scaled by 1 / (1 - p), drawn from
/// `generator`; x itself where p is 0.
Tensor dropout(const Tensor& x, double p, at::Generator generator);

/// Moves every parameter that is not there to `device`, but for offloaded weights: the tensors stay
/// the same, their memory is new.
void move_to(Model& model, const at::Device& device);

/// Copies every stored tensor into the parameter of its name. Throws Error listing what is missing,
/// unexpected or misshapen.
void load_parameters(Model& model, const std::string& path);
/// Base and adapter parameters as safetensors.
void save_parameters(Model& model, const std::string& path,
                     const std::map<std::string, std::string>& metadata = {});

}  // namespace lethe
