// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/file_status.h"
#include "formats/json_file.h"
#include "formats/safetensors.h"

namespace tandem {
namespace {

constexpr uint64_t kMaxIndexBytes = uint64_t{64} << 20;
constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

/// A name that cannot lead out of its folder. What a link of that name points to is the folder
/// owner's business: download caches consist of links.
bool IsPlainFileName(std::string_view name) {
  return IsPrintableName(name) && name.find_first_of("/\\") == std::string_view::npos &&
         name.find("..") == std::string_view::npos && name.ends_with(".safetensors");
}

/// The index as file name -> names of its tensors.
std::map<std::string, std::vector<std::string>> ReadIndex(const std::filesystem::path& path) {
  const std::string file = Printable(path.string(), 4096);
  const JsonDocument document = ParseJsonFile(path, kMaxIndexBytes);
  const nlohmann::json& index = *document;
  const auto fail = [&](const std::string& problem) {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", file, problem));
  };
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    fail("no object 'weight_map'");
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string() || !IsPlainFileName(shard.get_ref<const std::string&>())) {
      fail(
          fmt::format("tensor '{}' is mapped to '{}', which is not the name of a safetensors file "
                      "in the same folder",
                      Printable(tensor),
                      shard.is_string() ? Printable(shard.get<std::string>()) : "no string"));
    }
    shards[shard.get<std::string>()].push_back(tensor);
  }
  return shards;
}

std::optional<DType> DTypeFromSafetensors(std::string_view dtype) {
  if (dtype == "F32") return DType::kF32;
  if (dtype == "F16") return DType::kF16;
  if (dtype == "BF16") return DType::kBF16;
  return std::nullopt;
}

}  // namespace

SafetensorsSet SafetensorsSet::Open(const std::filesystem::path& path) {
  SafetensorsSet set;
  if (!IsFolder(path)) {
    set.tensors_ = set.AddFile(path).tensors;
  } else if (Exists(path / kSingleName)) {
    set.tensors_ = set.AddFile(path / kSingleName).tensors;
  } else if (Exists(path / kIndexName)) {
    set.OpenIndexed(path / kIndexName);
  } else {
    throw Error(ErrorKind::kNotFound,
                fmt::format("{}: neither {} nor {} in this folder", Printable(path.string(), 4096),
                            kSingleName, kIndexName),
                "give the folder of a complete download in Hugging Face layout");
  }
  set.IndexTensors();
  return set;
}

SafetensorsContent SafetensorsSet::AddFile(const std::filesystem::path& path) {
  MappedFile file(path);
  std::string name = Printable(path.string(), 4096);
  SafetensorsContent content = ParseSafetensors(file.bytes(), name);
  for (SafetensorsTensor& tensor : content.tensors) tensor.file = files_.size();
  if (files_.empty()) metadata_ = content.metadata;
  files_.push_back(std::move(file));
  names_.push_back(std::move(name));
  return content;
}

void SafetensorsSet::OpenIndexed(const std::filesystem::path& index) {
  for (const auto& [shard, wanted] : ReadIndex(index)) {
    const std::filesystem::path path = index.parent_path() / shard;
    if (!Exists(path)) {
      throw Error(
          ErrorKind::kNotFound,
          fmt::format("{}: missing, but {} names it", Printable(path.string(), 4096), kIndexName),
          "download all files of the model into one folder");
    }
    SafetensorsContent content = AddFile(path);
    std::vector<std::string_view> names;
    for (const SafetensorsTensor& tensor : content.tensors) names.push_back(tensor.name);
    const NameIndex in_shard(names);
    for (const std::string& name : wanted) {
      const auto position = in_shard.Find(name);
      if (!position) {
        throw Error(ErrorKind::kCorruptFile,
                    fmt::format("{}: tensor '{}' is not in it, but {} says so", names_.back(),
                                Printable(name), kIndexName),
                    "download the index and all files it names again");
      }
      tensors_.push_back(content.tensors[*position]);
    }
  }
}

void SafetensorsSet::IndexTensors() {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<std::string_view> names;
  names.reserve(tensors_.size());
  for (const SafetensorsTensor& tensor : tensors_) names.push_back(tensor.name);
  index_ = NameIndex(names);
}

const SafetensorsTensor* SafetensorsSet::Find(std::string_view name) const {
  const auto position = index_.Find(name);
  return position ? &tensors_[*position] : nullptr;
}

const SafetensorsTensor& SafetensorsSet::Get(std::string_view name) const {
  const SafetensorsTensor* tensor = Find(name);
  if (tensor != nullptr) return *tensor;
  throw Error(ErrorKind::kNotFound,
              fmt::format("{}: tensor '{}' is missing", names_.empty() ? "the set" : names_[0],
                          Printable(name)),
              "the files are not of this kind of model, or are incomplete");
}

WeightView SafetensorsSet::View(const SafetensorsTensor& tensor) const {
  const auto fail = [&](const std::string& problem) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: tensor '{}' {}", file_name(tensor.file),
                                                     Printable(tensor.name), problem));
  };
  const auto type = DTypeFromSafetensors(tensor.dtype);
  if (!type) fail(fmt::format("has the type {}, not F32, F16 or BF16", Printable(tensor.dtype)));
  if (tensor.data.empty()) fail("has no elements");
  std::span<const int64_t> shape = tensor.shape;
  while (shape.size() > 2 && shape[0] == 1) shape = shape.subspan(1);
  if (shape.size() > 2) fail(fmt::format("has {} dimensions, not 1 or 2", shape.size()));
  WeightView view;
  view.type = *type;
  view.rows = shape.size() == 2 ? shape[0] : 1;
  view.cols = shape.empty() ? 1 : shape.back();
  view.row_stride = RowBytes(view.type, view.cols);
  view.data = tensor.data.data();
  return view;
}

}  // namespace tandem
