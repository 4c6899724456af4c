// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/checked.h"
#include "core/error.h"
#include "formats/byte_reader.h"
#include "formats/json_file.h"

namespace tandem {
namespace {

using nlohmann::json;

struct TypeBits {
  std::string_view name;
  uint64_t bits;
};

constexpr TypeBits kTypeBits[] = {{"BOOL", 8},    {"U8", 8},      {"I8", 8},      {"F8_E4M3", 8},
                                  {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16},
                                  {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
                                  {"F32", 32},    {"I64", 64},    {"U64", 64},    {"F64", 64},
                                  {"C64", 64},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}};

std::optional<uint64_t> BitsOf(std::string_view dtype) {
  for (const TypeBits& type : kTypeBits) {
    if (type.name == dtype) return type.bits;
  }
  return std::nullopt;
}

/// Reads the entries of one file's header.
class HeaderParser {
 public:
  HeaderParser(std::string_view file, std::span<const std::byte> data) : file_(file), data_(data) {}

  SafetensorsContent Parse(const json& header) const {
    if (!header.is_object()) Fail("the header", "is not a JSON object");
    SafetensorsContent content;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        content.metadata = ParseMetadata(entry);
      } else {
        content.tensors.push_back(ParseTensor(name, entry));
      }
    }
    CheckDisjoint(content.tensors);
    return content;
  }

 private:
  [[noreturn]] void Fail(const std::string& where, std::string_view problem) const {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {} {}", file_, where, problem),
                kDownloadAgain);
  }

  [[noreturn]] void FailTensor(std::string_view name, std::string_view problem) const {
    Fail(fmt::format("tensor '{}'", Printable(name)), problem);
  }

  std::map<std::string, std::string> ParseMetadata(const json& entry) const {
    std::map<std::string, std::string> metadata;
    if (!entry.is_object()) Fail("__metadata__", "is not a JSON object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) Fail("__metadata__", "has a value that is not a string");
      metadata.emplace(key, value.get<std::string>());
    }
    return metadata;
  }

  /// A list of integers from 0 to 2^63 - 1.
  std::vector<int64_t> ParseList(const std::string& name, const json& entry,
                                 const char* member) const {
    const auto found = entry.find(member);
    if (found == entry.end() || !found->is_array()) {
      FailTensor(name, fmt::format("has no list '{}'", member));
    }
    std::vector<int64_t> list;
    list.reserve(found->size());
    for (const json& number : *found) {
      if (!number.is_number_unsigned() || number.get<uint64_t>() > uint64_t{INT64_MAX}) {
        FailTensor(name, fmt::format("has a '{}' that is not made of sizes", member));
      }
      list.push_back(number.get<int64_t>());
    }
    return list;
  }

  SafetensorsTensor ParseTensor(const std::string& name, const json& entry) const {
    if (!IsPrintableName(name)) FailTensor(name, "has a name that is not text");
    if (!entry.is_object()) FailTensor(name, "is not described by a JSON object");
    SafetensorsTensor tensor;
    tensor.name = name;
    const auto dtype = entry.find("dtype");
    if (dtype == entry.end() || !dtype->is_string()) FailTensor(name, "has no dtype");
    tensor.dtype = dtype->get<std::string>();
    tensor.shape = ParseList(name, entry, "shape");
    const std::vector<int64_t> offsets = ParseList(name, entry, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1]) {
      FailTensor(name, "has data_offsets that are not a begin and an end");
    }
    const auto begin = static_cast<uint64_t>(offsets[0]);
    const auto end = static_cast<uint64_t>(offsets[1]);
    if (end > data_.size()) {
      FailTensor(name,
                 fmt::format("goes up to byte {} of the data, the file has {}", end, data_.size()));
    }
    tensor.data = data_.subspan(begin, end - begin);
    CheckSize(tensor);
    return tensor;
  }

  void CheckSize(const SafetensorsTensor& tensor) const {
    const auto bits = BitsOf(tensor.dtype);
    if (!bits) return;
    std::optional<uint64_t> total = *bits;
    for (const int64_t size : tensor.shape) {
      if (total) total = CheckedMul(*total, static_cast<uint64_t>(size));
    }
    if (!total || *total % 8 != 0 || *total / 8 != tensor.data.size()) {
      FailTensor(tensor.name, fmt::format("has {} bytes, which does not fit its shape and type {}",
                                          tensor.data.size(), Printable(tensor.dtype)));
    }
  }

  void CheckDisjoint(const std::vector<SafetensorsTensor>& tensors) const {
    std::vector<const SafetensorsTensor*> order;
    for (const SafetensorsTensor& tensor : tensors) {
      if (!tensor.data.empty()) order.push_back(&tensor);
    }
    std::sort(order.begin(), order.end(),
              [](const auto* a, const auto* b) { return a->data.data() < b->data.data(); });
    for (size_t i = 1; i < order.size(); ++i) {
      if (order[i - 1]->data.data() + order[i - 1]->data.size() > order[i]->data.data()) {
        FailTensor(order[i]->name,
                   fmt::format("overlaps tensor '{}'", Printable(order[i - 1]->name)));
      }
    }
  }

  std::string_view file_;
  std::span<const std::byte> data_;
};

}  // namespace

SafetensorsContent ParseSafetensors(std::span<const std::byte> bytes, std::string_view name) {
  ByteReader reader(bytes, name);
  const auto length = reader.Read<uint64_t>("the header length");
  if (length > kSafetensorsMaxHeaderBytes || length > reader.remaining()) {
    reader.Fail(
        fmt::format("not a safetensors file, or cut short: a header of {} bytes announced, "
                    "the file has {} left",
                    length, reader.remaining()));
  }
  const auto header = reader.Take(length, "the header");
  if (header.empty() || header[0] != std::byte{'{'}) {
    reader.Fail("not a safetensors file: the header is not a JSON object");
  }
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  return HeaderParser(name, reader.Rest()).Parse(*ParseJson(text, name));
}

}  // namespace tandem
