// The fixtures of the reference code of van de Ven, Tuytelaars & Tolias 2022
// (../shared/fixtures/cl): an MLP 6-8(ReLU)-4 and two sets of rows. Include tests/catch.h first.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/formats/safetensors.h"
#include "tests/regulariser_case.h"
#include "tests/shared.h"

namespace lethe {

/// The fixtures' largest difference relative to the largest element.
constexpr double kFixtureTolerance = 1e-6;

class Fixture {
 public:
  /// `name` without its ending; the file of that name with .json, too, where it is asked for.
  explicit Fixture(const std::string& name) {
    const auto path = shared_path("fixtures/cl/" + name + ".safetensors");
    if (!path) return;
    file_.emplace(path->string());
    std::ifstream facts(std::filesystem::path(*path).replace_extension(".json"));
    if (facts) json = nlohmann::json::parse(facts);
  }
  explicit operator bool() const { return file_.has_value(); }

  Tensor at(const std::string& name) const {
    const StoredTensor& stored = file_->at(name);
    const auto type = stored.dtype == "I64" ? at::kLong : at::kFloat;
    return at::from_blob(const_cast<uint8_t*>(stored.data), stored.shape, type).clone();
  }

  /// The four parameters' arrays under `prefix`, in the arena's layout.
  Tensor flat(const Arena& arena, const std::string& prefix) const {
    Tensor made = at::zeros_like(arena.values());
    for (const ArenaRange& range : arena.ranges()) {
      const bool head = range.name.rfind("classifier.", 0) == 0;
      const std::string end = range.name.substr(range.name.find('.'));
      arena.slice(made, range)
          .copy_(at(prefix + (head ? "classifier.linear" : "fcE.fcLayer1.linear") + end));
    }
    return made;
  }

  nlohmann::json json;

 private:
  std::optional<SafetensorsFile> file_;
};

inline std::vector<float> floats_of(const Tensor& values) {
  const Tensor here = values.contiguous();
  return {here.data_ptr<float>(), here.data_ptr<float>() + here.numel()};
}

/// (x1, y1) or (x2, y2), all rows in their order or those of `order`; labels replaced by `labels`.
inline std::shared_ptr<VectorRows> cl_rows(int number, std::vector<int64_t> order = {},
                                           const std::vector<int64_t>& labels = {},
                                           const std::vector<int64_t>& active = {}) {
  const Fixture data("data");
  const Tensor x = data.at("x" + std::to_string(number)), y = data.at("y" + std::to_string(number));
  if (order.empty()) {
    for (int64_t i = 0; i < x.size(0); ++i) order.push_back(i);
  }
  std::vector<std::vector<float>> inputs;
  std::vector<int64_t> targets;
  for (const int64_t row : order) {
    inputs.push_back(floats_of(x[row]));
    targets.push_back(labels.empty() ? y[row].item<int64_t>() : labels[inputs.size() - 1]);
  }
  return std::make_shared<VectorRows>(0, std::move(inputs), std::move(targets), active, 4);
}

inline Batch whole(const Rows& rows) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < rows.size(); ++i) all.push_back(i);
  return rows.batch(all);
}

/// A strategy on the fixtures' MLP at the weights `mlp`; nothing is set where fixtures are absent.
inline Driven on_cl_mlp(const std::string& name, const OptionMap& options) {
  Driven driven{mlp(6, 8, 1, 4), same_rows_stream(cl_rows(1), 4), name, options};
  driven.set(floats_of(Fixture("mlp").flat(driven.arena, "")));
  return driven;
}

/// The largest difference, relative to the largest of `expected`.
inline double off(const Tensor& found, const Tensor& expected) {
  return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace lethe
