// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/file_status.h"
#include "engine/embedded.h"
#include "formats/json_file.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxConfigBytes = 16 << 20;
// tokenizer_config.json of real checkpoints lists thousands of added tokens: about 1.2 MB.
constexpr uint64_t kMaxTokenizerConfigBytes = 64 << 20;
constexpr uint64_t kMaxTemplateBytes = 4 << 20;

JsonDocument OptionalJson(const fs::path& path, uint64_t max_bytes) {
  if (!Exists(path)) return {};
  return ParseJsonFile(path, max_bytes);
}

std::string HfChatTemplate(const fs::path& folder) {
  const fs::path separate = folder / "chat_template.jinja";
  if (Exists(separate)) {
    const MappedFile file(separate);
    if (file.size() > kMaxTemplateBytes) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("{}: {} bytes is no chat template",
                              Printable(separate.string(), 4096), file.size()));
    }
    return {reinterpret_cast<const char*>(file.bytes().data()), file.size()};
  }
  const JsonDocument config =
      OptionalJson(folder / "tokenizer_config.json", kMaxTokenizerConfigBytes);
  if (!config->is_object()) return {};
  const auto it = config->find("chat_template");
  return it != config->end() && it->is_string() ? it->get<std::string>() : std::string();
}

// Links are followed: download caches name a folder by a hash and link to it by name, or the other
// way round.
std::string FolderName(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(path, error);
  if (error) {
    throw Error(ErrorKind::kIo, fmt::format("{}: cannot look it up: {}",
                                            Printable(path.string(), 4096), error.message()));
  }
  return whole.filename().string();
}

ModelSource OpenFolder(const fs::path& given) {
  const fs::path path = WithoutSlash(given);
  ModelSource source;
  source.name = Printable(path.string(), 4096);
  source.path = path;
  source.model_name = FolderName(path);
  const fs::path config = path / "config.json";
  if (!Exists(config)) {
    throw Error(ErrorKind::kNotFound, fmt::format("{}: a folder without config.json", source.name),
                "give a GGUF file, or a Hugging Face folder with config.json and safetensors");
  }
  source.config = ParseJsonFile(config, kMaxConfigBytes);
  source.generation_config = OptionalJson(path / "generation_config.json", kMaxConfigBytes);
  source.chat_template = HfChatTemplate(path);
  source.safetensors = SafetensorsSet::Open(path);
  return source;
}

ModelSource FromGguf(GgufFile file, std::string name) {
  ModelSource source;
  source.name = std::move(name);
  source.gguf = std::move(file);
  source.model_name = source.gguf->metadata().FindString("general.name").value_or("");
  source.chat_template = source.gguf->metadata().FindString("tokenizer.chat_template").value_or("");
  return source;
}

}  // namespace

ModelSource OpenSource(const fs::path& path, GgufOptions options) {
  if (IsFolder(path)) return OpenFolder(path);
  ModelSource source = FromGguf(GgufFile::Open(path, options), Printable(path.string(), 4096));
  source.path = path;
  return source;
}

ModelSource OpenEmbeddedSource() {
  ModelSource source =
      FromGguf(GgufFile::FromBytes(EmbeddedModel(), "built-in fable"), "built-in fable");
  source.embedded = true;
  return source;
}

uint64_t SourceBytes(const ModelSource& source) {
  if (source.gguf) return source.gguf->file_bytes();
  const std::string prefix = TextPrefix(source);
  uint64_t bytes = 0;
  for (const SafetensorsTensor& tensor : source.safetensors->tensors()) {
    if (tensor.name.starts_with(prefix)) bytes += tensor.data.size();
  }
  return bytes;
}

std::string TextPrefix(const ModelSource& source) {
  // Told by the one tensor that all text models have.
  for (const char* prefix :
       {"model.language_model.", "language_model.model.", "language_model.", "model.", ""}) {
    if (source.safetensors->Find(fmt::format("{}embed_tokens.weight", prefix)) != nullptr) {
      return prefix;
    }
  }
  throw Error(ErrorKind::kNotFound,
              fmt::format("{}: tensor 'embed_tokens.weight' is missing", source.name),
              "the folder is incomplete, or not a model that Tandem runs");
}

std::vector<fs::path> SourceFiles(const ModelSource& source) {
  std::vector<fs::path> files;
  if (source.gguf && !source.embedded) {
    for (size_t part = 0; part < source.gguf->part_count(); ++part) {
      files.push_back(source.gguf->part_path(part));
    }
  } else if (source.safetensors) {
    return ListFolder(source.path);
  }
  return files;
}

std::string SourceFormat(const ModelSource& source) {
  if (!source.gguf) return "Hugging Face";
  const std::string parts =
      source.gguf->part_count() > 1 ? fmt::format(", {} parts", source.gguf->part_count()) : "";
  return fmt::format("GGUF v{}{}", source.gguf->version(), parts);
}

}  // namespace tandem
