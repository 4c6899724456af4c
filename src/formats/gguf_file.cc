// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "core/error.h"
#include "core/file_status.h"
#include "formats/gguf.h"
#include "formats/gguf_part.h"

namespace tandem {
namespace {

constexpr const char* kSplitNumber = "split.no";
constexpr const char* kSplitCount = "split.count";
constexpr const char* kSplitTensors = "split.tensors.count";

std::string PrintablePath(const std::filesystem::path& path) {
  return Printable(path.string(), 4096);
}

/// How part `number` (from 0) of `count` ends its name.
std::string SplitSuffix(uint64_t number, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

/// Number of parts that the metadata announces: 1 for a file that is not split.
uint64_t SplitCount(const GgufMetadata& metadata, const std::string& file) {
  const uint64_t count = metadata.FindUint(kSplitCount).value_or(1);
  if (count == 0 || count > 99999) {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {} is {}", file, kSplitCount, count));
  }
  return count;
}

void CheckSplitPart(const GgufMetadata& metadata, const std::string& file, uint64_t number,
                    uint64_t count) {
  const uint64_t said_number = metadata.GetUint(kSplitNumber);
  const uint64_t said_count = metadata.GetUint(kSplitCount);
  if (said_number == number && said_count == count) return;
  throw Error(ErrorKind::kCorruptFile,
              fmt::format("{}: should be part {} of {}, but says that it is number {} of {}", file,
                          number + 1, count, said_number, said_count),
              "the parts come from different models or were renamed: download all of them again");
}

}  // namespace

GgufFile GgufFile::Open(const std::filesystem::path& path, GgufOptions options) {
  GgufFile result;
  result.AddPart({PrintablePath(path), MappedFile(path), {}}, options);
  result.AddOtherParts(path, options);
  result.IndexTensors();
  return result;
}

GgufFile GgufFile::FromBytes(std::span<const std::byte> bytes, std::string_view name,
                             GgufOptions options) {
  GgufFile result;
  result.AddPart({std::string(name), {}, bytes}, options);
  if (SplitCount(result.metadata_, result.part_name()) != 1) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: one part of a split model", name));
  }
  result.IndexTensors();
  return result;
}

void GgufFile::AddPart(Part part, GgufOptions options) {
  if (part.bytes.empty()) part.bytes = part.file.bytes();
  GgufPart parsed = ParseGgufPart(part.bytes, part.name, options);
  if (parts_.empty()) {
    version_ = parsed.version;
    metadata_ = std::move(parsed.metadata);
  } else {
    CheckSplitPart(parsed.metadata, part.name, parts_.size(),
                   metadata_.FindUint(kSplitCount).value_or(1));
  }
  for (GgufTensor& tensor : parsed.tensors) {
    tensor.part = parts_.size();
    tensors_.push_back(tensor);
  }
  parts_.push_back(std::move(part));
}

void GgufFile::AddOtherParts(const std::filesystem::path& first, GgufOptions options) {
  const uint64_t count = SplitCount(metadata_, part_name());
  if (count == 1) return;
  const uint64_t number = metadata_.GetUint(kSplitNumber);
  std::string stem = first.string();
  const std::string suffix = SplitSuffix(number < count ? number : 0, count);
  const bool named_right = number < count && stem.ends_with(suffix);
  if (named_right) stem.resize(stem.size() - suffix.size());
  if (number != 0) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: part {} of {} of a split model", part_name(), number + 1, count),
                fmt::format("give the first part: {}",
                            PrintablePath((named_right ? stem : "...") + SplitSuffix(0, count))));
  }
  if (!named_right) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("{}: the first of {} parts, but its name does not end in {}", part_name(),
                    count, suffix),
        "give the parts the names they were published with, so that the others can be found");
  }
  for (uint64_t i = 1; i < count; ++i) {
    const std::filesystem::path path = stem + SplitSuffix(i, count);
    if (!Exists(path)) {
      throw Error(ErrorKind::kNotFound,
                  fmt::format("{}: part {} of {} is missing", PrintablePath(path), i + 1, count),
                  "download all parts of the model into one folder");
    }
    AddPart({PrintablePath(path), MappedFile(path), {}}, options);
  }
  const uint64_t expected = metadata_.FindUint(kSplitTensors).value_or(tensors_.size());
  if (expected != tensors_.size()) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} says {}, but the {} parts hold {} tensors", part_name(),
                            kSplitTensors, expected, count, tensors_.size()),
                "download all parts again");
  }
}

void GgufFile::IndexTensors() {
  std::vector<std::string_view> names;
  names.reserve(tensors_.size());
  for (const GgufTensor& tensor : tensors_) names.push_back(tensor.name);
  index_ = NameIndex(names);
  if (const auto duplicate = index_.Duplicate()) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: tensor '{}' occurs twice", part_name(), Printable(*duplicate)));
  }
}

uint64_t GgufFile::file_bytes() const {
  uint64_t total = 0;
  for (const Part& part : parts_) total += part.bytes.size();
  return total;
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto position = index_.Find(name);
  return position ? &tensors_[*position] : nullptr;
}

const GgufTensor& GgufFile::GetTensor(std::string_view name) const {
  const GgufTensor* tensor = FindTensor(name);
  if (tensor != nullptr) return *tensor;
  throw Error(ErrorKind::kNotFound,
              fmt::format("{}: tensor '{}' is missing", part_name(), Printable(name)),
              "the file is not of this kind of model, or is incomplete");
}

WeightView GgufFile::View(const GgufTensor& tensor, int64_t index) const {
  if (!tensor.type) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: tensor '{}' has the type {}, which is not supported",
                            part_name(tensor.part), Printable(tensor.name),
                            GgufTypeName(tensor.type_number)));
  }
  if (index < 0 || index >= tensor.ne[2] * tensor.ne[3]) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: tensor '{}' is a stack of {}, there is no matrix {}",
                            part_name(tensor.part), Printable(tensor.name),
                            tensor.ne[2] * tensor.ne[3], index));
  }
  WeightView view;
  view.type = *tensor.type;
  view.rows = tensor.ne[1];
  view.cols = tensor.ne[0];
  view.row_stride = RowBytes(view.type, view.cols);
  view.data = tensor.data.data() +
              static_cast<size_t>(index) * static_cast<size_t>(view.rows) * view.row_stride;
  return view;
}

}  // namespace tandem
