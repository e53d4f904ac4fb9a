// A training step without values: tensors that only have a size, operators that keep what
// libtorch's autograd keeps of theirs, and a backward pass in autograd's order. A model's forward
// pass written with them, scope by scope as the model's own, tells what is live at every moment.
// Free of libtorch.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/plan/parts.h"

namespace lethe::plan {

/// Memory, counted in the meter as long as someone refers to it.
struct Storage {
  Storage(Meter& meter, Part part, int64_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  void move(bool to_host);  ///< nothing where it is there

  Meter& meter;
  Part part;
  int64_t bytes;
  bool on_host = false;
  bool shared = false;  ///< by all blocks: never moved
  /// A gradient that is a view: autograd's views hold what they are views of, so that nothing is
  /// added into them in place.
  bool viewed = false;
};

struct Node;

/// A tensor's size; a handle, as a tensor is.
struct Ghost {
  std::shared_ptr<Storage> storage;  ///< views share it
  int64_t bytes = 0;                 ///< of this view
  Node* node = nullptr;              ///< what makes its gradient go on; null = needs none
  bool graded() const { return node != nullptr; }
};

/// An operand, and the bytes of the gradient that the operator's backward pass makes for it; 0 =
/// its own gradient passes on without a copy.
struct Operand {
  Ghost of;
  int64_t gradient = 0;
  bool viewed = false;  ///< the gradient is made in another shape, so that it is a view
};

/// What an operator makes and keeps.
struct Effect {
  int64_t bytes = 0;             ///< of the result
  bool view = false;             ///< the result lies in the first operand
  std::vector<Ghost> saved;      ///< operands kept for the backward pass
  bool saves_result = false;     ///< and the result
  int64_t saves_more = 0;        ///< and bytes such as a norm's statistics
  int64_t scratch = 0;           ///< in the forward pass beside the result
  int64_t backward_scratch = 0;  ///< in the backward pass beside the gradients
  bool trains = false;           ///< has a trained parameter, so that it has a backward pass anyway
  int64_t parameter_gradient = 0;  ///< made in the backward pass, then added into the gradients
  Part part = Part::activations;   ///< of the result and its gradient
  Part scratch_part = Part::activations;
};

struct Node {
  struct Edge {
    Node* to;
    int64_t bytes;
    Part part;
    bool viewed;
  };
  int64_t number = 0;
  std::string place;  // where its operator stands
  std::vector<std::shared_ptr<Storage>> saved;
  std::vector<Edge> edges;
  int64_t scratch = 0, parameter_gradient = 0;
  Part scratch_part = Part::activations;
  std::shared_ptr<Storage> gradient;  // of its result, gathered
  bool leaf = false;                  // keeps its gradient until the end
  std::function<void(Node&)> replay;  // of a checkpoint: fills the leaves' gradients
};

class Tape {
 public:
  /// With `whole_gradient` each parameter's gradient lives as long as the tape, instead of being
  /// added where all of them lie.
  /// `counted` bytes of gradients are in the meter for those of what is run again in the backward
  /// pass: while it is, its own stand in their place.
  explicit Tape(Meter& meter, bool whole_gradient = false, int64_t counted = 0)
      : meter_(meter), whole_gradient_(whole_gradient), counted_(counted) {}

  Meter& meter() { return meter_; }
  bool whole_gradient() const { return whole_gradient_; }
  /// A tensor that no operator made. A graded one gathers a gradient until the backward pass ends.
  Ghost leaf(Part part, int64_t bytes, bool graded = false);
  Ghost run(const std::vector<Operand>& operands, const Effect& effect);

  /// `work` of `inputs`, keeping only them: the backward pass runs it again.
  Ghost checkpoint(const std::vector<Ghost>& inputs,
                   const std::function<Ghost(Tape&, const std::vector<Ghost>&)>& work);
  /// Nothing is kept while it is off.
  bool recording() const { return recording_; }

  /// What nodes made since the last call keep goes to the host once the next such stretch is done,
  /// and comes back one stretch before the backward pass needs it.
  void end_stretch();

  /// Runs the backward pass from `from`, whose gradient is made here unless given.
  void backward(const Ghost& from, std::shared_ptr<Storage> gradient = nullptr);

 private:
  std::shared_ptr<Storage> made(Part part, int64_t bytes);
  Node& node_of(const std::vector<Operand>& operands, const Effect& effect, const Ghost& result);
  void execute(Node& node);
  void deliver(Node& to, std::shared_ptr<Storage> gradient);
  void move_stretch(size_t stretch, bool to_host);
  void fetch_for(int64_t node);

  Meter& meter_;
  bool whole_gradient_;
  int64_t counted_;
  std::vector<std::shared_ptr<Storage>> gradients_;  // of parameters, where they are to live
  std::deque<Node> nodes_;
  std::map<int64_t, Node*> ready_;                      // by number; the highest runs first
  std::vector<std::pair<int64_t, int64_t>> stretches_;  // numbers [first, last)
  bool recording_ = true;
};

}  // namespace lethe::plan
