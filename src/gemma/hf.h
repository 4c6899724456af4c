// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of Hugging Face's config.json and tensor names that all models of the family have.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "gemma/params.h"

namespace tandem::gemma {

/// Values of one JSON object; absent or null means the default. Throws Error kCorruptFile, naming
/// `file`, for a value of another type. Borrows both.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, const std::string& file)
      : object_(object), file_(file) {}

  const nlohmann::json* Find(const char* key) const;
  bool IsNull(const char* key) const;
  [[noreturn]] void Bad(const std::string& key, const char* expected) const;
  int64_t Int(const char* key, int64_t otherwise) const;
  /// Int, in the range [0, INT32_MAX].
  int Narrow(const char* key, int64_t otherwise) const;
  float Float(const char* key, float otherwise) const;
  bool Bool(const char* key, bool otherwise) const;
  std::string String(const char* key, const char* otherwise) const;
  int64_t ToInt(const nlohmann::json& value, const char* key) const;

  const std::string& file() const { return file_; }

 private:
  const nlohmann::json& object_;
  const std::string& file_;
};

/// Whether `config`, or its text_config, has one of these as its model_type: `text` is the text
/// model's own, `whole` that of the multimodal one around it.
bool IsModelType(const nlohmann::json& config, std::string_view whole, std::string_view text);

/// The object that holds the text model's keys: text_config, or the root.
const nlohmann::json& TextConfig(const nlohmann::json& config);

/// Whether a configuration describes vision or audio towers beside the text model.
bool HasTowers(const nlohmann::json& config);

/// Reads everything in StackParams, in the published form (rope_theta, rope_local_base_freq,
/// rope_scaling) or that of newer exports (rope_parameters); `params` holds the defaults. Refuses
/// (kUnsupported) what no model of the family has: biases, untied heads, other activations. Not
/// validated.
void ReadStack(const JsonFields& fields, const Family& family, StackParams& params);

/// The Hugging Face name, after the model prefix, of a canonical tensor name that all models have,
/// or empty.
std::string HfStackName(std::string_view canonical);

/// The two halves of "blk.N.rest": N as it is written, and the rest; empty for another name.
struct BlockName {
  std::string_view layer;
  std::string_view rest;
};
BlockName SplitBlockName(std::string_view canonical);

}  // namespace tandem::gemma
