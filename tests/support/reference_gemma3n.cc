// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/reference_gemma3n.h"

#include <algorithm>
#include <cmath>

namespace tandem::testing {
namespace {

using gemma3n::HyperParams;
using gemma3n::LayerKind;
using gemma3n::LayerWeights;
using gemma3n::Weights;
using reference::Gelu;
using reference::MatMul;
using reference::MeanSquare;
using reference::Row;
using reference::Rows;
using reference::Streams;
using reference::WeightRow;

class Model {
 public:
  Model(const HyperParams& params, const Weights& weights, const std::vector<int32_t>& tokens)
      : p(params), w(weights), ids(tokens) {}

  ReferenceRun Run() {
    Rows x;
    for (const int32_t id : ids) {
      Row row = WeightRow(w.token_embedding, id);
      for (double& v : row) v *= std::sqrt(double(p.width));
      x.push_back(row);
    }
    Keep("EmbedTokens", -1, {x});
    Streams pli;
    for (int l = 0; l < p.layers; ++l) pli.push_back(PerLayerInput(x, l));
    Keep("PleProject", -1, pli);
    Streams h = Expand(x);
    Keep("AltUpExpand", -1, h);
    for (int l = 0; l < p.layers; ++l) Layer(h, pli[size_t(l)], l);
    Rows y = Collapse(h);
    Keep("AltUpCollapse", -1, {y});
    for (Row& row : y) row = Rms(row, w.output_norm);
    Keep("FinalNorm", -1, {y});
    Rows logits = MatMul(y, w.token_embedding);
    for (Row& row : logits) {
      if (p.logit_soft_cap == 0) continue;
      for (double& v : row) v = p.logit_soft_cap * std::tanh(v / p.logit_soft_cap);
    }
    Keep("LmHead", -1, {logits});
    for (const Row& row : logits) {
      run.logits.insert(run.logits.end(), row.begin(), row.end());
    }
    return std::move(run);
  }

 private:
  Row Rms(const Row& x, std::span<const float> weight) const {
    return reference::Rms(x, weight, double(p.eps));
  }

  void Keep(const char* op, int layer, const Streams& planes) {
    reference::Keep(run.trace, op, layer, planes);
  }

  Rows PerLayerInput(const Rows& x, int l) const {
    const LayerWeights& layer = w.layers[size_t(l)];
    Rows projected = MatMul(x, layer.ple_projection);
    for (size_t t = 0; t < x.size(); ++t) {
      for (double& v : projected[t]) v /= std::sqrt(double(p.width));
      projected[t] = Rms(projected[t], w.ple_projection_norm);
      const Row table = WeightRow(w.ple_table, ids[t] < p.ple_vocab ? ids[t] : 0);
      for (size_t i = 0; i < projected[t].size(); ++i) {
        const double embedded =
            table[size_t(layer.ple_column) + i] * std::sqrt(double(p.ple_width));
        projected[t][i] = (projected[t][i] + embedded) / std::sqrt(2.0);
      }
    }
    return projected;
  }

  Streams Expand(const Rows& x) const {
    Streams h = {x};
    for (const WeightView& projection : w.altup_projections) {
      Rows u = MatMul(x, projection);
      Match(x, u);
      h.push_back(u);
    }
    return h;
  }

  static void Match(const Rows& reference, Rows& u) {
    for (size_t t = 0; t < u.size(); ++t) {
      const double scale =
          std::sqrt(MeanSquare(reference[t])) / std::sqrt(std::max(MeanSquare(u[t]), 1e-5));
      for (double& v : u[t]) v *= scale;
    }
  }

  Rows Collapse(const Streams& h) const {
    Rows y = h[0];
    for (size_t i = 0; i < w.altup_unembeddings.size(); ++i) {
      Rows v = MatMul(h[i + 1], w.altup_unembeddings[i]);
      Match(h[0], v);
      for (size_t t = 0; t < y.size(); ++t) {
        for (size_t d = 0; d < y[t].size(); ++d) y[t][d] += v[t][d];
      }
    }
    for (Row& row : y) {
      for (double& v : row) v /= double(p.altup_inputs);
    }
    return y;
  }

  Row Route(const LayerWeights& layer, const Row& x) const {
    Row n = Rms(x, layer.router_norm);
    Row r(size_t(p.altup_inputs));
    for (size_t k = 0; k < r.size(); ++k) {
      for (size_t d = 0; d < n.size(); ++d) {
        r[k] += n[d] / double(p.width) * double(layer.router[k * n.size() + d]);
      }
      r[k] = std::tanh(r[k]);
    }
    return r;
  }

  Streams Predict(const Streams& h, const LayerWeights& layer) const {
    const size_t a = h.size();
    Streams predictions = h;
    for (size_t t = 0; t < ids.size(); ++t) {
      const Row r = Route(layer, h[size_t(p.altup_active)][t]);
      for (size_t j = 0; j < a; ++j) {
        for (size_t k = 0; k < a; ++k) {
          double c = 0;
          for (size_t i = 0; i < a; ++i) {
            c += double(layer.predict_coefficients[(a * j + k) * a + i]) * r[i];
          }
          for (size_t d = 0; d < h[k][t].size(); ++d) predictions[j][t][d] += c * h[k][t][d];
        }
      }
    }
    return predictions;
  }

