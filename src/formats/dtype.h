// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Element and block types of stored weights. Values are GGUF's tensor type numbers; safetensors'
// F32, F16 and BF16 map onto the same three. Layouts follow the GGUF block formats, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tandem {

enum class DType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
};

/// Every type that can be read, in the order of the enumeration.
std::span<const DType> AllDTypes();

/// The type with this GGUF number, or nullopt when it is not one of ours.
std::optional<DType> DTypeFromGguf(uint32_t number);
/// The type called `name` ("q4_k", any case), or nullopt.
std::optional<DType> DTypeFromName(std::string_view name);
/// Lower-case name, "q4_k". Also names types that exist in GGUF but that we do not read ("iq2_xs");
/// "unknown" beyond.
std::string_view GgufTypeName(uint32_t number);
inline std::string_view DTypeName(DType type) { return GgufTypeName(static_cast<uint32_t>(type)); }

/// Elements per block (1, 32 or 256). Rows are whole blocks.
int BlockElements(DType type);
/// Bytes per block.
int BlockBytes(DType type);
/// Bytes of a row of `elements`. REQUIRES: elements is a multiple of BlockElements(type).
size_t RowBytes(DType type, int64_t elements);

/// Unpacks a row of `elements` to float. REQUIRES: a multiple of BlockElements(type).
void DequantizeRow(DType type, const std::byte* source, float* target, int64_t elements);

/// Whether QuantizeRow can write `type` (all but the Q2_K, Q3_K and IQ types).
bool CanQuantize(DType type);
/// Packs a row: each block gets the scale (and minimum) that keeps its squared error small; no
/// importance weights. Finite input gives finite output.
/// REQUIRES: CanQuantize(type), elements is a multiple of BlockElements(type).
void QuantizeRow(DType type, const float* source, std::byte* target, int64_t elements);

}  // namespace tandem
