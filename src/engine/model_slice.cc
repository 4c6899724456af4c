// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/error.h"
#include "engine/api_guard.h"
#include "engine/model_data.h"
#include "gemma3n/program.h"
#include "gemma3n/slice.h"

namespace tandem {
namespace {

std::shared_ptr<const Model> MakeSlice(std::shared_ptr<const Model> whole,
                                       const std::string& name) {
  if (whole == nullptr) throw Error(ErrorKind::kInvalidArgument, "a slice needs a model");
  const ModelData& from = whole->data();
  const auto spec = gemma3n::SlicePreset(name, from.params);
  if (!spec) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("{}: no slice '{}' is known of {} layers with an FFN of {}", whole->source(),
                    Printable(name), from.params.layers, from.params.ffn[0]),
        "e2b cuts E4B (35 layers of 16384)");
  }
  auto data = std::make_unique<ModelData>();
  gemma3n::SlicedModel sliced = gemma3n::Slice(from.params, from.weights, *spec);
  data->source.name = fmt::format("{}, slice {}", from.source.name, name);
  data->source.model_name = from.source.model_name;
  data->params = std::move(sliced.params);
  data->weights = std::move(sliced.weights);
  data->decode = gemma3n::BuildProgram(data->params, data->weights, gemma3n::Rows::kAllWanted);
  data->prefill = gemma3n::BuildProgram(data->params, data->weights, gemma3n::Rows::kSomeWanted);
  data->tokenizer = from.tokenizer;
  data->tokenizer_problem = from.tokenizer_problem;
  data->chat = from.chat;
  data->defaults = from.defaults;
  data->end_tokens = from.end_tokens;
  data->banned = from.banned;
  data->notes = from.notes;
  data->whole = std::move(whole);
  return MakeModel(std::move(data));
}

}  // namespace

std::shared_ptr<const Model> Model::Slice(std::shared_ptr<const Model> whole,
                                          std::string_view name) {
  return AtBorder([&] { return MakeSlice(std::move(whole), std::string(name)); });
}

}  // namespace tandem
