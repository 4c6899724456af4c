// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which ops of a span run as fused kernels when a step has one token, and why others do not. A
// dispatch that waits for the one before it costs more than most of a token's small ops (RADV on a
// 780M: about 6 us; an H100: 3.6 us), so norms, residuals, AltUp and the conversion to 8 bits are
// done by the last workgroup of the product before them (shaders/tail.glsl).
//
// A pure function of the Program and of what the device can bind: no Vulkan here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "devices/device.h"

namespace tandem::vulkan {

enum class Pattern {
  kPlain,      ///< One op, by its own kernels.
  kPredict,    ///< AltUpPredict; the attention block after it joins it.
  kAttention,  ///< LaurelAndNorm, QkvProject, Attention, AttentionOut.
  kMlp,        ///< GatedMlp, and AltUpCorrect where one follows.
  kPerLayer,   ///< PerLayerMix.
  kBegin,      ///< PleProject, AltUpExpand; the prediction after them joins them.
  kEnd,        ///< AltUpCollapse, FinalNorm.
};
/// "attention"
std::string_view PatternName(Pattern pattern);

struct FusedSpan {
  Pattern pattern = Pattern::kPlain;
  OpRange ops;
  /// The last kernel of the span before makes what this one begins with: a norm, a prediction.
  bool joined = false;
  std::string why_not;  ///< Of a plain op that a pattern begins with: what keeps it from it.
};

/// What matters of a device.
struct FusionLimits {
  uint64_t binding_bytes = 0;  ///< That a binding reaches.
  uint32_t subgroup = 32;
  uint32_t threads = 256;  ///< Of a workgroup.
};

/// Covers `range` from its begin to its end.
std::vector<FusedSpan> PlanFusion(const Program& program, OpRange range,
                                  const FusionLimits& limits);

/// The matrices that an attention block multiplies with its norm, in the order of their results.
std::vector<WeightView> ProjectionsOf(const LaurelAndNorm& norm, const QkvProject& qkv);

/// Matrices that the patterns multiply in one dispatch when they lie one behind the other.
std::vector<std::vector<WeightView>> StacksOf(const Program& program,
                                              const std::vector<FusedSpan>& spans);

}  // namespace tandem::vulkan