  // Norm and rotation of each head of one row.
  void FinishHeads(Row& row, std::span<const float> norm, int64_t position, double theta,
                   bool rotate) const {
    const auto dh = size_t(p.head_dim);
    reference::NormHeads(row, dh, norm, double(p.eps));
    if (rotate) reference::Rotate(row, dh, position, {theta, 1});
  }

  Rows Attend(const Rows& q, int l) {
    const int source = p.KvSource(l);
    const bool sliding = p.kinds[size_t(l)] == LayerKind::kSliding;
    return reference::Attend(
        q, keys[source], values[source],
        {size_t(p.heads), size_t(p.kv_heads), size_t(p.head_dim), sliding ? p.window : 0, 1.0});
  }

  void Layer(Streams& h, const Rows& pli, int l) {
    const LayerWeights& layer = w.layers[size_t(l)];
    const auto active = size_t(p.altup_active);
    const double theta = p.kinds[size_t(l)] == LayerKind::kFull ? double(p.rope_theta_full)
                                                                : double(p.rope_theta_sliding);
    const Streams predictions = Predict(h, layer);
    Keep("AltUpPredict", l, predictions);
    const Rows& x = predictions[active];
    Rows n = x;
    for (Row& row : n) row = Rms(row, layer.attention_norm);
    Rows laurel = MatMul(MatMul(n, layer.laurel_left), layer.laurel_right);
    for (size_t t = 0; t < n.size(); ++t) {
      laurel[t] = Rms(laurel[t], layer.laurel_norm);
      for (size_t d = 0; d < n[t].size(); ++d) laurel[t][d] += n[t][d];
    }
    Keep("LaurelAndNorm", l, {n, laurel});
    Rows q = MatMul(n, layer.query);
    for (size_t t = 0; t < q.size(); ++t) FinishHeads(q[t], layer.q_norm, int64_t(t), theta, true);
    if (p.OwnsKv(l)) {
      keys[l] = MatMul(n, layer.key);
      values[l] = MatMul(n, layer.value);
      for (size_t t = 0; t < q.size(); ++t) {
        FinishHeads(keys[l][t], layer.k_norm, int64_t(t), theta, true);
        FinishHeads(values[l][t], {}, int64_t(t), theta, false);
      }
    }
    Keep("QkvProject", l, {q});
    const Rows context = Attend(q, l);
    Keep("Attention", l, {context});
    Rows y = MatMul(context, layer.output);
    for (size_t t = 0; t < y.size(); ++t) {
      y[t] = Rms(y[t], layer.post_attention_norm);
      for (size_t d = 0; d < y[t].size(); ++d) {
        y[t][d] = (x[t][d] + y[t][d] + laurel[t][d]) / std::sqrt(2.0);
      }
    }
    Keep("AttentionOut", l, {y});
    const auto& sparsity = p.sparsity[size_t(l)];
    const Rows m = reference::Mlp(y, layer, double(p.eps), sparsity ? &*sparsity : nullptr);
    Keep("GatedMlp", l, {m});
    for (size_t t = 0; t < m.size(); ++t) {
      const Row r = Route(layer, m[t]);
      for (size_t j = 0; j < h.size(); ++j) {
        double c = 1;
        for (size_t i = 0; i < r.size(); ++i) {
          c += double(layer.correct_coefficients[j * r.size() + i]) * r[i];
        }
        for (size_t d = 0; d < m[t].size(); ++d) {
          h[j][t][d] = predictions[j][t][d] + c * (m[t][d] - x[t][d]);
        }
      }
    }
    Keep("AltUpCorrect", l, h);
    Rows f = h[active];
    for (Row& row : f) {
      for (size_t d = 0; d < row.size() && !layer.correct_scale.empty(); ++d) {
        row[d] *= double(layer.correct_scale[d]);
      }
    }
    f = MatMul(f, layer.ple_gate);
    for (size_t t = 0; t < f.size(); ++t) {
      for (size_t i = 0; i < f[t].size(); ++i) f[t][i] = Gelu(f[t][i]) * pli[t][i];
    }
    f = MatMul(f, layer.ple_output);
    for (size_t t = 0; t < f.size(); ++t) {
      f[t] = Rms(f[t], layer.ple_norm);
      for (size_t j = 1; j < h.size(); ++j) {
        for (size_t d = 0; d < f[t].size(); ++d) h[j][t][d] += f[t][d];
      }
    }
    Keep("PerLayerMix", l, h);
  }

  const HyperParams& p;
  const Weights& w;
  const std::vector<int32_t>& ids;
  std::map<int, Rows> keys;
  std::map<int, Rows> values;
  ReferenceRun run;
};

}  // namespace

ReferenceRun RunReference(const HyperParams& params, const Weights& weights,
                          const std::vector<int32_t>& ids) {
  return Model(params, weights, ids).Run();
}

}  // namespace tandem::testing
