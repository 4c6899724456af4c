// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "gemma3n/gguf.h"

namespace tandem::gemma3n {
namespace {

OutputTensor FromVector(std::string name, std::span<const float> values, int layer,
                        std::vector<int64_t> ne) {
  OutputTensor tensor;
  tensor.name = std::move(name);
  tensor.cols = ne[0];
  tensor.rows = static_cast<int64_t>(values.size()) / ne[0];
  tensor.ne = std::move(ne);
  tensor.layer = layer;
  tensor.vector = values;
  return tensor;
}

OutputTensor FromStack(std::string name, std::vector<WeightView> stack, TensorRole role,
                       int layer) {
  OutputTensor tensor;
  tensor.name = std::move(name);
  tensor.role = role;
  tensor.layer = layer;
  tensor.cols = stack[0].cols;
  tensor.ne = {stack[0].cols, stack[0].rows};
  for (const WeightView& matrix : stack) tensor.rows += matrix.rows;
  tensor.stack = std::move(stack);
  return tensor;
}

void AppendLayer(const HyperParams& p, const LayerWeights& w, int layer,
                 std::vector<OutputTensor>& out) {
  const auto name = [layer](const char* suffix) {
    return fmt::format("blk.{}.{}.weight", layer, suffix);
  };
  const auto matrix = [&](const char* suffix, const WeightView& view, TensorRole role) {
    if (!view.empty()) out.push_back(FromStack(name(suffix), {view}, role, layer));
  };
  const auto vector = [&](const char* suffix, std::span<const float> values) {
    if (values.empty()) return;
    out.push_back(FromVector(name(suffix), values, layer, {static_cast<int64_t>(values.size())}));
  };
  const auto small = [&](const char* suffix, std::span<const float> values, int64_t cols) {
    out.push_back(FromVector(name(suffix), values, layer,
                             {cols, static_cast<int64_t>(values.size()) / cols}));
  };
  const int64_t a = p.altup_inputs;
  vector("attn_norm", w.attention_norm);
  matrix("attn_q", w.query, TensorRole::kAttention);
  matrix("attn_k", w.key, TensorRole::kAttention);
  matrix("attn_v", w.value, TensorRole::kValue);
  matrix("attn_output", w.output, TensorRole::kAttention);
  vector("attn_q_norm", w.q_norm);
  vector("attn_k_norm", w.k_norm);
  vector("post_attention_norm", w.post_attention_norm);
  vector("ffn_norm", w.ffn_norm);
  matrix("ffn_gate", w.gate, TensorRole::kFfn);
  matrix("ffn_up", w.up, TensorRole::kFfn);
  matrix("ffn_down", w.down, TensorRole::kFfnDown);
  vector("post_ffw_norm", w.post_ffn_norm);
  matrix("inp_gate", w.ple_gate, TensorRole::kSensitive);
  matrix("proj", w.ple_output, TensorRole::kSensitive);
  vector("post_norm", w.ple_norm);
  small("altup_correct_coef", w.correct_coefficients, a);
  vector("altup_correct_scale", w.correct_scale);
  small("altup_predict_coef", w.predict_coefficients, a);
  small("altup_router", w.router, p.width);
  vector("altup_router_norm", w.router_norm);
  matrix("laurel_l", w.laurel_left, TensorRole::kSensitive);
  matrix("laurel_r", w.laurel_right, TensorRole::kSensitive);
  vector("laurel_post_norm", w.laurel_norm);
}

}  // namespace

void OutputTensor::ReadRow(int64_t row, float* target) const {
  if (!vector.empty()) {
    std::copy_n(vector.data() + row * cols, cols, target);
    return;
  }
  if (stack.empty()) {
    for (size_t i = 0; i < columns.size(); ++i) {
      float* part = target + static_cast<int64_t>(i) * column_width;
      if (row < table.rows) {
        DequantizeRow(table.type, table.Row(row) + RowBytes(table.type, columns[i]), part,
                      column_width);
      } else {
        std::fill_n(part, column_width, 0.0f);
      }
    }
    return;
  }
  for (const WeightView& matrix : stack) {
    if (row < matrix.rows) return matrix.ReadRow(row, target);
    row -= matrix.rows;
  }
}

bool OutputTensor::CopyRow(int64_t row, DType type, std::byte* target) const {
  for (const WeightView& matrix : stack) {
    if (row < matrix.rows) {
      if (matrix.type != type) return false;
      std::copy_n(matrix.Row(row), matrix.RowDataBytes(), target);
      return true;
    }
    row -= matrix.rows;
  }
  if (columns.empty() || table.type != type || row >= table.rows) return false;
  // Ranges are whole blocks: LoadWeights saw to it.
  const size_t bytes = RowBytes(type, column_width);
  for (const int64_t column : columns) {
    std::copy_n(table.Row(row) + RowBytes(type, column), bytes, target);
    target += bytes;
  }
  return true;
}

std::vector<OutputTensor> ListTensors(const HyperParams& p, const Weights& w) {
  std::vector<OutputTensor> out;
  out.push_back(FromStack("token_embd.weight", {w.token_embedding}, TensorRole::kTokenTable, -1));
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
    OutputTensor tensor = FromStack(name, stack, TensorRole::kSensitive, -1);
    tensor.ne.push_back(static_cast<int64_t>(stack.size()));
    out.push_back(std::move(tensor));
  };
  altup("altup_proj.weight", w.altup_projections);
  altup("altup_unembd_proj.weight", w.altup_unembeddings);
  out.push_back(FromStack("per_layer_model_proj.weight", projection, TensorRole::kSensitive, -1));
  out.back().ne = {p.width, p.layers * p.ple_width};
  out.push_back(FromVector("per_layer_proj_norm.weight", w.ple_projection_norm, -1, {p.ple_width}));
  for (int layer = 0; layer < p.layers; ++layer) {
    AppendLayer(p, w.layers[static_cast<size_t>(layer)], layer, out);
  }
  out.push_back(FromVector("output_norm.weight", w.output_norm, -1, {p.width}));
  return out;
}

}  // namespace tandem::gemma3n
