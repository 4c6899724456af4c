// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/dtype.h"

#include <array>
#include <cassert>
#include <cctype>

namespace tandem {
namespace {

struct Traits {
  DType type;
  int block_elements;
  int block_bytes;
};

// Sizes of the GGUF blocks: scales are halves, K blocks hold 256 elements in sub-blocks.
constexpr std::array<Traits, 15> kTraits = {{
    {DType::kF32, 1, 4},
    {DType::kF16, 1, 2},
    {DType::kQ4_0, 32, 2 + 16},
    {DType::kQ4_1, 32, 4 + 16},
    {DType::kQ5_0, 32, 2 + 4 + 16},
    {DType::kQ5_1, 32, 4 + 4 + 16},
    {DType::kQ8_0, 32, 2 + 32},
    {DType::kQ2_K, 256, 16 + 64 + 4},
    {DType::kQ3_K, 256, 32 + 64 + 12 + 2},
    {DType::kQ4_K, 256, 4 + 12 + 128},
    {DType::kQ5_K, 256, 4 + 12 + 32 + 128},
    {DType::kQ6_K, 256, 128 + 64 + 16 + 2},
    {DType::kIQ4_NL, 32, 2 + 16},
    {DType::kIQ4_XS, 256, 2 + 2 + 4 + 128},
    {DType::kBF16, 1, 2},
}};

constexpr auto kAllTypes = [] {
  std::array<DType, kTraits.size()> types{};
  for (size_t i = 0; i < kTraits.size(); ++i) types[i] = kTraits[i].type;
  return types;
}();

// GGUF's numbering; empty names are retired numbers.
constexpr std::array<std::string_view, 40> kGgufNames = {
    "f32",     "f16",    "q4_0",    "q4_1",  "",       "",      "q5_0",  "q5_1",
    "q8_0",    "q8_1",   "q2_k",    "q3_k",  "q4_k",   "q5_k",  "q6_k",  "q8_k",
    "iq2_xxs", "iq2_xs", "iq3_xxs", "iq1_s", "iq4_nl", "iq3_s", "iq2_s", "iq4_xs",
    "i8",      "i16",    "i32",     "i64",   "f64",    "iq1_m", "bf16",  "",
    "",        "",       "tq1_0",   "tq2_0", "",       "",      "",      "mxfp4"};

const Traits& TraitsOf(DType type) {
  for (const Traits& traits : kTraits) {
    if (traits.type == type) return traits;
  }
  assert(false && "not a DType");
  return kTraits[0];
}

}  // namespace

std::span<const DType> AllDTypes() { return kAllTypes; }

std::optional<DType> DTypeFromGguf(uint32_t number) {
  for (const DType type : kAllTypes) {
    if (static_cast<uint32_t>(type) == number) return type;
  }
  return std::nullopt;
}

std::optional<DType> DTypeFromName(std::string_view name) {
  const auto equal = [&](std::string_view other) {
    if (other.size() != name.size()) return false;
    for (size_t i = 0; i < name.size(); ++i) {
      if (std::tolower(static_cast<unsigned char>(name[i])) != other[i]) return false;
    }
    return true;
  };
  for (const DType type : kAllTypes) {
    if (equal(DTypeName(type))) return type;
  }
  return std::nullopt;
}

std::string_view GgufTypeName(uint32_t number) {
  if (number >= kGgufNames.size() || kGgufNames[number].empty()) return "unknown";
  return kGgufNames[number];
}

int BlockElements(DType type) { return TraitsOf(type).block_elements; }
int BlockBytes(DType type) { return TraitsOf(type).block_bytes; }

size_t RowBytes(DType type, int64_t elements) {
  const Traits& traits = TraitsOf(type);
  assert(elements >= 0 && elements % traits.block_elements == 0);
  return static_cast<size_t>(elements / traits.block_elements) *
         static_cast<size_t>(traits.block_bytes);
}

}  // namespace tandem
