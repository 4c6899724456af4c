// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/program.h"

#include <fmt/format.h>

#include <cmath>

namespace tandem::gemma3n {
namespace {

constexpr float kAltUpFloor = 1e-5f;

// The values of one row set. With every row wanted there is one set; in prefill the layers below
// the last owner of keys and values use one and the rest uses another.
struct Registers {
  RowSet rows = RowSet::kAll;
  ValueId x = kNoId;            // [D]     embedding, and the collapsed output
  ValueId streams = kNoId;      // [A, D]
  ValueId predictions = kNoId;  // [A, D]
  ValueId normed = kNoId;       // [D]
  ValueId laurel = kNoId;       // [D]
  ValueId q = kNoId;            // [H dh]
  ValueId context = kNoId;      // [H dh]
  ValueId h = kNoId;            // [D]     after attention
  ValueId m = kNoId;            // [D]     after the MLP
  ValueId pli = kNoId;          // [layers of the range, P]
  int first_layer = 0;          // of pli
};

class Builder : gemma::StackBuilder {
 public:
  Builder(const HyperParams& params, const Weights& weights, Rows rows)
      : StackBuilder("gemma3n", params, rows), p_(params), w_(weights) {}

  Program Build() {
    AddCaches();
    const int last_owner = p_.FirstShared() - 1;
    Registers r = AddRegisters(FirstRows());
    Embed(r.rows, w_.token_embedding, r.x);
    const int split = rows_ == Rows::kAllWanted ? p_.layers : last_owner;
    PerLayerInputs(r, 0, split);
    Emit(r.rows, AltUpExpand{r.x, w_.altup_projections, kAltUpFloor, r.streams});
    for (int layer = 0; layer < split; ++layer) {
      Predict(r, layer);
      Normalise(r, layer, /*with_laurel=*/true);
      EmitQkv(r, layer, /*with_q=*/true, p_.OwnsKv(layer));
      RestOfLayer(r, layer);
    }
    if (rows_ == Rows::kSomeWanted) {
      r = LastOwner(r, last_owner);
      for (int layer = last_owner + 1; layer < p_.layers; ++layer) {
        Predict(r, layer);
        Normalise(r, layer, /*with_laurel=*/true);
        EmitQkv(r, layer, /*with_q=*/true, /*with_kv=*/false);
        RestOfLayer(r, layer);
      }
    }
    Emit(r.rows, AltUpCollapse{r.streams, w_.altup_unembeddings, kAltUpFloor, r.x});
    Head(r.rows, r.x, r.normed, w_.output_norm, w_.token_embedding);
    return Finish();
  }

 private:
  const LayerWeights& W(int layer) const { return w_.layers[static_cast<size_t>(layer)]; }

  void AddCaches() {
    caches_.assign(static_cast<size_t>(p_.layers), kNoId);
    for (int layer = 0; layer < p_.FirstShared(); ++layer) {
      caches_[static_cast<size_t>(layer)] = AddCache(layer);
    }
  }

  CacheId CacheOf(int layer) const { return caches_[static_cast<size_t>(p_.KvSource(layer))]; }

  Registers AddRegisters(RowSet rows) {
    Registers r;
    r.rows = rows;
    const auto add = [&](const char* name, int64_t planes, int64_t width) {
      return Add(name, rows, planes, width);
    };
    const int64_t attention_width = int64_t{p_.heads} * p_.head_dim;
    r.x = add("x", 1, p_.width);
    r.streams = add("streams", p_.altup_inputs, p_.width);
    r.predictions = add("predictions", p_.altup_inputs, p_.width);
    r.normed = add("normed", 1, p_.width);
    r.laurel = add("laurel", 1, p_.width);
    r.q = add("q", 1, attention_width);
    r.context = add("context", 1, attention_width);
    r.h = add("h", 1, p_.width);
    r.m = add("m", 1, p_.width);
    return r;
  }

