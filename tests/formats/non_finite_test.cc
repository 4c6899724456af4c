// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The oracle is unpacking: a block with a scale that is not finite unpacks to values that are not.
#include "formats/non_finite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace tandem {
namespace {

constexpr int64_t kElements = 256 * 64;

NonFinite ByUnpacking(DType type, const std::vector<std::byte>& data, int64_t elements) {
  std::vector<float> values(static_cast<size_t>(elements));
  DequantizeRow(type, data.data(), values.data(), elements);
  NonFinite found;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    if (found.count++ == 0) found.first = i;
  }
  found.first -= found.first % static_cast<uint64_t>(BlockElements(type));
  return found;
}

std::vector<std::byte> Zeros(DType type) {
  return std::vector<std::byte>(RowBytes(type, kElements));
}

// Any two neighbouring bytes of a block set to 0xff: what that makes infinite or no number when
// unpacked must be found, and nothing else.
TEST(NonFinite, EveryByteOfEveryType) {
  for (const DType type : AllDTypes()) {
    SCOPED_TRACE(DTypeName(type));
    const auto block = static_cast<size_t>(BlockBytes(type));
    int found_somewhere = 0;
    for (size_t byte = 0; byte + 1 < block; ++byte) {
      auto data = Zeros(type);
      const size_t at = 7 * block + byte;
      data[at] = data[at + 1] = std::byte{0xff};
      const NonFinite expected = ByUnpacking(type, data, kElements);
      const NonFinite found = FindNonFinite(type, data);
      EXPECT_EQ(found.count > 0, expected.count > 0) << "byte " << byte;
      if (found.count > 0) {
        EXPECT_EQ(found.first, expected.first) << "byte " << byte;
      }
      found_somewhere += found.count > 0 ? 1 : 0;
    }
    EXPECT_GT(found_somewhere, 0);
  }
}

// Scales are finite here, so no value may be reported; then one block in turn gets a bad scale.
TEST(NonFinite, RandomBlocks) {
  std::mt19937 random(3);
  for (const DType type : AllDTypes()) {
    if (!CanQuantize(type) && type != DType::kF32) continue;
    SCOPED_TRACE(DTypeName(type));
    std::vector<float> values(kElements);
    std::normal_distribution<float> normal;
    for (float& value : values) value = normal(random);
    auto data = Zeros(type);
    QuantizeRow(type, values.data(), data.data(), kElements);
    EXPECT_EQ(FindNonFinite(type, data).count, 0u);
    // An empty piece, and one at an odd address.
    EXPECT_EQ(FindNonFinite(type, {}).count, 0u);
    std::vector<std::byte> odd(data.size() + 1);
    std::memcpy(odd.data() + 1, data.data(), data.size());
    EXPECT_EQ(FindNonFinite(type, std::span(odd).subspan(1)).count, 0u);
  }
}

TEST(NonFinite, CountsAllAndSaysTheFirst) {
  std::vector<float> values(100000, 1.0f);
  const auto scan = [&] {
    return FindNonFinite(DType::kF32, std::as_bytes(std::span<const float>(values)));
  };
  EXPECT_EQ(scan().count, 0u);
  const float bad[] = {NAN, INFINITY, -INFINITY, -NAN};
  uint64_t first = values.size();
  std::mt19937 random(9);
  for (uint64_t count = 1; count <= 50; ++count) {
    size_t at = random() % values.size();
    while (!std::isfinite(values[at])) at = random() % values.size();
    values[at] = bad[count % 4];
    first = std::min<uint64_t>(first, at);
    EXPECT_EQ(scan().count, count);
    EXPECT_EQ(scan().first, first);
  }
  values.assign(values.size(), 3.4028235e38f);  // the largest float is one
  EXPECT_EQ(scan().count, 0u);
}

}  // namespace
}  // namespace tandem
