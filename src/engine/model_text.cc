// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/model_text.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/file_status.h"
#include "core/mapped_file.h"
#include "engine/model_data.h"
#include "engine/source.h"
#include "tokenizer/vocab_file.h"

namespace tandem {
namespace {

Tokenizer TokenizerOf(const ModelSource& source) {
  std::string problem;
  std::optional<Vocab> vocab = ReadVocab(source, problem);
  if (!vocab) throw Error(ErrorKind::kUnsupported, problem);
  return Tokenizer(std::move(*vocab));
}

}  // namespace

const Tokenizer* FindTokenizer(const Model& model) { return model.data().tokenizer.get(); }

const Tokenizer& RequireTokenizer(const Model& model) {
  const ModelData& data = model.data();
  if (!data.tokenizer) {
    throw Error(ErrorKind::kUnsupported, "this needs a tokenizer: " + data.tokenizer_problem,
                "such a model can be scored and benched by token ids");
  }
  return *data.tokenizer;
}

const ChatFormat& RequireChat(const Model& model) {
  RequireTokenizer(model);
  const ModelData& data = model.data();
  if (!data.chat) {
    throw Error(ErrorKind::kUnsupported,
                model.source() + ": its vocabulary has no turn tokens, so it cannot chat",
                "continue text as it is with --raw");
  }
  return *data.chat;
}

Tokenizer LoadTokenizer(const std::filesystem::path& path) {
  if (!IsFolder(path)) {
    const MappedFile file(path);
    const std::string_view start(reinterpret_cast<const char*>(file.bytes().data()),
                                 std::min<size_t>(file.size(), 4));
    if (start != "GGUF") return Tokenizer(LoadVocab(path));
    return TokenizerOf(OpenSource(path, {.allow_unsupported_types = true}));
  }
  ModelSource source;
  source.name = Printable(path.string(), 4096);
  source.path = WithoutSlash(path);
  return TokenizerOf(source);
}

Tokenizer LoadEmbeddedTokenizer() { return TokenizerOf(OpenEmbeddedSource()); }

}  // namespace tandem
