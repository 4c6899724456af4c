// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma/weights.h"

#include <fmt/format.h>

#include "core/error.h"

namespace tandem::gemma {

std::string BlockTensor(int layer, const char* suffix) {
  return fmt::format("blk.{}.{}.weight", layer, suffix);
}

std::string WeightLoader::Shown(const std::string& name, int index) const {
  return namer_ ? namer_(name, index) : name;
}

WeightView WeightLoader::Required(const std::string& name, int index) const {
  auto view = lookup_(name, index);
  if (!view) {
    throw Error(ErrorKind::kNotFound,
                fmt::format("{}: tensor '{}' is missing", file_, Shown(name, index)),
                fmt::format("the file is incomplete, or not a {} text model", family_.name));
  }
  return *view;
}

void WeightLoader::WrongShape(const std::string& name, int index, const WeightView& view,
                              int64_t rows, int64_t cols) const {
  throw Error(ErrorKind::kCorruptFile,
              fmt::format("{}: tensor '{}' is [{}, {}], the configuration asks for [{}, {}]", file_,
                          Shown(name, index), view.rows, view.cols, rows, cols),
              "weights and configuration do not belong together");
}

WeightView WeightLoader::Matrix(const std::string& name, int64_t rows, int64_t cols,
                                int index) const {
  const WeightView view = Required(name, index);
  if (view.rows != rows || view.cols != cols) WrongShape(name, index, view, rows, cols);
  return view;
}

std::span<float> WeightLoader::Small(const std::string& name, int64_t rows, int64_t cols) {
  const WeightView view = Matrix(name, rows, cols);
  std::vector<float>& values = owned_.emplace_back(static_cast<size_t>(rows * cols));
  for (int64_t row = 0; row < rows; ++row) view.ReadRow(row, values.data() + row * cols);
  return values;
}

std::span<const float> WeightLoader::Norm(const std::string& name, int64_t size) {
  const std::span<float> values = Small(name, 1, size);
  if (norm_shift_ != 0) {
    for (float& value : values) value += norm_shift_;
  }
  return values;
}

void WeightLoader::LoadBlock(int layer, bool owns_kv, BlockWeights& w) {
  const StackParams& p = params_;
  const auto name = [layer](const char* suffix) { return BlockTensor(layer, suffix); };
  const int64_t q_width = int64_t{p.heads} * p.head_dim;
  const int64_t ffn = p.ffn[static_cast<size_t>(layer)];
  w.attention_norm = Norm(name("attn_norm"), p.width);
  w.post_attention_norm = Norm(name("post_attention_norm"), p.width);
  w.ffn_norm = Norm(name("ffn_norm"), p.width);
  w.post_ffn_norm = Norm(name("post_ffw_norm"), p.width);
  w.q_norm = Norm(name("attn_q_norm"), p.head_dim);
  w.query = Matrix(name("attn_q"), q_width, p.width);
  w.output = Matrix(name("attn_output"), p.width, q_width);
  if (owns_kv) {
    w.k_norm = Norm(name("attn_k_norm"), p.head_dim);
    w.key = Matrix(name("attn_k"), KvWidth(), p.width);
    w.value = Matrix(name("attn_v"), KvWidth(), p.width);
  }
  w.gate = Matrix(name("ffn_gate"), ffn, p.width);
  w.up = Matrix(name("ffn_up"), ffn, p.width);
  w.down = Matrix(name("ffn_down"), p.width, ffn);
}

void WeightLoader::KeepUnusedKv(int layer, BlockWeights& w) {
  const auto has = [&](const char* suffix) {
    const auto view = Find(BlockTensor(layer, suffix));
    return view && view->rows == KvWidth() && view->cols == params_.width;
  };
  if (!has("attn_k") || !has("attn_v") || !Find(BlockTensor(layer, "attn_k_norm"))) return;
  w.k_norm = Norm(BlockTensor(layer, "attn_k_norm"), params_.head_dim);
  w.key = *Find(BlockTensor(layer, "attn_k"));
  w.value = *Find(BlockTensor(layer, "attn_v"));
}

}  // namespace tandem::gemma
