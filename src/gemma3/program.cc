// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3/program.h"

namespace tandem::gemma3 {
namespace {

// The values of one row set. With every row wanted there is one set; in prefill the last layer uses
// another than those before it.
struct Registers {
  RowSet rows = RowSet::kAll;
  ValueId x = kNoId;        // [D]     the residual stream
  ValueId normed = kNoId;   // [D]
  ValueId q = kNoId;        // [H dh]
  ValueId context = kNoId;  // [H dh]
  ValueId h = kNoId;        // [D]     after attention
};

class Builder : gemma::StackBuilder {
 public:
  Builder(const HyperParams& params, const Weights& weights, Rows rows)
      : StackBuilder("gemma3", params, rows), p_(params), w_(weights) {}

  Program Build() {
    for (int layer = 0; layer < p_.layers; ++layer) caches_.push_back(AddCache(layer));
    Registers r = AddRegisters(FirstRows());
    Embed(r.rows, w_.token_embedding, r.x);
    const int split = rows_ == Rows::kAllWanted ? p_.layers : p_.layers - 1;
    for (int layer = 0; layer < split; ++layer) {
      Normalise(r, layer);
      Project(r, layer, /*with_q=*/true, /*with_kv=*/true);
      RestOfLayer(r, layer);
    }
    if (rows_ == Rows::kSomeWanted) r = LastLayer(r, split);
    Head(r.rows, r.x, r.normed, w_.output_norm, w_.head);
    return Finish();
  }

 private:
  const gemma::BlockWeights& W(int layer) const { return w_.layers[static_cast<size_t>(layer)]; }
  CacheId Cache(int layer) const { return caches_[static_cast<size_t>(layer)]; }

  Registers AddRegisters(RowSet rows) {
    const int64_t attention_width = int64_t{p_.heads} * p_.head_dim;
    Registers r;
    r.rows = rows;
    r.x = Add("x", rows, 1, p_.width);
    r.normed = Add("normed", rows, 1, p_.width);
    r.q = Add("q", rows, 1, attention_width);
    r.context = Add("context", rows, 1, attention_width);
    r.h = Add("h", rows, 1, p_.width);
    return r;
  }

  void Normalise(const Registers& r, int layer) {
    LaurelAndNorm op;  // without LAuReL: the norm alone
    op.residual = r.x;
    op.norm = W(layer).attention_norm;
    op.normed = r.normed;
    op.eps = p_.eps;
    Emit(r.rows, op, layer);
  }

  void Project(const Registers& r, int layer, bool with_q, bool with_kv) {
    QkvProject op =
        Qkv(W(layer), layer, r.normed, with_q ? r.q : kNoId, with_kv ? Cache(layer) : kNoId);
    op.norm_value = false;
    Emit(r.rows, op, layer);
  }

  // Attention to the end of the layer, once its normed, q and cache are made.
  void RestOfLayer(const Registers& r, int layer) {
    Emit(r.rows,
         Attention{r.q, Cache(layer), p_.heads, Window(layer), p_.attention_scale, r.context},
         layer);
    AttentionOut out;
    out.context = r.context;
    out.residual = r.x;
    out.output = W(layer).output;
    out.post_norm = W(layer).post_attention_norm;
    out.eps = p_.eps;
    out.h = r.h;
    Emit(r.rows, out, layer);
    Mlp(r.rows, W(layer), layer, r.h, r.x);
  }

  // The last layer in prefill: K and V for every row, the rest for the wanted ones.
  Registers LastLayer(const Registers& all, int layer) {
    Normalise(all, layer);
    Project(all, layer, /*with_q=*/false, /*with_kv=*/true);
    const Registers wanted = AddRegisters(RowSet::kWanted);
    Emit(RowSet::kWanted, SelectRows{all.x, wanted.x}, layer);
    Emit(RowSet::kWanted, SelectRows{all.normed, wanted.normed}, layer);
    Project(wanted, layer, /*with_q=*/true, /*with_kv=*/false);
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

}  // namespace tandem::gemma3
