// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/dtype.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>

namespace tandem {
namespace {

TEST(DType, NumbersAndNamesRoundTrip) {
  std::set<std::string_view> names;
  for (const DType type : AllDTypes()) {
    EXPECT_EQ(DTypeFromGguf(static_cast<uint32_t>(type)), type);
    EXPECT_EQ(DTypeFromName(DTypeName(type)), type);
    std::string upper(DTypeName(type));
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_EQ(DTypeFromName(upper), type);
    EXPECT_TRUE(names.insert(DTypeName(type)).second) << DTypeName(type);
  }
  EXPECT_EQ(names.size(), 15u);
}

TEST(DType, OtherNumbersAndNamesAreNotOurs) {
  std::set<uint32_t> ours;
  for (const DType type : AllDTypes()) ours.insert(static_cast<uint32_t>(type));
  for (uint32_t number = 0; number < 100; ++number) {
    EXPECT_EQ(DTypeFromGguf(number).has_value(), ours.contains(number)) << number;
    if (!ours.contains(number)) {
      EXPECT_FALSE(DTypeFromName(GgufTypeName(number))) << number;
    }
  }
  EXPECT_FALSE(DTypeFromGguf(0xffffffffu));
  EXPECT_EQ(GgufTypeName(17), "iq2_xs");
  EXPECT_EQ(GgufTypeName(4), "unknown");  // retired
  EXPECT_EQ(GgufTypeName(0xffffffffu), "unknown");
  EXPECT_FALSE(DTypeFromName(""));
  EXPECT_FALSE(DTypeFromName("q4_"));
  EXPECT_FALSE(DTypeFromName("q4_k "));
}

// Bits per weight as the formats' descriptions give them.
TEST(DType, SizesGiveTheKnownBitsPerWeight) {
  const struct {
    DType type;
    int block;
    double bits;
  } expected[] = {
      {DType::kF32, 1, 32},        {DType::kF16, 1, 16},      {DType::kBF16, 1, 16},
      {DType::kQ4_0, 32, 4.5},     {DType::kQ4_1, 32, 5},     {DType::kQ5_0, 32, 5.5},
      {DType::kQ5_1, 32, 6},       {DType::kQ8_0, 32, 8.5},   {DType::kQ2_K, 256, 2.625},
      {DType::kQ3_K, 256, 3.4375}, {DType::kQ4_K, 256, 4.5},  {DType::kQ5_K, 256, 5.5},
      {DType::kQ6_K, 256, 6.5625}, {DType::kIQ4_NL, 32, 4.5}, {DType::kIQ4_XS, 256, 4.25},
  };
  ASSERT_EQ(std::size(expected), AllDTypes().size());
  for (const auto& row : expected) {
    EXPECT_EQ(BlockElements(row.type), row.block) << DTypeName(row.type);
    EXPECT_EQ(8.0 * BlockBytes(row.type), row.bits * row.block) << DTypeName(row.type);
    EXPECT_EQ(8.0 * static_cast<double>(RowBytes(row.type, 2048)), row.bits * 2048);
    EXPECT_EQ(RowBytes(row.type, 0), 0u);
  }
}

TEST(DType, CanQuantizeAllButTheSmallKAndIqTypes) {
  const std::set<DType> unwritable = {DType::kQ2_K, DType::kQ3_K, DType::kIQ4_NL, DType::kIQ4_XS};
  for (const DType type : AllDTypes()) {
    EXPECT_EQ(CanQuantize(type), !unwritable.contains(type)) << DTypeName(type);
  }
}

}  // namespace
}  // namespace tandem
