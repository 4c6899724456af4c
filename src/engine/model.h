// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A loaded model: weights mapped from its files, hyper-parameters, tokenizer, defaults. Immutable
// and shared: any number of engines and threads may use one. Loading reads only headers, so it is
// quick whatever the size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

struct ModelData;  // engine/model_data.h, for the engine's own files

/// Sampling values that a model ships with, or Gemma's.
struct GenerationDefaults {
  double temperature = 1.0;
  int top_k = 64;
  double top_p = 0.95;
};

class Model {
 public:
  /// Loads a GGUF file (of several parts: the first) or a Hugging Face folder. Throws Error:
  /// kNotFound, kCorruptFile, kUnsupported, kIo.
  static std::shared_ptr<const Model> Load(const std::filesystem::path& path);
  /// The demonstration model built into the program.
  static std::shared_ptr<const Model> LoadEmbedded();

  explicit Model(std::unique_ptr<ModelData> data);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// Printable path, or "built-in fable".
  const std::string& source() const;
  bool is_embedded() const;
  /// "gemma3n".
  std::string_view architecture() const;
  /// general.name of a GGUF file, a folder's name; may be empty.
  std::string name() const;
  /// Rows of the output head: ids are in [0, vocab_rows()).
  int64_t vocab_rows() const;
  /// Tokens of prompt and reply together that the model was made for.
  int64_t context_length() const;
  const GenerationDefaults& defaults() const;
  /// What loading left out or wondered about, one line each: towers ignored, a foreign template.
  const std::vector<std::string>& notes() const;

  /// nullptr when the files carry none.
  const Tokenizer* tokenizer() const;
  /// Throws Error kUnsupported that says what is missing.
  const Tokenizer& RequireTokenizer() const;
  /// Throws Error kUnsupported when there is no tokenizer or its vocabulary has no turns.
  const ChatFormat& RequireChat() const;
  /// Tokens that end a reply: the model's own and generation_config's. Empty without a tokenizer
  /// or configuration.
  const std::vector<int32_t>& end_tokens() const;
  /// Whether sampling may never return `id`: padding, beyond the vocabulary, unused.
  bool IsBanned(int32_t id) const;

  const ModelData& data() const { return *data_; }

 private:
  std::unique_ptr<ModelData> data_;
};

/// Only the tokenizer of a model or of a tokenizer file: GGUF file, Hugging Face folder,
/// tokenizer.model or tokenizer.json. Throws Error as Model::Load, and kUnsupported when there is
/// none.
Tokenizer LoadTokenizer(const std::filesystem::path& path);
/// The built-in model's.
Tokenizer LoadEmbeddedTokenizer();

}  // namespace tandem
