// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// MatFormer: a smaller Gemma 3n nested in a larger one, as views of the larger one's weights.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/hparams.h"
#include "gemma3n/weights.h"

namespace tandem::gemma3n {

struct SliceSpec {
  std::vector<int> skip;        ///< Layers left out, ascending.
  std::vector<int64_t> widths;  ///< FFN width of each kept layer, or one for all.
};

/// The slice called `name` ("e2b") of a model of this shape, or nullopt when there is none: the
/// published E2B of E4B (35 layers of 16384: skip 20-24, width 8192), and the same of fable's 15
/// layers of 768 (skip 5-9, width 512).
std::optional<SliceSpec> SlicePreset(const std::string& name, const HyperParams& params);

/// "20-24" or "5,7,9-11" as ascending layer numbers. Throws Error kInvalidArgument.
std::vector<int> ParseLayerList(const std::string& text);

/// Hyper-parameters and weights of the slice: kept layers are renumbered, FFNs keep their first
/// units. Throws Error kInvalidArgument when the slice would skip a layer whose keys and values
/// kept ones share, leave no layer, change the order of local and global layers, or ask for widths
/// that the model, or its blocks of quantised weights, does not have. The result's spans and views
/// point into `weights`' own.
struct SlicedModel {
  HyperParams params;
  Weights weights;
};
SlicedModel Slice(const HyperParams& params, const Weights& weights, const SliceSpec& spec);

}  // namespace tandem::gemma3n
