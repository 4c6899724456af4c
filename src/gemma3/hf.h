// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3 as Hugging Face stores it: config.json. Tensor names are those that all models of the
// family have (gemma/hf.h).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "gemma3/hparams.h"

namespace tandem::gemma3 {

/// Whether a config.json describes a Gemma 3 model, multimodal or text only.
bool IsHfConfig(const nlohmann::json& config);

/// Reads config.json, nested under text_config or at the root. Absent keys take the published
/// defaults. The result is validated. Throws Error kUnsupported or kCorruptFile naming `file`.
HyperParams ReadHfConfig(const nlohmann::json& config, const std::string& file);

}  // namespace tandem::gemma3
