// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3n as Hugging Face stores it: config.json and tensor names.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "gemma/hf.h"
#include "gemma3n/hparams.h"

namespace tandem::gemma3n {

/// Whether a config.json describes a Gemma 3n model, multimodal or text only.
bool IsHfConfig(const nlohmann::json& config);

using gemma::HasTowers;

/// Reads config.json in its published form (rope_theta, rope_local_base_freq, rope_scaling) and in
/// that of newer exports (rope_parameters), nested under text_config or at the root. Absent keys
/// take the published defaults. The result is validated. `laurel_rank` and `ple_width` are checked
/// against the tensors later. Throws Error kUnsupported or kCorruptFile naming `file`.
HyperParams ReadHfConfig(const nlohmann::json& config, const std::string& file);

/// The Hugging Face name, after the model prefix, of a canonical (GGUF) tensor name; `index` picks
/// one of a stack. Empty for a name that is not Gemma 3n's.
std::string HfTensorName(const std::string& canonical, int index);

}  // namespace tandem::gemma3n
