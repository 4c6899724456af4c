// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/forkable_memory.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace tandem {
namespace {

constexpr size_t kSize = 100'000;

std::vector<std::byte> Content(const ForkableMemory& memory) {
  return {memory.data(), memory.data() + memory.size()};
}

TEST(ForkableMemory, StartsAsZeros) {
  const ForkableMemory memory(kSize);
  EXPECT_EQ(Content(memory), std::vector<std::byte>(kSize));
  EXPECT_EQ(ForkableMemory(0).data(), nullptr);
}

// A family of blocks forked and written at random against plain copies of their content.
TEST(ForkableMemory, ForksAreIndependentCopies) {
  std::mt19937 random(1);
  std::vector<ForkableMemory> blocks;
  std::vector<std::vector<std::byte>> expected;
  blocks.emplace_back(kSize);
  expected.emplace_back(kSize);
  for (int step = 0; step < 300; ++step) {
    const size_t which = random() % blocks.size();
    if (random() % 10 == 0) {
      const ForkableMemory::Range all[] = {{0, kSize / 2}, {kSize / 2, kSize}};
      const std::byte* address = blocks[which].data();
      ForkableMemory copy = blocks[which].Fork(all);
      EXPECT_EQ(blocks[which].data(), address);
      blocks.push_back(std::move(copy));
      expected.push_back(expected[which]);
    } else if (random() % 40 == 0 && blocks.size() > 1) {
      blocks.erase(blocks.begin() + static_cast<int64_t>(which));
      expected.erase(expected.begin() + static_cast<int64_t>(which));
    } else {
      const size_t at = random() % kSize;
      const auto value = static_cast<std::byte>(random());
      blocks[which].data()[at] = value;
      expected[which][at] = value;
    }
  }
  for (size_t i = 0; i < blocks.size(); ++i) EXPECT_EQ(Content(blocks[i]), expected[i]);
}

TEST(ForkableMemory, LaterForksCarryTheUsedRanges) {
  ForkableMemory first(kSize);
  first.data()[10] = std::byte{1};
  const ForkableMemory second = first.Fork({});
  first.data()[20] = std::byte{2};
  first.data()[90'000] = std::byte{3};
  const ForkableMemory::Range used[] = {{0, 50}};
  const ForkableMemory third = first.Fork(used);
  EXPECT_EQ(second.data()[10], std::byte{1});
  EXPECT_EQ(second.data()[20], std::byte{0});
  EXPECT_EQ(third.data()[10], std::byte{1});
  EXPECT_EQ(third.data()[20], std::byte{2});
  EXPECT_EQ(third.data()[90'000], std::byte{0});
}

}  // namespace
}  // namespace tandem
