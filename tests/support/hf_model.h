// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// For tests: a Hugging Face model folder in memory, to be altered and written again.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "formats/dtype.h"

namespace tandem::test {

/// A tensor as safetensors stores it.
struct HfTensor {
  std::string dtype;  ///< "F32", "BF16", "I8", ...
  std::vector<int64_t> shape;
  std::vector<std::byte> data;
};

struct HfModel {
  nlohmann::json config;
  std::map<std::string, HfTensor> tensors;

  /// The object that holds the text model's keys.
  nlohmann::json& text();
};

HfModel ReadHfModel(const std::filesystem::path& folder);

/// Writes one safetensors file.
void WriteSafetensors(const std::filesystem::path& path,
                      const std::map<std::string, HfTensor>& tensors);

/// Writes config.json and the tensors: model.safetensors, or with `shards` > 1 an index and that
/// many files, tensors dealt out in turn. Makes the folder, or empties it first.
void WriteHfModel(const std::filesystem::path& folder, const HfModel& model, int shards = 1);

/// An F32 tensor.
HfTensor FloatTensor(std::vector<int64_t> shape, const std::vector<float>& values);
std::vector<float> ValuesOf(const HfTensor& tensor);
/// The same values rounded to F32, F16 or BF16.
HfTensor StoredAs(const HfTensor& tensor, DType type);
/// Gives every tensor a new name.
void RenameTensors(HfModel& model, const std::function<std::string(const std::string&)>& rename);

}  // namespace tandem::test
