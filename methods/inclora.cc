// Incremental LoRA: a new low-rank adapter each task; the earlier ones are frozen and stay in the
// sum.
//   y = W x + b + s (sum_{i < t} B_i A_i + B_t A_t) dropout(x),   s as in lora
// Every B_t starts at zero, so a new task's adapter changes the logits by the rounding of the
// stacked sum at most. In the first task this is lora, bit for bit. One draw of dropout serves all
// pairs. Source: the baseline IncLoRA of Wang et al. 2023, arXiv:2310.14152.
#include "methods/methods.h"
#include "methods/task_adapters.h"

namespace lethe {
namespace {

class IncLora : public TaskAdapters {
 public:
  using Options = LowRankOptions;
  explicit IncLora(const Options& options) : TaskAdapters("inclora", options) {}
};

}  // namespace

void add_inclora(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "inclora";
  entry.role = Role::adapter;
  entry.new_parameters_each_task = true;
  entry.summary = "A new LoRA adapter each task; the earlier ones are frozen and kept in the sum.";
  entry.source = "baseline of Wang et al. 2023, arXiv:2310.14152";
  entry.verified = "lora in the first task, the sum of products by hand, merged weights";
  entry.neutral.exists = false;
  entry.readings = {
      {"modules_to_save",
       "Each task trains parameters of its own, so that a regulariser beside it holds only what is "
       "named here, and biases; without any of them it is refused."},
      {"-",
       "A new pair each task beside the frozen ones, all in use at test time: the baseline "
       "of the O-LoRA paper. Names differ: SeqLoRA trains one pair through all tasks, which "
       "is `lora`."}};
  registry.add<IncLora>(std::move(entry));
}

}  // namespace lethe
