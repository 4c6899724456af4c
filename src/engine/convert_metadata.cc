// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/convert_metadata.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "gemma/hf.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace tandem {
namespace {

// Version of the block formats, as GGUF counts them.
constexpr uint32_t kQuantizationVersion = 2;

// For other engines: Gemma's turns, the system text in front of the first.
constexpr const char* kGemmaTemplate =
    "{{ bos_token }}{%- set ns = namespace(lead='') -%}"
    "{%- for m in messages -%}"
    "{%- if m['role'] == 'system' -%}{%- set ns.lead = m['content'] + '\\n\\n' -%}"
    "{%- else -%}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' + ns.lead"
    " + (m['content'] | trim) + '<end_of_turn>\\n' }}{%- set ns.lead = '' -%}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}";

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// Keys of a GGUF source that this file states anew.
bool IsRewritten(std::string_view key) {
  static constexpr std::string_view kGeneral[] = {"general.architecture", "general.file_type",
                                                  "general.quantization_version",
                                                  "general.alignment", "general.name"};
  return std::find(std::begin(kGeneral), std::end(kGeneral), key) != std::end(kGeneral) ||
         !StartsWith(key, "general.");
}

void WriteGeneral(const ModelSource& source, std::string_view architecture,
                  const QuantizePlan& plan, GgufWriter& writer) {
  writer.AddString("general.architecture", architecture);
  const std::string& name = source.model_name;
  if (source.gguf) {
    for (const GgufValue& value : source.gguf->metadata().values()) {
      if (!IsRewritten(value.key)) writer.Copy(value);
    }
  } else {
    writer.AddString("general.type", "model");
    const nlohmann::json& config = source.generation_config;
    const auto number = [&](const char* key) -> std::optional<double> {
      if (!config.is_object()) return std::nullopt;
      const auto it = config.find(key);
      return it != config.end() && it->is_number() ? std::optional(it->get<double>())
                                                   : std::nullopt;
    };
    const bool greedy =
        config.is_object() && config.contains("do_sample") && config["do_sample"] == false;
    if (const auto value = greedy ? std::optional(0.0) : number("temperature")) {
      writer.Add<float>("general.sampling.temp", static_cast<float>(*value));
    }
    if (const auto value = number("top_k"); value && *value >= 0 && *value < 1e9) {
      writer.Add<int32_t>("general.sampling.top_k", static_cast<int32_t>(*value));
    }
    if (const auto value = number("top_p")) {
      writer.Add<float>("general.sampling.top_p", static_cast<float>(*value));
    }
  }
  if (!name.empty()) writer.AddString("general.name", name);
  writer.Add<uint32_t>("general.file_type", plan.file_type);
  writer.Add<uint32_t>("general.quantization_version", kQuantizationVersion);
}

// GGUF has keys for two end tokens; a folder may list more.
void NoteEndTokens(const ModelSource& source, const Vocab& vocab, std::vector<std::string>& notes) {
  const nlohmann::json& config = *source.generation_config;
  if (!config.is_object()) return;
  const auto eos = config.find("eos_token_id");
  if (eos == config.end() || !eos->is_array()) return;
  for (const nlohmann::json& id : *eos) {
    if (id != vocab.eos && id != vocab.end_of_turn) {
      notes.push_back(fmt::format("end token {} has no place in GGUF and is left out", id.dump()));
    }
  }
}

// In GGUF a user-defined piece is the text that it stands for: that is what other engines look for.
void UnmarkSpaces(std::string& piece) {
  for (size_t at = piece.find(kSpaceMark); at != std::string::npos;
       at = piece.find(kSpaceMark, at)) {
    piece.replace(at, kSpaceMark.size(), " ");
  }
}

}  // namespace

void WriteTokenizer(const Tokenizer& tokenizer, std::string_view chat_template, int64_t rows,
                    GgufWriter& writer) {
  const Vocab& vocab = tokenizer.vocab();
  std::vector<std::string> pieces = vocab.pieces;
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (vocab.types[id] == PieceType::kUserDefined) UnmarkSpaces(pieces[id]);
  }
  std::vector<float> scores = vocab.scores;
  std::vector<int32_t> types;
  for (const PieceType type : vocab.types) types.push_back(static_cast<int32_t>(type));
  for (auto id = static_cast<int64_t>(pieces.size()); id < rows; ++id) {
    pieces.push_back(fmt::format("[PAD{}]", id));
    scores.push_back(-1000);
    types.push_back(static_cast<int32_t>(PieceType::kUnused));
  }
  const std::vector<std::string_view> views(pieces.begin(), pieces.end());
  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddString("tokenizer.ggml.pre", "default");
  writer.AddStrings("tokenizer.ggml.tokens", views);
  writer.AddArray<float>("tokenizer.ggml.scores", scores);
  writer.AddArray<int32_t>("tokenizer.ggml.token_type", types);
  const auto id = [&](const char* key, int32_t token) {
    if (token != kNoToken) writer.Add<uint32_t>(key, static_cast<uint32_t>(token));
  };
  id("tokenizer.ggml.bos_token_id", vocab.bos);
  id("tokenizer.ggml.eos_token_id", vocab.eos);
  id("tokenizer.ggml.eot_token_id", vocab.end_of_turn);
  id("tokenizer.ggml.unknown_token_id", vocab.unk);
  id("tokenizer.ggml.padding_token_id", vocab.pad);
  writer.Add<bool>("tokenizer.ggml.add_bos_token", vocab.add_bos);
  writer.Add<bool>("tokenizer.ggml.add_eos_token", false);
  writer.Add<bool>("tokenizer.ggml.add_space_prefix", vocab.add_space_prefix);
  if (!chat_template.empty()) {
    writer.AddString("tokenizer.chat_template", chat_template);
  } else if (ChatFormat::IsPossible(tokenizer)) {
    writer.AddString("tokenizer.chat_template", kGemmaTemplate);
  }
}

std::vector<std::string> WriteMetadata(const ModelSource& source, const TextModel& text,
                                       const QuantizePlan& plan, GgufWriter& writer) {
  std::vector<std::string> notes;
  WriteGeneral(source, text.architecture(), plan, writer);
  text.WriteGgufParams(writer);
  std::string problem;
  std::optional<Vocab> vocab = ReadVocab(source, problem);
  if (!vocab) {
    notes.push_back("no tokenizer is written: " + problem);
  } else {
    const Tokenizer tokenizer(std::move(*vocab));
    if (static_cast<int64_t>(tokenizer.size()) > text.params().vocab) {
      throw Error(ErrorKind::kCorruptFile,
                  fmt::format("{}: {} tokens for {} rows of the token embedding", source.name,
                              tokenizer.size(), text.params().vocab),
                  "tokenizer and weights do not belong together");
    }
    NoteEndTokens(source, tokenizer.vocab(), notes);
    WriteTokenizer(tokenizer, source.chat_template, text.params().vocab, writer);
  }
  if (!source.gguf && gemma::HasTowers(source.config)) {
    notes.emplace_back("vision and audio towers are left out: this is the text model");
  }
  return notes;
}

}  // namespace tandem
