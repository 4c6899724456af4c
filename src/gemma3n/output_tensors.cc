// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "gemma3n/gguf.h"

namespace tandem::gemma3n {
namespace {

void AppendLayer(const HyperParams& p, const LayerWeights& w, int layer,
                 std::vector<OutputTensor>& out) {
  const auto name = [layer](const char* suffix) { return gemma::BlockTensor(layer, suffix); };
  const auto sensitive = [&](const char* suffix, const WeightView& view) {
    out.push_back(gemma::MatrixTensor(name(suffix), {view}, TensorRole::kSensitive, layer));
  };
  const auto vector = [&](const char* suffix, std::span<const float> values) {
    if (values.empty()) return;
    out.push_back(gemma::VectorTensor(name(suffix), values, p.width, layer));
  };
  const auto small = [&](const char* suffix, std::span<const float> values, int64_t cols) {
    out.push_back(gemma::VectorTensor(name(suffix), values, cols, layer));
    out.back().ne = {cols, out.back().rows};
  };
  const int64_t a = p.altup_inputs;
  gemma::AppendBlock(w, layer, out);
  sensitive("inp_gate", w.ple_gate);
  sensitive("proj", w.ple_output);
  vector("post_norm", w.ple_norm);
  small("altup_correct_coef", w.correct_coefficients, a);
  vector("altup_correct_scale", w.correct_scale);
  small("altup_predict_coef", w.predict_coefficients, a);
  small("altup_router", w.router, p.width);
  vector("altup_router_norm", w.router_norm);
  sensitive("laurel_l", w.laurel_left);
  sensitive("laurel_r", w.laurel_right);
  vector("laurel_post_norm", w.laurel_norm);
}

}  // namespace

std::vector<OutputTensor> ListTensors(const HyperParams& p, const Weights& w) {
  std::vector<OutputTensor> out;
  out.push_back(
      gemma::MatrixTensor("token_embd.weight", {w.token_embedding}, TensorRole::kTokenTable));
  OutputTensor ple;
  ple.name = "per_layer_token_embd.weight";
  ple.role = TensorRole::kPleTable;
  ple.cols = p.layers * p.ple_width;
  ple.rows = std::max(p.vocab, p.ple_vocab);
  ple.ne = {ple.cols, ple.rows};
  ple.table = w.ple_table;
  ple.table.rows = p.ple_vocab;
  ple.column_width = p.ple_width;
  std::vector<WeightView> projection;
  for (const LayerWeights& layer : w.layers) {
    ple.columns.push_back(layer.ple_column);
    projection.push_back(layer.ple_projection);
  }
  out.push_back(std::move(ple));
  const auto altup = [&](const char* name, const std::vector<WeightView>& stack) {
    if (stack.empty()) return;
    OutputTensor tensor = gemma::MatrixTensor(name, stack, TensorRole::kSensitive);
    tensor.ne = {p.width, p.width, static_cast<int64_t>(stack.size())};
    out.push_back(std::move(tensor));
  };
  altup("altup_proj.weight", w.altup_projections);
  altup("altup_unembd_proj.weight", w.altup_unembeddings);
  out.push_back(
      gemma::MatrixTensor("per_layer_model_proj.weight", projection, TensorRole::kSensitive));
  out.push_back(
      gemma::VectorTensor("per_layer_proj_norm.weight", w.ple_projection_norm, p.ple_width));
  for (int layer = 0; layer < p.layers; ++layer) {
    AppendLayer(p, w.layers[static_cast<size_t>(layer)], layer, out);
  }
  out.push_back(gemma::VectorTensor("output_norm.weight", w.output_norm, p.width));
  return out;
}

}  // namespace tandem::gemma3n
