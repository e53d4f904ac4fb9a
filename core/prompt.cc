#include "core/prompt.h"

#include "core/capture.h"
#include "core/error.h"

namespace lethe {

Tensor Prompt::before(const Tensor& embedded) const {
  if (!rows_.defined()) return embedded;
  const Tensor rows = rows_.unsqueeze(0).expand({embedded.size(0), -1, -1});
  detail::record(Capture::Kind::rows, rows_, {}, rows);
  return at::cat({rows, embedded}, 1);
}

void Prompt::parameters(const ParameterVisitor& visit) {
  if (rows_.defined()) visit(name(), rows_);
}

void Prompt::set_trainable(bool) {}

Prompt& prompt_of(Model& model) {
  for (Seam* seam : model.seams()) {
    if (auto* prompt = dynamic_cast<Prompt*>(seam)) return *prompt;
  }
  fail("this model has no place for virtual tokens; choose a decoder");
}

}  // namespace lethe
