// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma/params.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace tandem::gemma {

std::vector<LayerKind> PeriodicKinds(int layers, int64_t period) {
  std::vector<LayerKind> kinds;
  for (int layer = 0; layer < layers; ++layer) {
    const bool full = period > 0 && (layer + 1) % period == 0;
    kinds.push_back(full ? LayerKind::kFull : LayerKind::kSliding);
  }
  return kinds;
}

std::string ParamCheck::Hint() const {
  return fmt::format("the file is damaged or not a {} text model", family_.name);
}

void ParamCheck::InRange(const char* what, int64_t value, int64_t low, int64_t high) const {
  if (value >= low && value <= high) return;
  throw Error(ErrorKind::kCorruptFile,
              fmt::format("{}: {} is {}, expected {} to {}", file_, what, value, low, high),
              Hint());
}

void ParamCheck::Require(bool condition, const std::string& what) const {
  if (condition) return;
  throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", file_, what), Hint());
}

void ParamCheck::Stack(const StackParams& p) const {
  InRange("number of layers", p.layers, 1, kMaxLayers);
  InRange("model width", p.width, 1, kMaxWidth);
  InRange("number of query heads", p.heads, 1, kMaxHeads);
  InRange("number of KV heads", p.kv_heads, 1, kMaxHeads);
  InRange("head dimension", p.head_dim, 2, 4096);
  InRange("vocabulary", p.vocab, 1, kMaxVocab);
  InRange("width of all query heads", int64_t{p.heads} * p.head_dim, 2, kMaxWidth);
  InRange("width of all KV heads", int64_t{p.kv_heads} * p.head_dim, 2, kMaxWidth);
  InRange("sliding window", p.window, 1, kMaxContext);
  InRange("context length", p.context_length, 1, kMaxContext);
  Require(p.heads % p.kv_heads == 0,
          fmt::format("{} query heads cannot share {} KV heads", p.heads, p.kv_heads));
  Require(p.head_dim % 2 == 0, fmt::format("head dimension {} is odd", p.head_dim));
  const auto count = static_cast<size_t>(p.layers);
  Require(p.ffn.size() == count,
          fmt::format("{} FFN widths for {} layers", p.ffn.size(), p.layers));
  Require(p.kinds.size() == count,
          fmt::format("{} layer kinds for {} layers", p.kinds.size(), p.layers));
  for (const int64_t f : p.ffn) InRange("FFN width", f, 1, kMaxFfn);
  for (const float value : {p.rope_theta_full, p.rope_theta_sliding}) {
    Require(std::isfinite(value) && value > 0, fmt::format("RoPE base is {}", value));
  }
  Require(std::isfinite(p.rope_factor_full) && p.rope_factor_full > 0,
          fmt::format("RoPE scaling factor is {}", p.rope_factor_full));
  Require(std::isfinite(p.eps) && p.eps >= 0 && p.eps < 1,
          fmt::format("norm epsilon is {}", p.eps));
  Require(std::isfinite(p.logit_soft_cap) && p.logit_soft_cap >= 0,
          fmt::format("logit soft cap is {}", p.logit_soft_cap));
}

}  // namespace tandem::gemma
