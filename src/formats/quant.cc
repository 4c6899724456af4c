// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <cassert>
#include <cstring>

#include "formats/dtype.h"
#include "formats/quant_blocks.h"

namespace tandem {

void DequantizeRow(DType type, const std::byte* source, float* target, int64_t elements) {
  assert(elements >= 0 && elements % BlockElements(type) == 0);
  const int64_t small = elements / quant::kSmall;
  const int64_t super = elements / quant::kSuper;
  switch (type) {
    case DType::kF32:
      if (elements > 0) std::memcpy(target, source, RowBytes(type, elements));
      return;
    case DType::kF16: return quant::DequantizeF16(source, target, elements);
    case DType::kBF16: return quant::DequantizeBf16(source, target, elements);
    case DType::kQ4_0: return quant::DequantizeQ4_0(source, target, small);
    case DType::kQ4_1: return quant::DequantizeQ4_1(source, target, small);
    case DType::kQ5_0: return quant::DequantizeQ5_0(source, target, small);
    case DType::kQ5_1: return quant::DequantizeQ5_1(source, target, small);
    case DType::kQ8_0: return quant::DequantizeQ8_0(source, target, small);
    case DType::kQ2_K: return quant::DequantizeQ2K(source, target, super);
    case DType::kQ3_K: return quant::DequantizeQ3K(source, target, super);
    case DType::kQ4_K: return quant::DequantizeQ4K(source, target, super);
    case DType::kQ5_K: return quant::DequantizeQ5K(source, target, super);
    case DType::kQ6_K: return quant::DequantizeQ6K(source, target, super);
    case DType::kIQ4_NL: return quant::DequantizeIq4Nl(source, target, small);
    case DType::kIQ4_XS: return quant::DequantizeIq4Xs(source, target, super);
  }
  assert(false && "not a DType");
}

bool CanQuantize(DType type) {
  switch (type) {
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS: return false;
    default: return true;
  }
}

void QuantizeRow(DType type, const float* source, std::byte* target, int64_t elements) {
  assert(elements >= 0 && elements % BlockElements(type) == 0);
  const int64_t small = elements / quant::kSmall;
  const int64_t super = elements / quant::kSuper;
  switch (type) {
    case DType::kF32:
      if (elements > 0) std::memcpy(target, source, RowBytes(type, elements));
      return;
    case DType::kF16: return quant::QuantizeF16(source, target, elements);
    case DType::kBF16: return quant::QuantizeBf16(source, target, elements);
    case DType::kQ4_0: return quant::QuantizeQ4_0(source, target, small);
    case DType::kQ4_1: return quant::QuantizeQ4_1(source, target, small);
    case DType::kQ5_0: return quant::QuantizeQ5_0(source, target, small);
    case DType::kQ5_1: return quant::QuantizeQ5_1(source, target, small);
    case DType::kQ8_0: return quant::QuantizeQ8_0(source, target, small);
    case DType::kQ4_K: return quant::QuantizeQ4K(source, target, super);
    case DType::kQ5_K: return quant::QuantizeQ5K(source, target, super);
    case DType::kQ6_K: return quant::QuantizeQ6K(source, target, super);
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS: break;
  }
  assert(false && "a type that QuantizeRow cannot write");
}

}  // namespace tandem
