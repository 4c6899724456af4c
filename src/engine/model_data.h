// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a Model is made of, for the engine's own files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/source.h"
#include "engine/text_model.h"
#include "program/program.h"
#include "tandem/model.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

struct ModelData {
  ModelSource source;  ///< Owns the mappings that everything below points into.
  std::unique_ptr<TextModel> text;
  Program decode;   ///< Every row wanted.
  Program prefill;  ///< Some rows wanted.

  std::optional<Tokenizer> tokenizer;
  std::string tokenizer_problem;  ///< Why there is none.
  std::optional<ChatFormat> chat;
  GenerationDefaults defaults;
  std::vector<int32_t> end_tokens;
  std::vector<bool> banned;  ///< By id: sampling never returns it.
  std::vector<std::string> notes;

  const gemma::StackParams& params() const { return text->params(); }
};

/// A model of these parts, for Model's own functions and for tests.
std::shared_ptr<const Model> MakeModel(std::unique_ptr<ModelData> data);

}  // namespace tandem
