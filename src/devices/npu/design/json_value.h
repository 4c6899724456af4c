// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON values read strictly: every access says what it wants, and a value of another type, out of
// range or under an unknown name is Error kCorruptFile with the path to it. Internal to the
// library. Refers to the document, which must outlive it.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "devices/npu/design/model.h"
#include "devices/npu/isa/ports.h"

namespace tandem::npu {

class JsonValue {
 public:
  JsonValue(const nlohmann::json& json, std::string path) : json_(&json), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  [[noreturn]] void Fail(std::string_view problem) const;

  /// Objects: members.
  bool Has(const char* key) const;
  JsonValue At(const char* key) const;
  std::optional<JsonValue> Find(const char* key) const;
  /// Refuses members that nobody knows.
  void CheckKeys(std::initializer_list<std::string_view> known) const;

  /// Arrays.
  size_t size() const;
  JsonValue At(size_t index) const;
  void ForEach(const std::function<void(const JsonValue&)>& visit) const;

  bool IsNull() const { return json_->is_null(); }
  int64_t Integer(int64_t min, int64_t max) const;
  int Int(int min, int max) const { return static_cast<int>(Integer(min, max)); }
  uint64_t Unsigned(uint64_t max) const;
  uint32_t Word() const { return static_cast<uint32_t>(Unsigned(UINT32_MAX)); }
  double Real() const;
  bool Bool() const;
  std::string Text() const;
  std::vector<int64_t> Integers(int64_t min, int64_t max) const;

  ElementType Type() const;
  Direction Dir() const;
  Device AsDevice() const;
  /// [column, row].
  Tile AsTile() const;
  /// ["South", 3].
  Port AsPort() const;
  /// {"type", "id"}.
  Packet AsPacket() const;

 private:
  const nlohmann::json* json_;
  std::string path_;
};

/// Any number of elements or bytes that a design may speak of.
inline constexpr int64_t kMostElements = int64_t{1} << 40;

}  // namespace tandem::npu
