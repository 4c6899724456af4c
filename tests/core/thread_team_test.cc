// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/thread_team.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "core/error.h"
#include "core/processors.h"

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

TEST(ThreadTeam, PinnedThreadsStayOnOneProcessorAndTheCallerIsLeftAlone) {
  const std::vector<int> before = AllowedProcessors();
  ThreadTeam team(3, true);
  EXPECT_EQ(AllowedProcessors(), before);
  std::vector<std::vector<int>> seen(3);
  // Every worker takes at least one index, since each waits for the others.
  std::atomic<int> arrived = 0;
  team.ParallelFor(3, 1, [&](int64_t, int64_t, int worker) {
    seen[static_cast<size_t>(worker)] = AllowedProcessors();
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  const std::vector<int> order = PlanThreads(ReadMachine(before)).order;
  for (const size_t worker : {1u, 2u}) {
    EXPECT_EQ(seen[worker], std::vector<int>{order[worker % order.size()]});
  }
}

TEST(ThreadTeam, AsksThePlanForItsSize) {
  EXPECT_EQ(TeamSize(5), 5);
  EXPECT_EQ(TeamSize(0), PlanThreads(ReadMachine(AllowedProcessors())).threads);
  EXPECT_EQ(ThreadTeam(0).size(), TeamSize(0));
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

// Sanitizers need more address space than the limit below leaves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)

[[noreturn]] void StartTooManyThreads() {
  // Too little address space for the stacks of so many.
  const rlimit limit{rlim_t{1} << 30, rlim_t{1} << 30};
  ::setrlimit(RLIMIT_AS, &limit);
  try {
    const ThreadTeam team(1000);
  } catch (const Error& error) {
    std::_Exit(error.kind() == ErrorKind::kResource ? 3 : 4);
  }
  std::_Exit(0);
}

// Where the system has no more threads to give, the team says so and leaves none behind.
TEST(ThreadTeam, SaysWhenThreadsCannotBeStarted) {
  EXPECT_EXIT(StartTooManyThreads(), testing::ExitedWithCode(3), "");
}

#endif

}  // namespace
}  // namespace tandem
