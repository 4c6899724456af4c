// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a Model is made of, for the engine's own files.
#pragma once

#include <cstdint>
#include <memory>
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
  /// Of a slice, the model that it is a part of; then `source` has names only.
  std::shared_ptr<const Model> whole;
  ModelSource source;  ///< Owns the mappings that everything below points into.
  std::unique_ptr<TextModel> text;
  Program decode;   ///< Every row wanted.
  Program prefill;  ///< Some rows wanted.

  std::shared_ptr<const Tokenizer> tokenizer;  ///< Slices share it.
  std::string tokenizer_problem;               ///< Why there is none.
  std::shared_ptr<const ChatFormat> chat;
  GenerationDefaults defaults;
  std::vector<int32_t> end_tokens;
  std::vector<bool> banned;  ///< By id: sampling never returns it.
  std::vector<std::string> notes;

  const gemma::StackParams& params() const { return text->params(); }
  /// Where the weights come from.
  const ModelSource& files() const { return whole == nullptr ? source : whole->data().files(); }
};

/// A model of these parts, for Model's own functions and for tests.
std::shared_ptr<const Model> MakeModel(std::unique_ptr<ModelData> data);

}  // namespace tandem
