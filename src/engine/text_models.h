// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The text models that there are, one file each, and what they share.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/text_model.h"
#include "gemma/weights.h"
#include "gemma3n/hparams.h"
#include "gemma3n/weights.h"

namespace tandem {

/// How to find tensors of a Hugging Face folder by canonical name: `hf_name` gives the name after
/// the text model's prefix. Both borrow `source`.
using HfNames = std::string (*)(const std::string& canonical, int index);
gemma::TensorLookup FolderLookup(const ModelSource& source, HfNames hf_name);
gemma::TensorNamer FolderNamer(const ModelSource& source, HfNames hf_name);

std::string FolderConfigName(const ModelSource& source);

/// "8192", or "8192 to 16384 by layer".
std::string WidthText(const std::vector<int64_t>& widths);
/// "30 (6 full attention, 24 with a window of 512)".
std::string LayersText(const gemma::StackParams& params);
std::string HeadsText(const gemma::StackParams& params);
std::string RopeText(const gemma::StackParams& params);

/// Whether `source` is of that architecture, and its model. REQUIRES of Read...: Is...
bool IsGemma3n(const ModelSource& source);
std::unique_ptr<TextModel> ReadGemma3n(const ModelSource& source);
/// A model of weights that lie anywhere.
std::unique_ptr<TextModel> MakeGemma3n(gemma3n::HyperParams params, gemma3n::Weights weights);
bool IsGemma3(const ModelSource& source);
std::unique_ptr<TextModel> ReadGemma3(const ModelSource& source);

}  // namespace tandem
