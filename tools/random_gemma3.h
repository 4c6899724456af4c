// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3 for random-model: the published shapes, and weights without the data of their matrices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gemma3/weights.h"

namespace tandem {

/// The shape of "gemma3-270m", "gemma3-1b", "gemma3-4b", "gemma3-12b" or "gemma3-27b", with the FFN
/// width of one layer only, without kinds of layers and attention scale; nullopt for another name.
std::optional<gemma3::HyperParams> Gemma3Preset(const std::string& size);

/// Fills in what Gemma3Preset() leaves out, by the number of layers and the one FFN width.
void CompleteGemma3(gemma3::HyperParams& params);

/// Decoded values of every vector, and the shapes of the matrices: what ListTensors() needs.
gemma3::Weights SketchGemma3(const gemma3::HyperParams& params, uint64_t seed);

}  // namespace tandem
