// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/reference_gemma3.h"

#include <cmath>

namespace tandem::testing {
namespace {

using reference::MatMul;
using reference::Row;
using reference::Rows;

class Model {
 public:
  Model(const gemma3::HyperParams& params, const gemma3::Weights& weights)
      : p(params), w(weights) {}

  ReferenceRun Run(const std::vector<int32_t>& ids) {
    Rows x;
    for (const int32_t id : ids) {
      Row row = reference::WeightRow(w.token_embedding, id);
      for (double& v : row) v *= std::sqrt(double(p.width));
      x.push_back(row);
    }
    Keep("EmbedTokens", -1, x);
    for (int l = 0; l < p.layers; ++l) x = Layer(x, l);
    const Rows y = Normed(x, w.output_norm);
    Keep("FinalNorm", -1, y);
    Rows logits = MatMul(y, w.head);
    for (Row& row : logits) {
      for (double& v : row) {
        if (p.logit_soft_cap != 0) v = p.logit_soft_cap * std::tanh(v / p.logit_soft_cap);
        run.logits.push_back(v);
      }
    }
    Keep("LmHead", -1, logits);
    return std::move(run);
  }

 private:
  Rows Normed(Rows x, std::span<const float> weight) const {
    for (Row& row : x) row = reference::Rms(row, weight, double(p.eps));
    return x;
  }

  void Keep(const char* op, int layer, const Rows& rows) {
    reference::Keep(run.trace, op, layer, {rows});
  }

  Rows Layer(const Rows& x, int l) {
    const gemma::BlockWeights& layer = w.layers[size_t(l)];
    const bool full = p.kinds[size_t(l)] == gemma3::LayerKind::kFull;
    const reference::Rope rope = full ? reference::Rope{p.rope_theta_full, p.rope_factor_full}
                                      : reference::Rope{p.rope_theta_sliding, 1};
    const auto dh = size_t(p.head_dim);
    const Rows n = Normed(x, layer.attention_norm);
    Keep("LaurelAndNorm", l, n);
    Rows q = MatMul(n, layer.query);
    Rows k = MatMul(n, layer.key);
    const Rows v = MatMul(n, layer.value);
    for (size_t t = 0; t < x.size(); ++t) {
      reference::NormHeads(q[t], dh, layer.q_norm, double(p.eps));
      reference::NormHeads(k[t], dh, layer.k_norm, double(p.eps));
      reference::Rotate(q[t], dh, int64_t(t), rope);
      reference::Rotate(k[t], dh, int64_t(t), rope);
    }
    Keep("QkvProject", l, q);
    const Rows context = reference::Attend(
        q, k, v,
        {size_t(p.heads), size_t(p.kv_heads), dh, full ? 0 : p.window, double(p.attention_scale)});
    Keep("Attention", l, context);
    Rows h = Normed(MatMul(context, layer.output), layer.post_attention_norm);
    for (size_t t = 0; t < h.size(); ++t) {
      for (size_t d = 0; d < h[t].size(); ++d) h[t][d] += x[t][d];
    }
    Keep("AttentionOut", l, h);
    Rows out = reference::Mlp(h, layer, double(p.eps), nullptr);
    Keep("GatedMlp", l, out);
    return out;
  }

  const gemma3::HyperParams& p;
  const gemma3::Weights& w;
  ReferenceRun run;
};

}  // namespace

ReferenceRun RunReference(const gemma3::HyperParams& params, const gemma3::Weights& weights,
                          const std::vector<int32_t>& ids) {
  return Model(params, weights).Run(ids);
}

}  // namespace tandem::testing
