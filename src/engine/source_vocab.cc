// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Vocabularies out of model files.
#include <fmt/format.h>

#include <limits>

#include "core/error.h"
#include "core/file_status.h"
#include "engine/source.h"
#include "tokenizer/vocab_file.h"

namespace tandem {
namespace {

int32_t FindId(const GgufMetadata& data, const char* key, size_t size, const std::string& file) {
  const auto id = data.FindUint(key);
  // Some converters write the largest number for "none".
  if (!id || *id >= std::numeric_limits<int32_t>::max()) return kNoToken;
  if (*id >= size) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} is {}, but there are {} tokens", file, key, *id, size));
  }
  return static_cast<int32_t>(*id);
}

PieceType ToPieceType(int64_t number, size_t id, const std::string& file) {
  if (number < 1 || number > 6) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: tokenizer.ggml.token_type of token {} is {}", file, id, number));
  }
  return static_cast<PieceType>(number);
}

// Converters write user-defined pieces as the text they stand for, with plain spaces; in every
// other form of the vocabulary, and where pieces are matched, a space is a mark.
void MarkSpaces(std::string& piece) {
  for (size_t at = piece.find(' '); at != std::string::npos; at = piece.find(' ', at)) {
    piece.replace(at, 1, kSpaceMark);
  }
}

std::optional<Vocab> FromGguf(const GgufFile& file, std::string& problem) {
  const GgufMetadata& data = file.metadata();
  const std::string& name = file.part_name();
  const auto kind = data.FindString("tokenizer.ggml.model");
  if (!kind) {
    problem = fmt::format("{} carries no tokenizer", name);
    return std::nullopt;
  }
  if (*kind != "llama") {
    problem =
        fmt::format("{} carries a '{}' tokenizer, not SentencePiece BPE", name, Printable(*kind));
    return std::nullopt;
  }
  Vocab vocab;
  const auto tokens = data.GetStrings("tokenizer.ggml.tokens");
  vocab.pieces.assign(tokens.begin(), tokens.end());
  const size_t size = vocab.pieces.size();
  vocab.scores = data.GetFloats("tokenizer.ggml.scores");
  const auto types = data.FindInts("tokenizer.ggml.token_type");
  if (vocab.scores.size() != size || (types && types->size() != size)) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} tokens with {} scores and {} types", name, size,
                            vocab.scores.size(), types ? types->size() : size));
  }
  for (size_t id = 0; id < size; ++id) {
    vocab.types.push_back(types ? ToPieceType((*types)[id], id, name) : PieceType::kNormal);
    if (vocab.types[id] == PieceType::kUserDefined) MarkSpaces(vocab.pieces[id]);
  }
  const auto id = [&](const char* key) { return FindId(data, key, size, name); };
  vocab.bos = id("tokenizer.ggml.bos_token_id");
  vocab.eos = id("tokenizer.ggml.eos_token_id");
  vocab.unk = id("tokenizer.ggml.unknown_token_id");
  vocab.pad = id("tokenizer.ggml.padding_token_id");
  const int32_t end_of_turn = id("tokenizer.ggml.eot_token_id");
  if (end_of_turn != kNoToken) vocab.end_tokens.push_back(end_of_turn);
  vocab.add_bos = data.FindBool("tokenizer.ggml.add_bos_token").value_or(true);
  // Gemma has no such space; files that leave the key out mean that.
  vocab.add_space_prefix = data.FindBool("tokenizer.ggml.add_space_prefix").value_or(false);
  // Here rather than in the tokenizer, so that an error names the file.
  vocab.Complete();
  vocab.Validate(name);
  return vocab;
}

std::optional<Vocab> FromFolder(const std::filesystem::path& folder, std::string& problem) {
  for (const char* name : {"tokenizer.model", "tokenizer.json"}) {
    if (Exists(folder / name)) return LoadVocab(folder / name);
  }
  problem = fmt::format("{} has neither tokenizer.model nor tokenizer.json",
                        Printable(folder.string(), 4096));
  return std::nullopt;
}

}  // namespace

std::optional<Vocab> ReadVocab(const ModelSource& source, std::string& problem) {
  return source.gguf ? FromGguf(*source.gguf, problem) : FromFolder(source.path, problem);
}

}  // namespace tandem
