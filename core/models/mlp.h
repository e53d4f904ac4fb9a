// The multi-layer perceptron of the image protocols.
#pragma once

#include <memory>
#include <vector>

#include "core/base_formats.h"
#include "core/models/models.h"

namespace lethe {

struct MlpOptions {
  int64_t width = 400, layers = 2;
  std::string base = "float", skip = "none";
  int64_t block = 64;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("width", width, at_least(1), "units of each hidden layer");
    visit("layers", layers, at_least(0), "hidden layers");
    visit("base", base, one_of(base_formats()), "format of the hidden layers' frozen weights");
    visit("block", block, between(32, 4096), kBlockDoc);
    visit("skip", skip, any(), kSkipDoc);
  }
};

/// features -> (Linear, ReLU) x layers -> Linear -> classes; 784-400-400-10 has 478,410 parameters.
class Mlp : public Model {
 public:
  Mlp(const MlpOptions& options, const ModelShape& shape, at::Generator generator);
  Tensor forward(const Batch& batch) override;  ///< inputs (B, F) -> (B, C)
  std::vector<Seam*> seams() override;

 private:
  std::vector<std::unique_ptr<Linear>> layers_;
};

}  // namespace lethe
