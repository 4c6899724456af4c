// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/hparams.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace tandem::gemma3n {
namespace {

// Bounds on what a file may ask for: far above any Gemma, far below what would make a product of
// two of them overflow or a single buffer absurd.
constexpr int64_t kMaxWidth = 1 << 17;
constexpr int64_t kMaxFfn = 1 << 20;
constexpr int64_t kMaxVocab = 1 << 22;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxContext = 1 << 24;
constexpr int64_t kMaxAltUp = 16;

}  // namespace

int HyperParams::KvSource(int layer) const {
  if (OwnsKv(layer)) return layer;
  int source = FirstShared() - 1;
  while (source >= 0 && kinds[static_cast<size_t>(source)] != kinds[static_cast<size_t>(layer)]) {
    --source;
  }
  return source;
}

void HyperParams::Validate(const std::string& file) const {
  const auto in_range = [&](const char* what, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return;
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} is {}, expected {} to {}", file, what, value, low, high),
                "the file is damaged or not a Gemma 3n text model");
  };
  const auto require = [&](bool condition, const std::string& what) {
    if (!condition) {
      throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", file, what),
                  "the file is damaged or not a Gemma 3n text model");
    }
  };
  in_range("number of layers", layers, 1, kMaxLayers);
  in_range("model width", width, 1, kMaxWidth);
  in_range("number of query heads", heads, 1, kMaxHeads);
  in_range("number of KV heads", kv_heads, 1, kMaxHeads);
  in_range("head dimension", head_dim, 2, 4096);
  in_range("vocabulary", vocab, 1, kMaxVocab);
  in_range("per-layer vocabulary", ple_vocab, 1, kMaxVocab);
  in_range("per-layer input width", ple_width, 1, kMaxWidth);
  in_range("LAuReL rank", laurel_rank, 1, kMaxWidth);
  in_range("number of KV-shared layers", shared_kv_layers, 0, layers - 1);
  in_range("width of all query heads", int64_t{heads} * head_dim, 2, kMaxWidth);
  in_range("width of all KV heads", int64_t{kv_heads} * head_dim, 2, kMaxWidth);
  in_range("sliding window", window, 1, kMaxContext);
  in_range("AltUp streams", altup_inputs, 1, kMaxAltUp);
  in_range("active AltUp stream", altup_active, 0, altup_inputs - 1);
  in_range("context length", context_length, 1, kMaxContext);
  require(heads % kv_heads == 0,
          fmt::format("{} query heads cannot share {} KV heads", heads, kv_heads));
  require(head_dim % 2 == 0, fmt::format("head dimension {} is odd", head_dim));
  const auto count = static_cast<size_t>(layers);
  require(ffn.size() == count, fmt::format("{} FFN widths for {} layers", ffn.size(), layers));
  require(kinds.size() == count, fmt::format("{} layer kinds for {} layers", kinds.size(), layers));
  require(sparsity.size() == count,
          fmt::format("{} sparsities for {} layers", sparsity.size(), layers));
  for (const int64_t f : ffn) in_range("FFN width", f, 1, kMaxFfn);
  for (const float value : {rope_theta_full, rope_theta_sliding}) {
    require(std::isfinite(value) && value > 0, fmt::format("RoPE base is {}", value));
  }
  require(std::isfinite(eps) && eps >= 0 && eps < 1, fmt::format("norm epsilon is {}", eps));
  require(std::isfinite(logit_soft_cap) && logit_soft_cap >= 0,
          fmt::format("logit soft cap is {}", logit_soft_cap));
  require(altup_coefficient_clip > 0, "AltUp coefficient clip is not positive");
  for (int layer = FirstShared(); layer < layers; ++layer) {
    require(
        KvSource(layer) >= 0,
        fmt::format("layer {} shares keys and values, but no earlier layer of its kind owns any",
                    layer));
  }
}

double NormalQuantile(double fraction) {
  // Bisection on Phi(x) = erfc(-x / sqrt 2) / 2: run a few times per load, so plain beats fast.
  const auto phi = [](double x) { return 0.5 * std::erfc(-x * M_SQRT1_2); };
  double low = -40;
  double high = 40;
  for (int i = 0; i < 200 && high - low > 1e-15 * (std::fabs(low) + 1e-3); ++i) {
    const double middle = (low + high) / 2;
    (phi(middle) < fraction ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace tandem::gemma3n
