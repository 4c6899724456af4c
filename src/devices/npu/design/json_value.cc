// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/design/json_value.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/json_document.h"

namespace tandem::npu {

void JsonValue::Fail(std::string_view problem) const {
  throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", path_, problem));
}

bool JsonValue::Has(const char* key) const {
  if (!json_->is_object()) Fail("not an object");
  return json_->find(key) != json_->end();
}

JsonValue JsonValue::At(const char* key) const {
  if (!Has(key)) Fail(fmt::format("\"{}\" is missing", key));
  return {*json_->find(key), fmt::format("{}.{}", path_, key)};
}

std::optional<JsonValue> JsonValue::Find(const char* key) const {
  if (!Has(key)) return std::nullopt;
  return At(key);
}

void JsonValue::CheckKeys(std::initializer_list<std::string_view> known) const {
  if (!json_->is_object()) Fail("not an object");
  for (auto member = json_->begin(); member != json_->end(); ++member) {
    if (std::find(known.begin(), known.end(), member.key()) == known.end()) {
      Fail(fmt::format("\"{}\" is not known here", Printable(member.key())));
    }
  }
}

size_t JsonValue::size() const {
  if (!json_->is_array()) Fail("not an array");
  return json_->size();
}

JsonValue JsonValue::At(size_t index) const {
  if (index >= size()) Fail(fmt::format("has {} elements, not {}", size(), index + 1));
  return {(*json_)[index], fmt::format("{}[{}]", path_, index)};
}

void JsonValue::ForEach(const std::function<void(const JsonValue&)>& visit) const {
  for (size_t i = 0; i < size(); ++i) visit(At(i));
}

int64_t JsonValue::Integer(int64_t min, int64_t max) const {
  int64_t value = 0;
  bool fits = json_->is_number_integer();
  if (json_->is_number_unsigned()) {
    const auto raw = json_->get<uint64_t>();
    fits = raw <= static_cast<uint64_t>(INT64_MAX);
    value = static_cast<int64_t>(raw);
  } else if (fits) {
    value = json_->get<int64_t>();
  }
  if (!fits || value < min || value > max) {
    Fail(fmt::format("not a whole number from {} to {}", min, max));
  }
  return value;
}

uint64_t JsonValue::Unsigned(uint64_t max) const {
  if (!json_->is_number_unsigned() || json_->get<uint64_t>() > max) {
    Fail(fmt::format("not a whole number from 0 to {}", max));
  }
  return json_->get<uint64_t>();
}

double JsonValue::Real() const {
  if (!json_->is_number()) Fail("not a number");
  return json_->get<double>();
}

bool JsonValue::Bool() const {
  if (!json_->is_boolean()) Fail("neither true nor false");
  return json_->get<bool>();
}

std::string JsonValue::Text() const {
  if (!json_->is_string()) Fail("not a text");
  return json_->get_ref<const std::string&>();
}

std::vector<int64_t> JsonValue::Integers(int64_t min, int64_t max) const {
  std::vector<int64_t> values;
  ForEach([&](const JsonValue& value) { values.push_back(value.Integer(min, max)); });
  return values;
}

ElementType JsonValue::Type() const {
  const auto type = ParseElementType(Text());
  if (!type) Fail("not one of i8, i16, i32, bf16, f32");
  return *type;
}

Direction JsonValue::Dir() const {
  const std::string text = Text();
  if (text == "S2MM") return Direction::kS2mm;
  if (text == "MM2S") return Direction::kMm2s;
  Fail("neither S2MM nor MM2S");
}

Device JsonValue::AsDevice() const {
  const auto device = ParseDevice(Text());
  if (!device) Fail("not a device: npu1, npu2, or with fewer columns npu1_1col to npu2_7col");
  return *device;
}

Tile JsonValue::AsTile() const {
  if (size() != 2) Fail("a tile is [column, row]");
  return {At(size_t{0}).Int(0, 127), At(size_t{1}).Int(0, kRows - 1)};
}

Port JsonValue::AsPort() const {
  if (size() != 2) Fail("a port is [kind, number]");
  const auto type = ParsePortType(At(size_t{0}).Text());
  if (!type) At(size_t{0}).Fail("not a kind of port");
  return {*type, At(size_t{1}).Int(0, 63)};
}

Packet JsonValue::AsPacket() const {
  CheckKeys({"type", "id"});
  return {At("type").Integer(0, 7), At("id").Integer(0, 31)};
}

}  // namespace tandem::npu
