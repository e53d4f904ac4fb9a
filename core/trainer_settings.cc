// What a trial was trained with, as its tensors show it and not as it was asked.
#include <fmt/ranges.h>

#include <set>

#include "core/linear.h"
#include "core/trainer.h"

namespace lethe {
namespace {

std::string place_of(const Tensor& tensor) { return tensor.is_cpu() ? "the host" : "the device"; }

std::string stored_in(ValueStore store) {
  if (store == ValueStore::float32) return "float32";
  return store == ValueStore::bf16 ? "bfloat16, rounded at random" : "bfloat16 beside float32";
}

}  // namespace

void Trainer::see(const Batch& batch) {
  if (batch.inputs.numel() <= largest_.inputs) return;
  largest_ = {batch.inputs.numel(), batch.rows(), batch.packed() ? batch.inputs.size(0) : 0,
              batch.inputs.scalar_type() == at::kLong ? batch.inputs.size(1) : 0};
}

std::string Trainer::trained_with() const {
  std::string text = fmt::format("{}batches of up to {} rows", kTrainedWith, largest_.rows);
  if (largest_.packed > 0) text += fmt::format(" in {} sequences", largest_.packed);
  if (largest_.tokens > 0) text += fmt::format(" of {} tokens", largest_.tokens);
  if (options_.accumulate > 1) text += fmt::format(", {} of them a step", options_.accumulate);
  text += fmt::format("; trained values in {}", stored_in(arena_.store()));
  std::set<std::string> frozen;
  int64_t away = 0;
  for (Linear* linear : model_.linears()) {
    linear->base().parameters("", [&](const std::string&, const Tensor& value) {
      const bool floats = linear->base().format() == std::string_view("float");
      if (value.requires_grad()) return;
      frozen.insert(!floats                                ? linear->base().format()
                    : value.scalar_type() == at::kBFloat16 ? "bf16"
                                                           : "float32");
    });
    if (linear->offloaded()) ++away;
  }
  if (!frozen.empty()) text += fmt::format(", frozen weights in {}", fmt::join(frozen, " and "));
  if (away > 0) text += fmt::format(", {} of them on the host", away);
  if (moments_) {
    text += "; moments " + moments_->form();
  } else if (has_first_) {
    text += "; moments in float32 on " + place_of(first_.tensor());
  }
  if (levers_.backward_update) text += "; values move in the backward pass";
  if (levers_.chunk > 0) text += fmt::format("; logits of {} positions at a time", levers_.chunk);
  const int64_t blocks = model_.checkpointed_blocks();
  if (blocks > 0) text += fmt::format("; inputs kept of every {} blocks", blocks);
  if (activations_) text += "; activations of blocks on the host";
  return text;
}

// A task's first step may stand at the anchor itself, and sums are made at noted steps alone.
void Trainer::watch(int64_t task, double penalty) {
  if (task == 1 || task_step_ == 0 || !is_noted()) return;
  looked_ = true;
  pulled_ = pulled_ || penalty != 0;
}

std::string Trainer::held_nothing_note() const {
  return fmt::format(
      "the penalty of {} was 0 after the first task too: its strength is 0, or it held nothing "
      "that was trained",
      fmt::join(request_.method.names, "+"));
}

}  // namespace lethe
