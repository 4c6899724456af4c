// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma/output_tensors.h"

#include <algorithm>
#include <utility>

namespace tandem::gemma {

OutputTensor VectorTensor(std::string name, std::span<const float> values, int64_t cols,
                          int layer) {
  OutputTensor tensor;
  tensor.name = std::move(name);
  tensor.cols = cols;
  tensor.rows = static_cast<int64_t>(values.size()) / cols;
  tensor.ne = {cols};
  if (tensor.rows > 1) tensor.ne.push_back(tensor.rows);
  tensor.layer = layer;
  tensor.vector = values;
  return tensor;
}

OutputTensor MatrixTensor(std::string name, std::vector<WeightView> stack, TensorRole role,
                          int layer) {
  OutputTensor tensor;
  tensor.name = std::move(name);
  tensor.role = role;
  tensor.layer = layer;
  tensor.cols = stack[0].cols;
  for (const WeightView& matrix : stack) tensor.rows += matrix.rows;
  tensor.ne = {tensor.cols, tensor.rows};
  tensor.stack = std::move(stack);
  return tensor;
}

void AppendBlock(const BlockWeights& w, int layer, std::vector<OutputTensor>& out) {
  const auto matrix = [&](const char* suffix, const WeightView& view, TensorRole role) {
    if (view.empty()) return;
    out.push_back(MatrixTensor(BlockTensor(layer, suffix), {view}, role, layer));
  };
  const auto vector = [&](const char* suffix, std::span<const float> values) {
    if (values.empty()) return;
    out.push_back(VectorTensor(BlockTensor(layer, suffix), values,
                               static_cast<int64_t>(values.size()), layer));
  };
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
}

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

}  // namespace tandem::gemma
