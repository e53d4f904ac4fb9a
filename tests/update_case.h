// Random arrays for an update, shared by the tests of the fused update.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/kernels/update.h"

namespace lethe::kernels {

using Floats = std::vector<float>;

/// Every array that an update may touch, random, and the update over them.
struct Case {
  int64_t n;
  Floats value, gradient, first, second, importance[2], anchor[2], path[2], added;

  Case(int64_t n, unsigned seed) : n(n) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    const auto draw = [&](Floats& array, bool positive) {
      array.resize(static_cast<size_t>(n));
      for (float& x : array) x = positive ? std::abs(normal(engine)) : normal(engine);
    };
    draw(value, false);
    draw(gradient, false);
    draw(first, false);
    draw(second, true);
    for (int t = 0; t < 2; ++t) {
      draw(importance[t], true);
      draw(anchor[t], false);
      draw(path[t], false);
    }
    draw(added, false);
  }

  Update step(Optimizer optimizer, int terms, int paths) {
    Update step;
    step.optimizer = optimizer;
    step.n = n;
    step.value = value.data();
    step.gradient = gradient.data();
    step.first = first.data();
    step.second = second.data();
    step.learning_rate = 0.03;
    step.weight_decay = 0.02;
    step.momentum = 0.9;
    step.step = 3;
    step.gradient_scale = 0.7;
    step.terms = terms;
    for (int t = 0; t < terms; ++t) {
      step.term[t] = {1.5 + t, t == 0 ? importance[t].data() : nullptr, anchor[t].data()};
    }
    step.paths = paths;
    for (int p = 0; p < paths; ++p) step.path[p] = {path[p].data(), p == 1};
    return step;
  }

  /// All floats that a step may write, as bytes.
  std::string bits() const {
    std::string out;
    for (const Floats* array : {&value, &gradient, &first, &second, &path[0], &path[1]}) {
      out.append(reinterpret_cast<const char*>(array->data()), array->size() * sizeof(float));
    }
    return out;
  }
};

}  // namespace lethe::kernels
