// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tandem/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "engine/api_guard.h"
#include "engine/model_data.h"
#include "engine/model_text.h"
#include "engine/source.h"
#include "gemma/hf.h"
#include "tokenizer/vocab_file.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

void AddEndToken(std::vector<int32_t>& tokens, int64_t id, int64_t vocab) {
  if (id < 0 || id >= vocab) return;
  if (std::find(tokens.begin(), tokens.end(), id) == tokens.end()) {
    tokens.push_back(static_cast<int32_t>(id));
  }
}

// eos_token_id is a number or a list of them.
void AddEndTokens(const nlohmann::json& config, ModelData& data) {
  if (!config.is_object() || !config.contains("eos_token_id")) return;
  const auto add = [&](const nlohmann::json& id) {
    if (id.is_number_integer())
      AddEndToken(data.end_tokens, id.get<int64_t>(), data.params().vocab);
  };
  const nlohmann::json& eos = config["eos_token_id"];
  if (!eos.is_array()) return add(eos);
  for (const nlohmann::json& id : eos) add(id);
}

double Sane(double value, double low, double high, double otherwise) {
  return std::isfinite(value) && value >= low && value <= high ? value : otherwise;
}

void ReadHfDefaults(const nlohmann::json& config, GenerationDefaults& defaults) {
  if (!config.is_object()) return;
  const auto number = [&](const char* key, double low, double high, double otherwise) {
    const auto it = config.find(key);
    if (it == config.end() || !it->is_number()) return otherwise;
    return Sane(it->get<double>(), low, high, otherwise);
  };
  defaults.temperature = number("temperature", 0, 100, defaults.temperature);
  defaults.top_k = static_cast<int>(number("top_k", 0, 1 << 20, defaults.top_k));
  defaults.top_p = number("top_p", 0.001, 1, defaults.top_p);
  const auto sample = config.find("do_sample");
  if (sample != config.end() && *sample == false) defaults.temperature = 0;
}

void ReadGgufDefaults(const GgufMetadata& metadata, GenerationDefaults& defaults) {
  const auto number = [&](const char* key, double low, double high, double otherwise) {
    return Sane(metadata.FindFloat(key).value_or(otherwise), low, high, otherwise);
  };
  defaults.temperature = number("general.sampling.temp", 0, 100, defaults.temperature);
  defaults.top_k = static_cast<int>(number("general.sampling.top_k", 0, 1 << 20, defaults.top_k));
  defaults.top_p = number("general.sampling.top_p", 0.001, 1, defaults.top_p);
}

void LoadText(ModelData& data) {
  std::optional<Vocab> vocab = ReadVocab(data.source, data.tokenizer_problem);
  if (!vocab) return;
  if (static_cast<int64_t>(vocab->size()) > data.params().vocab) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} tokens for {} rows of the token embedding", data.source.name,
                            vocab->size(), data.params().vocab),
                "tokenizer and weights do not belong together");
  }
  data.tokenizer = std::make_shared<Tokenizer>(std::move(*vocab));
  if (ChatFormat::IsPossible(*data.tokenizer)) {
    data.chat = std::make_shared<ChatFormat>(*data.tokenizer);
  }
  for (const int32_t id : data.tokenizer->vocab().end_tokens) {
    AddEndToken(data.end_tokens, id, data.params().vocab);
  }
  if (RecogniseTemplate(data.source.chat_template) == ChatTemplate::kForeign) {
    data.notes.push_back(fmt::format(
        "{}: its chat template is not Gemma's; Tandem writes Gemma's turns all the same",
        data.source.name));
  }
}

