// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/non_finite.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "formats/quant_blocks.h"

namespace tandem {
namespace {

// Blocks counted before the sum is looked at: short enough to find the first one again quickly.
constexpr size_t kRun = 4096;

/// Values of type T at `offset` of each block of `stride` bytes, whose exponent bits are all set.
template <typename T>
void Scan(std::span<const std::byte> data, size_t stride, size_t offset, T exponent,
          int block_elements, NonFinite& found) {
  const size_t blocks = data.size() / stride;
  const auto is_bad = [&](size_t block) {
    T bits;
    std::memcpy(&bits, data.data() + block * stride + offset, sizeof bits);
    return (bits & exponent) == exponent;
  };
  for (size_t begin = 0; begin < blocks; begin += kRun) {
    const size_t end = std::min(blocks, begin + kRun);
    uint32_t bad = 0;
    for (size_t block = begin; block < end; ++block) bad += is_bad(block) ? 1 : 0;
    if (bad == 0) continue;
    size_t block = begin;
    while (!is_bad(block)) ++block;
    const uint64_t element = block * static_cast<uint64_t>(block_elements);
    found.first = found.count == 0 ? element : std::min(found.first, element);
    found.count += bad;
  }
}

constexpr uint16_t kHalfExponent = 0x7c00;

template <typename... Offsets>
NonFinite ScanHalves(DType type, std::span<const std::byte> data, Offsets... offsets) {
  const auto stride = static_cast<size_t>(BlockBytes(type));
  NonFinite found;
  (Scan<uint16_t>(data, stride, offsets, kHalfExponent, BlockElements(type), found), ...);
  return found;
}

}  // namespace

NonFinite FindNonFinite(DType type, std::span<const std::byte> data) {
  using namespace quant;
  assert(data.size() % static_cast<size_t>(BlockBytes(type)) == 0);
  NonFinite found;
  switch (type) {
    case DType::kF32: Scan<uint32_t>(data, 4, 0, 0x7f800000, 1, found); return found;
    case DType::kBF16: Scan<uint16_t>(data, 2, 0, 0x7f80, 1, found); return found;
    case DType::kF16: return ScanHalves(type, data, size_t{0});
    case DType::kQ4_0: return ScanHalves(type, data, offsetof(Q4_0Block, d));
    case DType::kQ4_1:
      return ScanHalves(type, data, offsetof(Q4_1Block, d), offsetof(Q4_1Block, m));
    case DType::kQ5_0: return ScanHalves(type, data, offsetof(Q5_0Block, d));
    case DType::kQ5_1:
      return ScanHalves(type, data, offsetof(Q5_1Block, d), offsetof(Q5_1Block, m));
    case DType::kQ8_0: return ScanHalves(type, data, offsetof(Q8_0Block, d));
    case DType::kQ2_K:
      return ScanHalves(type, data, offsetof(Q2KBlock, d), offsetof(Q2KBlock, dmin));
    case DType::kQ3_K: return ScanHalves(type, data, offsetof(Q3KBlock, d));
    case DType::kQ4_K:
      return ScanHalves(type, data, offsetof(Q4KBlock, d), offsetof(Q4KBlock, dmin));
    case DType::kQ5_K:
      return ScanHalves(type, data, offsetof(Q5KBlock, d), offsetof(Q5KBlock, dmin));
    case DType::kQ6_K: return ScanHalves(type, data, offsetof(Q6KBlock, d));
    case DType::kIQ4_NL: return ScanHalves(type, data, offsetof(Iq4NlBlock, d));
    case DType::kIQ4_XS: return ScanHalves(type, data, offsetof(Iq4XsBlock, d));
  }
  return found;
}

}  // namespace tandem
