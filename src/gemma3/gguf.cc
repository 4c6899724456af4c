// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3/gguf.h"

#include <fmt/format.h>

#include "gemma/gguf.h"

namespace tandem::gemma3 {
namespace {

constexpr const char* kWindowKey = "attention.sliding_window";
constexpr const char* kScaleKey = "attention.scale";

}  // namespace

HyperParams ReadGgufParams(const GgufFile& file) {
  const gemma::GgufKeys keys(file, kFamily);
  HyperParams p;
  // Every published size has a window of its own, so there is nothing to fall back on.
  p.window = keys.Int(kWindowKey);
  gemma::ReadStack(keys, p);
  p.attention_scale = keys.Float(kScaleKey, DefaultAttentionScale(p));
  p.Validate(file.part_name());
  return p;
}

void WriteGgufParams(const HyperParams& p, GgufWriter& writer) {
  gemma::WriteStack(p, kFamily, writer);
  if (p.attention_scale == DefaultAttentionScale(p)) return;
  writer.Add<float>(fmt::format("{}.{}", kFamily.architecture, kScaleKey), p.attention_scale);
}

}  // namespace tandem::gemma3
