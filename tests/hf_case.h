// Hugging Face fixtures (../shared/fixtures/hf) as tensors, batches and rows of ids. Include
// tests/catch.h first.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/models/decoder.h"
#include "core/models/pretrained.h"
#include "tests/engine_case.h"
#include "tests/shared.h"

namespace lethe {

inline Tensor fixture_tensor(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor& stored = file.at(name);
  return at::from_blob(const_cast<uint8_t*>(stored.data), stored.shape,
                       stored.dtype == "I64" ? at::kLong : at::kFloat)
      .clone();
}

inline std::vector<std::vector<int64_t>> id_rows(const Tensor& ids) {
  std::vector<std::vector<int64_t>> rows;
  for (int64_t row = 0; row < ids.size(0); ++row) {
    const Tensor one = ids[row].contiguous();
    rows.emplace_back(one.data_ptr<int64_t>(), one.data_ptr<int64_t>() + one.numel());
  }
  return rows;
}

/// The tokens of every row, padding left out.
inline std::vector<std::vector<int64_t>> unpadded(const Tensor& ids, const Tensor& mask) {
  auto rows = id_rows(ids);
  const auto kept = id_rows(mask);
  for (size_t row = 0; row < rows.size(); ++row) {
    std::vector<int64_t> tokens;
    for (size_t i = 0; i < rows[row].size(); ++i) {
      if (kept[row][i] != 0) tokens.push_back(rows[row][i]);
    }
    rows[row] = tokens;
  }
  return rows;
}

/// A batch that predicts every label but the first of a row, as causal language models are trained.
inline Batch language_batch(const Tensor& ids, const Tensor& labels) {
  Batch batch;
  batch.inputs = ids;
  std::vector<int64_t> positions, rows, targets;
  const int64_t length = ids.size(1);
  for (int64_t row = 0; row < ids.size(0); ++row) {
    for (int64_t i = 1; i < length; ++i) {
      const auto label = labels[row][i].item<int64_t>();
      if (label == -100) continue;
      positions.push_back(row * length + i - 1);
      rows.push_back(row);
      targets.push_back(label);
    }
  }
  batch.positions = at::tensor(positions);
  batch.row_of = at::tensor(rows);
  batch.targets = at::tensor(targets);
  return batch;
}

/// One fixture folder, its model open.
struct HfCase {
  /// `expected` is the folder of the golden values, where it is another.
  explicit HfCase(const std::string& name, const std::string& expected_in = "")
      : root(*shared_path("fixtures/hf")),
        folder((root / name).string()),
        golden((root / (expected_in.empty() ? name : expected_in)).string()),
        expected(golden + "/expected.safetensors"),
        facts(nlohmann::json::parse(std::ifstream(golden + "/expected.json"))) {
    PretrainedOptions options;
    options.path = folder;
    model = open_pretrained(options, {});
    decoder = dynamic_cast<Decoder*>(model.get());
    ids = tensor("input_ids");
    mask = tensor("attention_mask");
    labels = tensor("labels");
  }
  Tensor tensor(const std::string& name) const { return fixture_tensor(expected, name); }

  std::filesystem::path root;
  std::string folder, golden;
  SafetensorsFile expected;
  nlohmann::json facts;
  std::unique_ptr<Model> model;
  Decoder* decoder = nullptr;
  Tensor ids, mask, labels;
};

inline bool no_hf_fixtures() { return !shared_path("fixtures/hf").has_value(); }

/// The largest difference where `mask` (B, L) is 1.
inline double masked_difference(const Tensor& a, const Tensor& b, const Tensor& mask) {
  return ((a - b).abs() * mask.unsqueeze(-1)).max().item<double>();
}

}  // namespace lethe
