// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/error.h"
#include "engine/api_guard.h"
#include "engine/model_data.h"

namespace tandem {
namespace {

std::shared_ptr<const Model> MakeSlice(std::shared_ptr<const Model> whole,
                                       const std::string& name) {
  if (whole == nullptr) throw Error(ErrorKind::kInvalidArgument, "a slice needs a model");
  const ModelData& from = whole->data();
  auto data = std::make_unique<ModelData>();
  try {
    data->text = from.text->Slice({name, {}, {}});
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", whole->source(), error.message()),
                error.hint());
  }
  data->source.name = fmt::format("{}, slice {}", from.source.name, name);
  data->source.model_name = from.source.model_name;
  data->decode = data->text->BuildProgram(gemma::Rows::kAllWanted);
  data->prefill = data->text->BuildProgram(gemma::Rows::kSomeWanted);
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
