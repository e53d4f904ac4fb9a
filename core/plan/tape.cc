#include "core/plan/tape.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace lethe::plan {

Storage::Storage(Meter& meter, Part part, int64_t bytes) : meter(meter), part(part), bytes(bytes) {
  meter.add(part, bytes);
}

Storage::~Storage() {
  if (on_host) {
    meter.add_host(part, -bytes);
  } else {
    meter.add(part, -bytes);
  }
}

void Storage::move(bool to_host) {
  if (on_host == to_host || shared) return;
  const int64_t sign = to_host ? 1 : -1;
  meter.add(part, -sign * bytes);
  meter.add_host(part, sign * bytes);
  on_host = to_host;
}

std::shared_ptr<Storage> Tape::made(Part part, int64_t bytes) {
  return std::make_shared<Storage>(meter_, part, bytes);
}

Ghost Tape::leaf(Part part, int64_t bytes, bool graded) {
  Ghost ghost{made(part, bytes), bytes, nullptr};
  if (!graded) return ghost;
  nodes_.emplace_back();
  nodes_.back().number = static_cast<int64_t>(nodes_.size()) - 1;
  nodes_.back().leaf = true;
  ghost.node = &nodes_.back();
  return ghost;
}

Node& Tape::node_of(const std::vector<Operand>& operands, const Effect& effect,
                    const Ghost& result) {
  nodes_.emplace_back();
  Node& node = nodes_.back();
  node.number = static_cast<int64_t>(nodes_.size()) - 1;
  node.place = meter_.place();
  for (const Operand& operand : operands) {
    if (!operand.of.graded()) continue;
    node.edges.push_back(
        {operand.of.node, operand.gradient, operand.of.storage->part, operand.viewed});
  }
  for (const Ghost& kept : effect.saved) node.saved.push_back(kept.storage);
  if (effect.saves_result) node.saved.push_back(result.storage);
  if (effect.saves_more > 0) node.saved.push_back(made(effect.part, effect.saves_more));
  node.scratch = effect.backward_scratch;
  node.scratch_part = effect.scratch_part;
  node.parameter_gradient = effect.parameter_gradient;
  return node;
}

Ghost Tape::run(const std::vector<Operand>& operands, const Effect& effect) {
  Ghost result;
  result.bytes = effect.bytes;
  result.storage = effect.view ? operands.at(0).of.storage : made(effect.part, effect.bytes);
  const bool graded =
      recording_ && (effect.trains || std::any_of(operands.begin(), operands.end(),
                                                  [](const Operand& o) { return o.of.graded(); }));
  if (graded) result.node = &node_of(operands, effect, result);
  if (effect.scratch > 0) made(effect.scratch_part, effect.scratch);
  return result;
}

Ghost Tape::checkpoint(const std::vector<Ghost>& inputs,
                       const std::function<Ghost(Tape&, const std::vector<Ghost>&)>& work) {
  recording_ = false;
  Ghost result = work(*this, inputs);
  recording_ = true;
  nodes_.emplace_back();
  Node& node = nodes_.back();
  node.number = static_cast<int64_t>(nodes_.size()) - 1;
  node.place = meter_.place();
  std::vector<bool> graded;
  for (const Ghost& input : inputs) {
    node.saved.push_back(input.storage);
    graded.push_back(input.graded());
    if (input.graded()) node.edges.push_back({input.node, input.bytes, input.storage->part, false});
  }
  node.replay = [this, inputs, work](Node& self) {
    meter_.add(Part::gradients, -counted_);
    Tape again(meter_, whole_gradient_ || counted_ > 0);
    std::vector<Ghost> leaves;
    std::vector<Node*> asked;
    for (const Ghost& input : inputs) {
      Ghost same{input.storage, input.bytes, nullptr};
      if (input.graded()) {
        same.node = again.leaf(Part::activations, 0, true).node;
        asked.push_back(same.node);
      }
      leaves.push_back(same);
    }
    again.backward(work(again, leaves), self.gradient);  // held by whoever starts the pass
    if (whole_gradient_) {
      std::move(again.gradients_.begin(), again.gradients_.end(), std::back_inserter(gradients_));
    }
    again.gradients_.clear();
    meter_.add(Part::gradients, counted_);
    for (size_t i = 0; i < asked.size(); ++i) {
      if (asked[i]->gradient) deliver(*self.edges[i].to, std::move(asked[i]->gradient));
    }
  };
  result.node = &node;
  // The closure must not keep the inputs alive: the node's own list does.
  return result;
}

void Tape::end_stretch() {
  const auto last = static_cast<int64_t>(nodes_.size());
  stretches_.emplace_back(stretches_.empty() ? 0 : stretches_.back().second, last);
  if (stretches_.size() >= 2) move_stretch(stretches_.size() - 2, /*to_host=*/true);
}

void Tape::move_stretch(size_t stretch, bool to_host) {
  for (int64_t i = stretches_[stretch].first; i < stretches_[stretch].second; ++i) {
    for (const auto& kept : nodes_[static_cast<size_t>(i)].saved) kept->move(to_host);
  }
}

/// Brings the stretch of a node and the one before it back.
void Tape::fetch_for(int64_t node) {
  for (size_t i = 0; i < stretches_.size(); ++i) {
    const bool here = stretches_[i].first <= node && node < stretches_[i].second;
    const bool next = i + 1 < stretches_.size() && stretches_[i + 1].first <= node &&
                      node < stretches_[i + 1].second;
    if (here || next) move_stretch(i, /*to_host=*/false);
  }
}

void Tape::deliver(Node& to, std::shared_ptr<Storage> gradient) {
  if (!to.leaf) ready_[to.number] = &to;
  if (!to.gradient) {
    to.gradient = std::move(gradient);
  } else if (to.gradient.use_count() > 1 || to.gradient->viewed) {
    // Someone else still holds the first one, so that the sum is a new tensor.
    to.gradient = made(gradient->part, gradient->bytes);
  }
}

void Tape::execute(Node& node) {
  fetch_for(node.number);
  meter_.at(node.place);
  if (node.replay) {
    node.replay(node);
    node.gradient.reset();
    node.saved.clear();
    return;
  }
  std::vector<std::pair<Node*, std::shared_ptr<Storage>>> sent;
  for (const Node::Edge& edge : node.edges) {
    sent.emplace_back(edge.to, edge.bytes > 0 ? made(edge.part, edge.bytes) : node.gradient);
    if (edge.viewed) sent.back().second->viewed = true;
  }
  std::shared_ptr<Storage> parameter;
  if (node.parameter_gradient > 0) parameter = made(node.scratch_part, node.parameter_gradient);
  if (node.scratch > 0) made(node.scratch_part, node.scratch);
  node.gradient.reset();
  node.saved.clear();
  if (whole_gradient_ && parameter) gradients_.push_back(std::move(parameter));
  parameter.reset();
  for (auto& [to, gradient] : sent) deliver(*to, std::move(gradient));
}

void Tape::backward(const Ghost& from, std::shared_ptr<Storage> gradient) {
  if (!from.graded()) return;
  if (!gradient) gradient = made(from.storage->part, from.bytes);
  deliver(*from.node, std::move(gradient));
  while (!ready_.empty()) {
    const auto last = std::prev(ready_.end());
    Node& node = *last->second;
    ready_.erase(last);
    execute(node);
  }
}

}  // namespace lethe::plan
