// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The files a model comes from, opened and told apart: a GGUF file or a Hugging Face folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/json_document.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "tokenizer/vocab.h"

namespace tandem {

struct ModelSource {
  std::string name;            ///< Printable path, or "built-in fable".
  std::filesystem::path path;  ///< Empty for the built-in model.
  std::string model_name;      ///< general.name of a GGUF file, a folder's name; may be empty.
  bool embedded = false;

  std::optional<GgufFile> gguf;  ///< One of these two.
  std::optional<SafetensorsSet> safetensors;

  // Of a Hugging Face folder; null where the file is not there.
  JsonDocument config;
  JsonDocument generation_config;
  std::string chat_template;  ///< Of either format; empty when there is none.
};

/// Opens what `path` names. Throws Error as Model::Load.
ModelSource OpenSource(const std::filesystem::path& path, GgufOptions options = {});
/// The built-in model.
ModelSource OpenEmbeddedSource();

/// Prefix of the text model's tensors in a Hugging Face folder. Throws Error kNotFound without one.
std::string TextPrefix(const ModelSource& source);

/// Bytes of the text model's weights: of all GGUF files, of a folder's text tensors.
uint64_t SourceBytes(const ModelSource& source);
/// The files that `source` is made of: parts of a GGUF file, or all files of a folder.
std::vector<std::filesystem::path> SourceFiles(const ModelSource& source);
/// "GGUF v3" or "Hugging Face".
std::string SourceFormat(const ModelSource& source);

/// Vocabulary of the source, or nullopt with the reason in `problem`. Throws Error for one that is
/// there and damaged.
std::optional<Vocab> ReadVocab(const ModelSource& source, std::string& problem);

}  // namespace tandem
