// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The operations a Program is made of. An op is a sentence of the model's paper: small enough to
// place on a device, big enough to fuse inside. Each comment is the op's lowering, the one meaning
// every device implements; the letters are
//
//   T rows (tokens) of the step     D model width          A AltUp streams, a the active one
//   H query heads, G KV heads       dh head dimension      F FFN width of the layer
//   P per-layer-input width         R LAuReL rank          V vocabulary rows
//
//   RMS_w(x) = w * x / sqrt(mean(x^2) + eps)   over the last axis; RMS without w has no weight
//   gelu     = the tanh approximation          x W^T is a GEMM with W stored [out, in]
//
// Activations are float32. Matrices are WeightViews, read in their stored type; norm weights and
// small coefficients are float spans. Neither is owned: both outlive the Program.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/weight_view.h"

namespace tandem {

/// Index into Program::values; a value is a float buffer [planes, T, width].
using ValueId = int32_t;
/// Index into Program::caches.
using CacheId = int32_t;
inline constexpr int32_t kNoId = -1;

/// x = table[id] * scale                                                     [T, D]
struct EmbedTokens {
  WeightView table;  ///< [V, D]
  float scale = 1;
  ValueId x = kNoId;
};

/// ple[l] = table[id, columns[l] .. columns[l] + P) * scale                  [layers, T, P]
/// Ids outside [0, vocab) read row 0, as the reference does for every multimodal token.
struct PleGather {
  WeightView table;              ///< [at least vocab, any width]
  std::vector<int64_t> columns;  ///< First column of each layer of the range.
  int64_t width = 0;             ///< P
  int64_t vocab = 0;
  float scale = 1;
  ValueId ple = kNoId;
};

/// pli[l] = (RMS_norm(x W_l^T * scale) + pli[l]) * mix                       [layers, T, P], in
/// place
struct PleProject {
  ValueId x = kNoId;
  std::vector<WeightView> projections;  ///< One [P, D] per layer of the range.
  std::span<const float> norm;          ///< [P], shared by the layers.
  float scale = 1;
  float mix = 1;
  float eps = 0;
  ValueId pli = kNoId;
};

/// streams[0] = x; streams[i] = u * rms(x) / sqrt(max(mean(u^2), floor)), u = x W_{i-1}^T  [A, T,
/// D]
struct AltUpExpand {
  ValueId x = kNoId;
  std::vector<WeightView> projections;  ///< A - 1 of [D, D].
  float floor = 0;
  ValueId streams = kNoId;
};

/// r(x) = tanh(RMS_norm(x) * scale W^T)                                      [T, A]
struct AltUpRouter {
  std::span<const float> norm;    ///< [D]
  std::span<const float> weight;  ///< [A, D]
  float scale = 1;
  float eps = 0;
};

/// c = r(streams[a]) C^T;  predictions[j] = streams[j] + sum_k c[A j + k] streams[k]      [A, T, D]
struct AltUpPredict {
  ValueId streams = kNoId;
  AltUpRouter router;
  std::span<const float> coefficients;  ///< C [A * A, A]
  int active = 0;
  ValueId predictions = kNoId;
};

/// n = RMS_norm(residual[plane]);  laurel = n + RMS_post((n L^T) R^T)        [T, D] each
/// Without a laurel value only n is made (models without LAuReL; rows whose K and V alone matter).
struct LaurelAndNorm {
  ValueId residual = kNoId;
  int plane = 0;
  std::span<const float> norm;  ///< [D]
  ValueId normed = kNoId;
  WeightView left;                   ///< [R, D]
  WeightView right;                  ///< [D, R]
  std::span<const float> post_norm;  ///< [D]
  ValueId laurel = kNoId;
  float eps = 0;
};

/// q = rope(RMS_qn(n Wq^T)) per head;  cache[position] gets k = rope(RMS_kn(n Wk^T)) and
/// v = RMS(n Wv^T), or v = n Wv^T where values have no norm. RoPE pairs element i with i + dh/2 at
/// angle position * (theta^(-2 i / dh) / factor). Without a q value only K and V are made; without
/// a cache only q (KV-shared layers).
struct QkvProject {
  ValueId normed = kNoId;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  float rope_theta = 0;
  float rope_factor = 1;   ///< Linear scaling of RoPE: 1 = none.
  bool norm_value = true;  ///< Whether v goes through the norm without weight.
  float eps = 0;
  WeightView query;               ///< [H dh, D]
  std::span<const float> q_norm;  ///< [dh]
  ValueId q = kNoId;              ///< [T, H dh]
  WeightView key;                 ///< [G dh, D]
  WeightView value;               ///< [G dh, D]
  std::span<const float> k_norm;  ///< [dh]
  CacheId cache = kNoId;
};

/// ctx[head] = softmax(scale q K^T) V over the visible positions j <= i, and i - j < window when
/// window > 0 (so a window of w keys includes the query's own).                          [T, H dh]
struct Attention {
  ValueId q = kNoId;
  CacheId cache = kNoId;
  int heads = 0;
  int64_t window = 0;
  float scale = 1;
  ValueId context = kNoId;
};

/// h = (residual[plane] + RMS_post(context Wo^T) + laurel) * mix             [T, D]
struct AttentionOut {
  ValueId context = kNoId;
  ValueId residual = kNoId;
  int plane = 0;
  ValueId laurel = kNoId;  ///< May be absent.
  WeightView output;       ///< [D, H dh]
  std::span<const float> post_norm;
  float mix = 1;
  float eps = 0;
  ValueId h = kNoId;
};

/// z = RMS_pre(h); g = z Wg^T; u = z Wu^T; out = h + RMS_post((gelu(g') * u) Wd^T)        [T, D]
/// Dense: g' = g. Sparse: g' = max(0, g - (mean(g) + multiplier * std(g))) with the population
/// standard deviation over the layer's own F. A neuron at 0 adds nothing, exactly: its row of Wu
/// and column of Wd need not be read.
struct GatedMlp {
  ValueId h = kNoId;
  std::span<const float> pre_norm;
  WeightView gate;  ///< [F, D]
  WeightView up;    ///< [F, D]
  WeightView down;  ///< [D, F]
  std::span<const float> post_norm;
  bool sparse = false;
  float sparsity_multiplier = 0;
  float eps = 0;
  ValueId out = kNoId;
};

/// e = h - predictions[a]; c = r(h) C^T + 1; streams[j] = predictions[j] + c[j] e         [A, T, D]
struct AltUpCorrect {
  ValueId predictions = kNoId;
  ValueId h = kNoId;
  AltUpRouter router;
  std::span<const float> coefficients;  ///< C [A, A]
  int active = 0;
  ValueId streams = kNoId;
};

/// f = gelu((streams[a] * scale) Wg^T) * pli[plane]; streams[1..] += RMS_post(f Wp^T)     in place
struct PerLayerMix {
  ValueId streams = kNoId;
  int active = 0;
  ValueId pli = kNoId;
  int plane = 0;
  std::span<const float> scale;  ///< [D], or empty for none.
  WeightView gate;               ///< [P, D]
  WeightView projection;         ///< [D, P]
  std::span<const float> post_norm;
  float eps = 0;
};

/// x = (streams[0] + sum_i v_i * rms(streams[0]) / sqrt(max(mean(v_i^2), floor))) / A,
/// v_i = streams[i] W_{i-1}^T                                                [T, D]
struct AltUpCollapse {
  ValueId streams = kNoId;
  std::vector<WeightView> projections;  ///< A - 1 of [D, D].
  float floor = 0;
  ValueId x = kNoId;
};

/// y = RMS_norm(x)                                                           [T, D]
struct FinalNorm {
  ValueId x = kNoId;
  std::span<const float> norm;
  float eps = 0;
  ValueId y = kNoId;
};

/// logits = cap * tanh(y E^T / cap); no cap when it is 0                     [T, V]
struct LmHead {
  ValueId y = kNoId;
  WeightView table;  ///< [V, D]
  float soft_cap = 0;
  ValueId logits = kNoId;
};

/// to = the wanted rows of from, in order: where a value over all rows of the step meets ops that
/// run only for the rows whose logits are asked for.
struct SelectRows {
  ValueId from = kNoId;
  ValueId to = kNoId;
};

using OpBody =
    std::variant<EmbedTokens, PleGather, PleProject, AltUpExpand, AltUpPredict, LaurelAndNorm,
                 QkvProject, Attention, AttentionOut, GatedMlp, AltUpCorrect, PerLayerMix,
                 AltUpCollapse, FinalNorm, LmHead, SelectRows>;

/// The rows of a step that an op or value covers.
enum class RowSet {
  kAll,     ///< Every row.
  kWanted,  ///< Rows whose logits are asked for.
};

struct Op {
  OpBody body;
  RowSet rows = RowSet::kAll;
  int layer = kNoId;  ///< Decoder layer, or kNoId outside of the stack.
};

/// "AltUpPredict".
std::string_view OpName(const OpBody& body);

/// What an op touches: values read and written, matrices streamed from memory, norms and
/// coefficients.
struct OpUse {
  std::vector<ValueId> reads;
  std::vector<ValueId> writes;
  std::vector<WeightView> matrices;
  std::vector<std::span<const float>> vectors;
  CacheId cache_read = kNoId;
  CacheId cache_written = kNoId;
};
OpUse UseOf(const OpBody& body);

/// The matrices of an op's products over activations, in the order of its lowering; those that are
/// multiplied with the same input, and so may be at once, together. The head's are left out: it has
/// a table of another kind of size, and few rows.
std::vector<std::vector<WeightView>> ProductGroups(const OpBody& body);

}  // namespace tandem
