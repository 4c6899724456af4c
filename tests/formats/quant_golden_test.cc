// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Against files that tools/make_quant_golden.py wrote with the gguf package.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "core/float_types.h"
#include "formats/dtype.h"

namespace tandem {
namespace {

std::vector<std::byte> ReadGolden(const std::string& name) {
  std::ifstream file("data/quant/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<std::byte> result(bytes.size());
  if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

std::vector<float> ToFloats(const std::byte* bytes, size_t count) {
  std::vector<float> floats(count);
  std::memcpy(floats.data(), bytes, count * sizeof(float));
  return floats;
}

double SquaredError(const std::vector<float>& a, const float* b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return sum;
}

class Unpack : public testing::TestWithParam<DType> {};

// Bit for bit: a scale is a half times an integer of at most 8 bits, exact in float; the product
// with the element and the subtraction of the minimum round once each, as in the golden's float32
// arithmetic (no fused operations on either side).
TEST_P(Unpack, EqualsGoldenBitForBit) {
  constexpr int64_t kElements = 1024;
  const DType type = GetParam();
  const std::vector<std::byte> file = ReadGolden("unpack_" + std::string(DTypeName(type)) + ".bin");
  const size_t row_bytes = RowBytes(type, kElements);
  ASSERT_EQ(file.size(), row_bytes + kElements * sizeof(float));
  const std::vector<float> golden = ToFloats(file.data() + row_bytes, kElements);

  std::vector<float> whole(kElements + 1, 77.0f);
  DequantizeRow(type, file.data(), whole.data(), kElements);
  for (int64_t i = 0; i < kElements; ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(whole[i]), std::bit_cast<uint32_t>(golden[i]))
        << "element " << i << ": " << whole[i] << " for " << golden[i];
  }
  EXPECT_EQ(whole[kElements], 77.0f);

  // The same from an odd address, a block at a time.
  std::vector<std::byte> shifted(row_bytes + 1);
  std::memcpy(shifted.data() + 1, file.data(), row_bytes);
  const int64_t step = BlockElements(type);
  std::vector<float> pieces(kElements);
  for (int64_t at = 0; at < kElements; at += step) {
    DequantizeRow(type, shifted.data() + 1 + RowBytes(type, at), pieces.data() + at, step);
  }
  EXPECT_EQ(std::memcmp(pieces.data(), whole.data(), kElements * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, Unpack,
                         testing::ValuesIn(AllDTypes().begin(), AllDTypes().end()),
                         [](const auto& test) { return std::string(DTypeName(test.param)); });

TEST(UnpackFloats, EveryHalfAndBfloatAsInCore) {
  std::vector<uint16_t> patterns(0x10000);
  for (size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<uint16_t>(i);
  const auto* bytes = reinterpret_cast<const std::byte*>(patterns.data());
  std::vector<float> halves(patterns.size());
  std::vector<float> bfloats(patterns.size());
  DequantizeRow(DType::kF16, bytes, halves.data(), 0x10000);
  DequantizeRow(DType::kBF16, bytes, bfloats.data(), 0x10000);
  for (size_t i = 0; i < patterns.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(halves[i]), std::bit_cast<uint32_t>(HalfToFloat(patterns[i])))
        << i;
    ASSERT_EQ(std::bit_cast<uint32_t>(bfloats[i]), i << 16);
  }
}

class PackLegacy : public testing::TestWithParam<DType> {};

// gguf puts a block's largest value at the end of the range; the search must do better on each row.
TEST_P(PackLegacy, ErrorOfEachRowIsBelowTheGgufPackages) {
  constexpr int64_t kRows = 16;
  constexpr int64_t kColumns = 256;
  const DType type = GetParam();
  const std::vector<std::byte> file = ReadGolden("pack_rows.bin");
  const std::vector<std::byte> theirs = ReadGolden("pack_" + std::string(DTypeName(type)) + ".bin");
  const size_t row_bytes = RowBytes(type, kColumns);
  ASSERT_EQ(file.size(), kRows * kColumns * sizeof(float));
  ASSERT_EQ(theirs.size(), kRows * row_bytes);
  const std::vector<float> rows = ToFloats(file.data(), kRows * kColumns);
  for (int64_t row = 0; row < kRows; ++row) {
    const float* x = rows.data() + row * kColumns;
    std::vector<std::byte> packed(row_bytes);
    std::vector<float> ours(kColumns);
    std::vector<float> golden(kColumns);
    QuantizeRow(type, x, packed.data(), kColumns);
    DequantizeRow(type, packed.data(), ours.data(), kColumns);
    DequantizeRow(type, theirs.data() + static_cast<size_t>(row) * row_bytes, golden.data(),
                  kColumns);
    EXPECT_LT(SquaredError(ours, x), SquaredError(golden, x)) << "row " << row;
  }
}

INSTANTIATE_TEST_SUITE_P(LegacyTypes, PackLegacy,
                         testing::Values(DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                                         DType::kQ8_0),
                         [](const auto& test) { return std::string(DTypeName(test.param)); });

}  // namespace
}  // namespace tandem
