// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma/stack_builder.h"

#include <fmt/format.h>

#include <cmath>

namespace tandem::gemma {

StackBuilder::StackBuilder(const std::string& name, const StackParams& params, Rows rows)
    : rows_(rows), stack_(params) {
  program_.name = rows == Rows::kAllWanted ? name : name + " prefill";
  program_.vocab_rows = params.vocab;
}

ValueId StackBuilder::Add(const char* name, RowSet rows, int64_t planes, int64_t width) {
  const char* suffix = rows_ == Rows::kSomeWanted && rows == RowSet::kWanted ? ".wanted" : "";
  return program_.AddValue(std::string(name) + suffix, rows, planes, width);
}

CacheId StackBuilder::AddCache(int layer) {
  program_.caches.push_back(
      {fmt::format("kv.{}", layer), layer, stack_.kv_heads, stack_.head_dim, Window(layer)});
  return static_cast<CacheId>(program_.caches.size()) - 1;
}

void StackBuilder::Embed(RowSet rows, const WeightView& table, ValueId x) {
  Emit(rows, EmbedTokens{table, std::sqrt(static_cast<float>(stack_.width)), x});
}

QkvProject StackBuilder::Qkv(const BlockWeights& block, int layer, ValueId normed, ValueId q,
                             CacheId cache) const {
  const bool full = Kind(layer) == LayerKind::kFull;
  QkvProject op;
  op.normed = normed;
  op.heads = stack_.heads;
  op.kv_heads = stack_.kv_heads;
  op.head_dim = stack_.head_dim;
  op.rope_theta = full ? stack_.rope_theta_full : stack_.rope_theta_sliding;
  op.rope_factor = full ? stack_.rope_factor_full : 1;
  op.eps = stack_.eps;
  if (q != kNoId) {
    op.query = block.query;
    op.q_norm = block.q_norm;
    op.q = q;
  }
  if (cache != kNoId) {
    op.key = block.key;
    op.value = block.value;
    op.k_norm = block.k_norm;
    op.cache = cache;
  }
  return op;
}

void StackBuilder::Mlp(RowSet rows, const BlockWeights& block, int layer, ValueId h, ValueId out,
                       const float* sparsity_multiplier) {
  GatedMlp op;
  op.h = h;
  op.pre_norm = block.ffn_norm;
  op.gate = block.gate;
  op.up = block.up;
  op.down = block.down;
  op.post_norm = block.post_ffn_norm;
  op.sparse = sparsity_multiplier != nullptr;
  op.sparsity_multiplier = op.sparse ? *sparsity_multiplier : 0;
  op.eps = stack_.eps;
  op.out = out;
  Emit(rows, op, layer);
}

void StackBuilder::Head(RowSet rows, ValueId x, ValueId normed, std::span<const float> norm,
                        const WeightView& table) {
  Emit(rows, FinalNorm{x, norm, stack_.eps, normed});
  program_.logits = program_.AddValue("logits", rows, 1, stack_.vocab);
  Emit(rows, LmHead{normed, table, stack_.logit_soft_cap, program_.logits});
}

Program StackBuilder::Finish() {
  Verify(program_);
  return std::move(program_);
}

}  // namespace tandem::gemma
