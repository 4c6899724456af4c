// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A loaded model: weights mapped from its files, hyper-parameters, tokenizer, defaults.
//
// Thread-safety: immutable; any number of threads and engines may share one.
// Ownership: shared_ptr; an Engine keeps its model alive. The files must stay as they are while a
// model of theirs is in use: pages are read when they are needed, and a file that is cut under its
// mapping ends the process (SIGBUS).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/chat.h"
#include "tandem/export.h"

namespace tandem {

struct ModelData;

/// Sampling values that a model ships with, or Gemma's.
struct GenerationDefaults {
  double temperature = 1.0;
  int top_k = 64;
  double top_p = 0.95;
};

class TANDEM_API Model {
 public:
  /// Loads a GGUF file (of several parts: the first) or a Hugging Face folder. Reads only headers
  /// and the vocabulary, so it is quick whatever the size. Throws Error: kNotFound, kCorruptFile,
  /// kUnsupported, kIo, kResource.
  static std::shared_ptr<const Model> Load(const std::filesystem::path& path);
  /// The small demonstration model that is built into the library.
  static std::shared_ptr<const Model> LoadEmbedded();
  /// The smaller model nested in `whole` (MatFormer) that is called `name`: "e2b" in E4B. It points
  /// into the weights of `whole`, keeps it alive, and takes next to no memory. Throws Error
  /// kInvalidArgument for no model or one without such a slice.
  static std::shared_ptr<const Model> Slice(std::shared_ptr<const Model> whole,
                                            std::string_view name);

  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// Printable path, or "built-in fable"; of a slice followed by ", slice e2b".
  const std::string& source() const noexcept;
  bool is_embedded() const noexcept;
  /// "gemma3n" or "gemma3".
  std::string_view architecture() const noexcept;
  /// general.name of a GGUF file, a folder's name; may be empty.
  std::string name() const;
  /// Rows of the output head: ids are in [0, vocab_rows()).
  int64_t vocab_rows() const noexcept;
  /// Tokens of prompt and reply together that the model was made for.
  int64_t context_length() const noexcept;
  const GenerationDefaults& defaults() const noexcept;
  /// What loading left out or wondered about, one line each: towers ignored, a foreign template.
  const std::vector<std::string>& notes() const noexcept;

  /// Whether text can go in and come out; without a tokenizer a model takes token ids only.
  bool has_tokenizer() const noexcept;
  /// Whether the vocabulary has the tokens that mark turns.
  bool can_chat() const noexcept;
  /// Tokens of a text that opens a context (the model's BOS in front where it wants one). Invalid
  /// UTF-8 becomes U+FFFD; no text yields a control token. Throws Error kUnsupported without a
  /// tokenizer, kInvalidArgument for a text above 64 MiB.
  std::vector<int32_t> Tokenize(std::string_view text) const;
  /// Text of `ids`, always valid UTF-8; control tokens are left out. Throws Error kUnsupported
  /// without a tokenizer, kInvalidArgument for an id outside the vocabulary.
  std::string Detokenize(std::span<const int32_t> ids) const;
  /// Tokens of a whole conversation in the model's chat format, up to the start of its next reply:
  /// at most one system message, then user, model, user, ... Throws Error kUnsupported when
  /// !can_chat(), kInvalidArgument for roles in another order.
  std::vector<int32_t> TokenizeChat(std::span<const ChatMessage> messages) const;

  /// Tokens that end a reply: the model's own and generation_config's. Empty without a tokenizer
  /// or configuration.
  const std::vector<int32_t>& end_tokens() const noexcept;
  /// Whether sampling may never return `id`: padding, beyond the vocabulary, unused.
  bool IsBanned(int32_t id) const noexcept;

  /// For Tandem's own files.
  const ModelData& data() const noexcept { return *data_; }

 private:
  friend std::shared_ptr<const Model> MakeModel(std::unique_ptr<ModelData> data);
  explicit Model(std::unique_ptr<ModelData> data);

  std::unique_ptr<ModelData> data_;
};

}  // namespace tandem