  // Per-layer inputs of the layers [first, end), from r.x.
  void PerLayerInputs(Registers& r, int first, int end) {
    r.first_layer = first;
    if (first == end) return;
    r.pli = program_.AddValue(fmt::format("pli.{}-{}", first, end - 1), r.rows, end - first,
                              p_.ple_width);
    PleGather gather{
        w_.ple_table, {}, p_.ple_width, p_.ple_vocab, std::sqrt(static_cast<float>(p_.ple_width)),
        r.pli};
    PleProject project;
    project.x = r.x;
    project.norm = w_.ple_projection_norm;
    project.scale = 1.0f / std::sqrt(static_cast<float>(p_.width));
    project.mix = static_cast<float>(M_SQRT1_2);
    project.eps = p_.eps;
    project.pli = r.pli;
    for (int layer = first; layer < end; ++layer) {
      gather.columns.push_back(W(layer).ple_column);
      project.projections.push_back(W(layer).ple_projection);
    }
    Emit(r.rows, std::move(gather));
    Emit(r.rows, std::move(project));
  }

  AltUpRouter Router(int layer) const {
    return {W(layer).router_norm, W(layer).router, 1.0f / static_cast<float>(p_.width), p_.eps};
  }

  void Predict(const Registers& r, int layer) {
    Emit(r.rows,
         AltUpPredict{r.streams, Router(layer), W(layer).predict_coefficients, p_.altup_active,
                      r.predictions},
         layer);
  }

  void Normalise(const Registers& r, int layer, bool with_laurel) {
    LaurelAndNorm op;
    op.residual = r.predictions;
    op.plane = p_.altup_active;
    op.norm = W(layer).attention_norm;
    op.normed = r.normed;
    op.eps = p_.eps;
    if (with_laurel) {
      op.left = W(layer).laurel_left;
      op.right = W(layer).laurel_right;
      op.post_norm = W(layer).laurel_norm;
      op.laurel = r.laurel;
    }
    Emit(r.rows, op, layer);
  }

  void EmitQkv(const Registers& r, int layer, bool with_q, bool with_kv) {
    const CacheId cache = with_kv ? caches_[static_cast<size_t>(layer)] : kNoId;
    Emit(r.rows, Qkv(W(layer), layer, r.normed, with_q ? r.q : kNoId, cache), layer);
  }

  // Attention to the end of the layer, once its predictions, normed, laurel, q and caches are made.
  void RestOfLayer(const Registers& r, int layer) {
    const LayerWeights& w = W(layer);
    Emit(r.rows, Attention{r.q, CacheOf(layer), p_.heads, Window(layer), 1.0f, r.context}, layer);
    Emit(r.rows,
         AttentionOut{r.context, r.predictions, p_.altup_active, r.laurel, w.output,
                      w.post_attention_norm, static_cast<float>(M_SQRT1_2), p_.eps, r.h},
         layer);
    const auto& sparsity = p_.sparsity[static_cast<size_t>(layer)];
    Mlp(r.rows, w, layer, r.h, r.m, sparsity ? &*sparsity : nullptr);
    Emit(r.rows,
         AltUpCorrect{r.predictions, r.m, Router(layer), w.correct_coefficients, p_.altup_active,
                      r.streams},
         layer);
    Emit(r.rows,
         PerLayerMix{r.streams, p_.altup_active, r.pli, layer - r.first_layer, w.correct_scale,
                     w.ple_gate, w.ple_output, w.ple_norm, p_.eps},
         layer);
  }

  // The last owner in prefill: K and V for every row, the rest for the wanted ones.
  Registers LastOwner(const Registers& all, int layer) {
    Predict(all, layer);
    Normalise(all, layer, /*with_laurel=*/false);
    EmitQkv(all, layer, /*with_q=*/false, /*with_kv=*/true);
    Registers wanted = AddRegisters(RowSet::kWanted);
    Emit(RowSet::kWanted, SelectRows{all.x, wanted.x});
    Emit(RowSet::kWanted, SelectRows{all.predictions, wanted.predictions}, layer);
    PerLayerInputs(wanted, layer, p_.layers);
    Normalise(wanted, layer, /*with_laurel=*/true);
    EmitQkv(wanted, layer, /*with_q=*/true, /*with_kv=*/false);
    RestOfLayer(wanted, layer);
    return wanted;
  }

  const HyperParams& p_;
  const Weights& w_;
  std::vector<CacheId> caches_;
};

}  // namespace

Program BuildProgram(const HyperParams& params, const Weights& weights, Rows rows) {
  return Builder(params, weights, rows).Build();
}

}  // namespace tandem::gemma3n
