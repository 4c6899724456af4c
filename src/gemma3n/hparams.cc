// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/hparams.h"

#include <fmt/format.h>

#include <cmath>

namespace tandem::gemma3n {
namespace {

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
  const gemma::ParamCheck check(file, kFamily);
  check.Stack(*this);
  check.InRange("per-layer vocabulary", ple_vocab, 1, gemma::kMaxVocab);
  check.InRange("per-layer input width", ple_width, 1, gemma::kMaxWidth);
  check.InRange("LAuReL rank", laurel_rank, 1, gemma::kMaxWidth);
  check.InRange("number of KV-shared layers", shared_kv_layers, 0, layers - 1);
  check.InRange("AltUp streams", altup_inputs, 1, kMaxAltUp);
  check.InRange("active AltUp stream", altup_active, 0, altup_inputs - 1);
  check.Require(sparsity.size() == static_cast<size_t>(layers),
                fmt::format("{} sparsities for {} layers", sparsity.size(), layers));
  check.Require(altup_coefficient_clip > 0, "AltUp coefficient clip is not positive");
  for (int layer = FirstShared(); layer < layers; ++layer) {
    check.Require(
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
