// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/thread_team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace tandem {
namespace {

TEST(ThreadTeam, CoversEveryIndexOnceOnGrainBorders) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadTeam team(threads);
    for (const int64_t count : {0, 1, 7, 64, 1001}) {
      for (const int64_t grain : {1, 4, 32}) {
        std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
        team.ParallelFor(count, grain, [&](int64_t begin, int64_t end, int worker) {
          EXPECT_EQ(begin % grain, 0);
          EXPECT_LT(worker, team.size());
          for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
        });
        for (const auto& hit : hits) ASSERT_EQ(hit.load(), 1);
      }
    }
  }
}

TEST(ThreadTeam, RethrowsAndStaysUsable) {
  ThreadTeam team(4);
  const auto fail = [](int64_t begin, int64_t, int) {
    if (begin > 0) throw std::runtime_error("share failed");
  };
  EXPECT_THROW(team.ParallelFor(100, 1, fail), std::runtime_error);
  std::atomic<int64_t> sum = 0;
  team.ParallelFor(100, 1, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
  EXPECT_EQ(sum.load(), 100);
}

}  // namespace
}  // namespace tandem
