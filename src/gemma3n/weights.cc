// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace tandem::gemma3n {
namespace {

class Loader {
 public:
  Loader(const TensorLookup& lookup, const HyperParams& params, const std::string& file,
         const TensorNamer& namer)
      : params_(params), file_(file), load_(lookup, params, kFamily, file, namer, weights_.owned) {}

  Weights Run() {
    const HyperParams& p = params_;
    weights_.token_embedding = load_.Matrix("token_embd.weight", p.vocab, p.width);
    weights_.ple_table = load_.Required("per_layer_token_embd.weight");
    const int64_t ple_total = p.layers * p.ple_width;
    if (weights_.ple_table.cols != ple_total || weights_.ple_table.rows < p.ple_vocab) {
      load_.WrongShape("per_layer_token_embd.weight", 0, weights_.ple_table, p.ple_vocab,
                       ple_total);
    }
    CheckPleBlocks(weights_.ple_table);
    for (int i = 0; i + 1 < p.altup_inputs; ++i) {
      weights_.altup_projections.push_back(load_.Matrix("altup_proj.weight", p.width, p.width, i));
      weights_.altup_unembeddings.push_back(
          load_.Matrix("altup_unembd_proj.weight", p.width, p.width, i));
    }
    weights_.ple_projection_norm = load_.Norm("per_layer_proj_norm.weight", p.ple_width);
    weights_.output_norm = load_.Norm("output_norm.weight", p.width);
    const WeightView projection = load_.Matrix("per_layer_model_proj.weight", ple_total, p.width);
    for (int layer = 0; layer < p.layers; ++layer) {
      weights_.layers.push_back(Layer(layer));
      weights_.layers.back().ple_projection = projection.Rows(layer * p.ple_width, p.ple_width);
      weights_.layers.back().ple_column = layer * p.ple_width;
    }
    return std::move(weights_);
  }

 private:
  LayerWeights Layer(int layer) {
    const HyperParams& p = params_;
    const auto name = [layer](const char* suffix) { return gemma::BlockTensor(layer, suffix); };
    const int64_t a = p.altup_inputs;
    LayerWeights w;
    load_.LoadBlock(layer, p.OwnsKv(layer), w);
    // Published files carry keys and values in every layer. Nothing runs them where they are
    // shared.
    if (!p.OwnsKv(layer)) load_.KeepUnusedKv(layer, w);
    w.laurel_norm = load_.Norm(name("laurel_post_norm"), p.width);
    w.ple_norm = load_.Norm(name("post_norm"), p.width);
    w.router_norm = load_.Norm(name("altup_router_norm"), p.width);
    w.router = load_.Small(name("altup_router"), a, p.width);
    w.predict_coefficients = Clipped(load_.Small(name("altup_predict_coef"), a * a, a));
    w.correct_coefficients = Clipped(load_.Small(name("altup_correct_coef"), a, a));
    if (p.altup_correct_scale) {
      w.correct_scale = load_.Small(name("altup_correct_scale"), 1, p.width);
    }
    w.laurel_left = load_.Matrix(name("laurel_l"), p.laurel_rank, p.width);
    w.laurel_right = load_.Matrix(name("laurel_r"), p.width, p.laurel_rank);
    w.ple_gate = load_.Matrix(name("inp_gate"), p.ple_width, p.width);
    w.ple_output = load_.Matrix(name("proj"), p.width, p.ple_width);
    return w;
  }

  std::span<const float> Clipped(std::span<float> values) const {
    const float clip = params_.altup_coefficient_clip;
    for (float& value : values) value = std::clamp(value, -clip, clip);
    return values;
  }

  // Layers are read by their columns, so a block may not reach from one into the next.
  void CheckPleBlocks(const WeightView& table) const {
    if (params_.ple_width % BlockElements(table.type) == 0) return;
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{}: tensor 'per_layer_token_embd.weight': type {} packs {} elements, "
                    "which does not divide the {} of a layer",
                    file_, DTypeName(table.type), BlockElements(table.type), params_.ple_width),
        "convert the model again with --type q8_0");
  }

  const HyperParams& params_;
  const std::string& file_;
  Weights weights_;
  gemma::WeightLoader load_;
};

}  // namespace

Weights LoadWeights(const TensorLookup& lookup, const HyperParams& params, const std::string& file,
                    const TensorNamer& namer) {
  return Loader(lookup, params, file, namer).Run();
}

}  // namespace tandem::gemma3n