// Padding, ids beyond the vocabulary or without per-layer embeddings, unused pieces. Tokens that
// end a reply stay allowed: fine-tuned models often name one of them as their padding.
std::vector<bool> BannedIds(const ModelData& data) {
  const int64_t ids = data.text->ids();
  std::vector<bool> banned(static_cast<size_t>(ids), false);
  if (data.tokenizer) {
    const Vocab& vocab = data.tokenizer->vocab();
    for (size_t id = 0; id < banned.size(); ++id) {
      banned[id] = id >= vocab.size() || static_cast<int32_t>(id) == vocab.pad ||
                   vocab.pieces[id] == "<pad>" || vocab.types[id] == PieceType::kUnused;
    }
  }
  for (const int32_t id : data.end_tokens) {
    if (id < ids) banned[static_cast<size_t>(id)] = false;
  }
  return banned;
}

std::unique_ptr<ModelData> ReadModel(ModelSource source, Clock::time_point start) {
  auto data = std::make_unique<ModelData>();
  data->source = std::move(source);
  const ModelSource& files = data->source;
  data->text = ReadTextModel(files);
  data->decode = data->text->BuildProgram(gemma::Rows::kAllWanted);
  data->prefill = data->text->BuildProgram(gemma::Rows::kSomeWanted);
  LoadText(*data);
  if (files.gguf) {
    ReadGgufDefaults(files.gguf->metadata(), data->defaults);
  } else {
    ReadHfDefaults(files.generation_config, data->defaults);
    AddEndTokens(files.generation_config, *data);
    AddEndTokens(files.config, *data);
    if (gemma::HasTowers(files.config)) {
      data->notes.push_back(fmt::format(
          "{}: vision and audio towers are ignored; this is the text model", files.name));
    }
  }
  data->banned = BannedIds(*data);
  log::Event("model loaded: {}, {}, {} bytes, {:.1f} ms", files.name, SourceFormat(files),
             SourceBytes(files),
             std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  return data;
}

}  // namespace

Model::Model(std::unique_ptr<ModelData> data) : data_(std::move(data)) {}
Model::~Model() = default;

std::shared_ptr<const Model> MakeModel(std::unique_ptr<ModelData> data) {
  return std::shared_ptr<const Model>(new Model(std::move(data)));
}

std::shared_ptr<const Model> Model::Load(const std::filesystem::path& path) {
  const auto start = Clock::now();
  return AtBorder([&] { return MakeModel(ReadModel(OpenSource(path), start)); });
}

std::shared_ptr<const Model> Model::LoadEmbedded() {
  const auto start = Clock::now();
  return AtBorder([&] { return MakeModel(ReadModel(OpenEmbeddedSource(), start)); });
}

const std::string& Model::source() const noexcept { return data_->source.name; }
bool Model::is_embedded() const noexcept { return data_->source.embedded; }
std::string_view Model::architecture() const noexcept { return data_->text->architecture(); }
int64_t Model::vocab_rows() const noexcept { return data_->params().vocab; }
int64_t Model::context_length() const noexcept { return data_->params().context_length; }
const GenerationDefaults& Model::defaults() const noexcept { return data_->defaults; }
const std::vector<std::string>& Model::notes() const noexcept { return data_->notes; }
bool Model::has_tokenizer() const noexcept { return data_->tokenizer != nullptr; }
bool Model::can_chat() const noexcept { return data_->chat != nullptr; }
const std::vector<int32_t>& Model::end_tokens() const noexcept { return data_->end_tokens; }

std::string Model::name() const {
  return AtBorder([&] { return data_->source.model_name; });
}

std::vector<int32_t> Model::Tokenize(std::string_view text) const {
  return AtBorder([&] {
    const Tokenizer& tokenizer = RequireTokenizer(*this);
    return tokenizer.Encode(text, {.add_bos = tokenizer.vocab().add_bos});
  });
}

std::string Model::Detokenize(std::span<const int32_t> ids) const {
  return AtBorder([&] { return RequireTokenizer(*this).Decode(ids); });
}

std::vector<int32_t> Model::TokenizeChat(std::span<const ChatMessage> messages) const {
  return AtBorder([&] { return RequireChat(*this).Render(messages); });
}

bool Model::IsBanned(int32_t id) const noexcept {
  return id < 0 || id >= static_cast<int64_t>(data_->banned.size()) ||
         data_->banned[static_cast<size_t>(id)];
}

}  // namespace tandem
