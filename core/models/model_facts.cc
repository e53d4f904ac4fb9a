#include "core/models/model_facts.h"

#include "core/formats/hf_quantisation.h"
#include "core/models/hf_decoder.h"
#include "core/models/hf_encoder.h"
#include "core/models/hf_seq2seq.h"
#include "core/models/pretrained.h"

namespace lethe {
namespace {

using plan::Form;
using plan::ModelFacts;
using plan::SeamFacts;
using plan::SeamRole;

const char* activation_name(Activation activation) {
  switch (activation) {
    case Activation::relu:
      return "relu";
    case Activation::gelu:
      return "gelu";
    case Activation::gelu_tanh:
      return "gelu_tanh";
    default:
      return "silu";
  }
}

SeamRole role_of(SeamKind kind) {
  return kind == SeamKind::linear      ? SeamRole::linear
         : kind == SeamKind::head      ? SeamRole::head
         : kind == SeamKind::embedding ? SeamRole::embedding
                                       : SeamRole::norm;
}

/// The seams of a model that has shapes and no values.
std::vector<SeamFacts> seam_facts(const HfConfig& config) {
  std::vector<SeamFacts> facts;
  const auto model = pretrained_family(config).make(config, {});
  for (Seam* seam : model->seams()) {
    SeamFacts made{seam->name(), role_of(seam->kind())};
    seam->parameters([&made](const std::string& name, const Tensor& value) {
      if (name.ends_with(".bias")) {
        made.bias = true;
      } else if (value.dim() == 1) {
        made.in = value.size(0);
      } else {
        made.out = value.size(0);
        made.in = value.size(1);
      }
    });
    if (made.in > 0) facts.push_back(made);  // the prompt has nothing yet
  }
  return facts;
}

void read_decoder(const HfConfig& file, ModelFacts& facts) {
  const DecoderConfig config = decoder_config(file);
  facts.form = Form::decoder;
  facts.layers = config.layers;
  facts.heads = config.heads;
  facts.kv_heads = config.kv_heads;
  facts.head_dim = config.head_dim;
  facts.activation = activation_name(config.activation);
  facts.gated = config.gated;
  facts.rms = config.norm == Norm::Form::rms;
  facts.classifies = config.labels > 0;
  facts.tied = config.tied && !facts.classifies;
  facts.fused = config.fused != FusedLayout::none;
  facts.norm_first = config.norm_first;
  facts.final_norm = config.final_norm;
  facts.embedding_norm = config.embedding_norm;
  facts.learned_positions = config.positions == Positions::learned;
  facts.rotary = config.positions == Positions::rotary;
  facts.alibi = config.positions == Positions::alibi;
  facts.projected = config.embedding_width > 0 && config.embedding_width != config.width;
  facts.projected_out = facts.projected && !facts.classifies;
}

void read_seq2seq(const HfConfig& file, ModelFacts& facts) {
  const Seq2SeqConfig config = seq2seq_config(file);
  facts.form = Form::seq2seq;
  facts.layers = config.layers;
  facts.decoder_layers = config.decoder_layers;
  facts.heads = facts.kv_heads = config.heads;
  facts.head_dim = config.head_dim;
  facts.activation = activation_name(config.activation);
  facts.gated = config.gated;
  facts.rms = true;
  facts.tied = config.tied;
}

void read_encoder(const HfConfig& file, ModelFacts& facts) {
  const EncoderConfig config = encoder_config(file, 0);
  facts.form = Form::encoder;
  facts.layers = config.layers;
  facts.heads = facts.kv_heads = config.heads;
  facts.head_dim = config.width / config.heads;
  facts.activation = activation_name(config.activation);
  facts.classifies = true;
}

}  // namespace

plan::ModelFacts model_facts(const HfConfig& config) {
  const PretrainedFamily& family = pretrained_family(config);
  ModelFacts facts;
  facts.model_type = config.model_type();
  switch (family.rows) {
    case RowForm::text:
      read_decoder(config, facts);
      break;
    case RowForm::pairs:
      read_seq2seq(config, facts);
      break;
    case RowForm::classes:
      read_encoder(config, facts);
      break;
  }
  facts.longest = family.longest(config);
  facts.seams = seam_facts(config);
  if (const auto stored = stored_quantisation(config)) {
    facts.stored_base = stored->base;
    for (SeamFacts& seam : facts.seams) seam.kept_dense = stored->skips(seam.name);
  }
  return facts;
}

}  // namespace lethe
