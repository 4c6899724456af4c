// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/processors.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <numeric>
#include <random>
#include <string>

#include "support/temporary_folder.h"

namespace tandem {
namespace {

// A machine whose processors first to last each have `figures` set.
Machine Describe(int count, const std::function<void(Processor&)>& figures) {
  Machine machine;
  for (int id = 0; id < count; ++id) {
    Processor p;
    p.id = p.core = id;
    figures(p);
    machine.processors.push_back(p);
  }
  return machine;
}

std::vector<int> Range(int first, int end) {
  std::vector<int> ids(static_cast<size_t>(end - first));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

// Zen 4, 8 cores of 2 threads; siblings are neighbours. Its cores are binned: not a second kind.
Machine Ryzen7840HS() {
  constexpr int kRanking[] = {196, 191, 181, 176, 171, 166, 186, 196};
  return Describe(16, [&](Processor& p) {
    p.core = p.id / 2 * 2;
    p.max_khz = 5137000;
    p.highest_perf = kRanking[p.id / 2];
  });
}

// 4 Zen 5 and 8 Zen 5c; siblings are 12 apart.
Machine RyzenAi370() {
  return Describe(24, [](Processor& p) {
    p.core = p.id % 12;
    p.max_khz = p.core < 4 ? 5157895 : 3305000;
    p.highest_perf = p.core < 4 ? 196 : 126;
  });
}

// 4 fast cores of 2 threads, 8 slow ones of 1.
Machine IntelHybrid() {
  return Describe(16, [](Processor& p) {
    p.core = p.id < 8 ? p.id / 2 * 2 : p.id;
    p.efficient = p.id >= 8;
    p.max_khz = p.id < 8 ? 4700000 : 3400000;
  });
}

TEST(PlanThreads, OnePerCoreWhereCoresAreOfOneKind) {
  const ThreadPlan plan = PlanThreads(Ryzen7840HS());
  EXPECT_EQ(plan.threads, 8);
  ASSERT_EQ(plan.order.size(), 16u);
  const std::vector<int> firsts(plan.order.begin(), plan.order.begin() + 8);
  EXPECT_EQ(firsts, (std::vector<int>{0, 14, 2, 12, 4, 6, 8, 10})) << "the best binned first";
  for (size_t i = 8; i < 16; ++i) EXPECT_EQ(plan.order[i] % 2, 1);
}

TEST(PlanThreads, FastCoresOfHybridParts) {
  const ThreadPlan amd = PlanThreads(RyzenAi370());
  EXPECT_EQ(amd.threads, 4);
  EXPECT_EQ(std::vector<int>(amd.order.begin(), amd.order.begin() + 12), Range(0, 12));
  const ThreadPlan intel = PlanThreads(IntelHybrid());
  EXPECT_EQ(intel.threads, 4);
  EXPECT_EQ(intel.order, (std::vector<int>{0, 2, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 1, 3, 5, 7}));
}

TEST(PlanThreads, EachSourceOfSpeedServesAlone) {
  const auto with = [](int64_t Processor::*figure, int64_t fast, int64_t slow) {
    return PlanThreads(Describe(12, [&](Processor& p) { p.*figure = p.id < 4 ? fast : slow; }));
  };
  EXPECT_EQ(with(&Processor::capacity, 1024, 623).threads, 4);
  EXPECT_EQ(with(&Processor::max_khz, 5000000, 3500000).threads, 4);
  EXPECT_EQ(with(&Processor::highest_perf, 255, 160).threads, 4);
  EXPECT_EQ(with(&Processor::highest_perf, 255, 0).threads, 12) << "half of it is not known";
}

// Two fast cores and eight slow ones: the slow ones together do more.
TEST(PlanThreads, FewFastCoresGetHelp) {
  Machine machine = Describe(12, [](Processor& p) {
    p.core = p.id < 4 ? p.id / 2 * 2 : p.id;
    p.efficient = p.id >= 4;
  });
  EXPECT_EQ(PlanThreads(machine).threads, 10);
  EXPECT_EQ(PlanThreads(machine).order.front(), 0);
}

TEST(PlanThreads, AVirtualMachineThatTellsNothing) {
  const ThreadPlan plan = PlanThreads(Describe(6, [](Processor&) {}));
  EXPECT_EQ(plan.threads, 6);
  EXPECT_EQ(plan.order, Range(0, 6));
  EXPECT_EQ(PlanThreads({}).threads, 1);
}

TEST(PlanThreads, QuotaOfAContainer) {
  Machine machine = Ryzen7840HS();
  for (const auto& [quota, threads] :
       {std::pair{1.5, 2}, {1.4, 1}, {0.1, 1}, {4.0, 4}, {99.0, 8}}) {
    machine.quota = quota;
    EXPECT_EQ(PlanThreads(machine).threads, threads) << quota;
  }
}

// taskset to some of the processors: second threads of a core, and slow cores alone.
TEST(PlanThreads, OnlyWhatTheProcessMayUseCounts) {
  Machine machine = RyzenAi370();
  std::erase_if(machine.processors, [](const Processor& p) { return p.id != 1 && p.id != 13; });
  EXPECT_EQ(PlanThreads(machine).threads, 1);
  machine = RyzenAi370();
  std::erase_if(machine.processors, [](const Processor& p) { return p.core < 4; });
  EXPECT_EQ(PlanThreads(machine).threads, 8);
}

class ReadMachineTest : public testing::Test {
 protected:
  void Put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void PutCpu(int id, const std::string& file, const std::string& text) {
    Put(fmt::format("sys/devices/system/cpu/cpu{}/{}", id, file), text);
  }

  TemporaryFolder temporary_;
  std::filesystem::path root_ = temporary_.path();
};

TEST_F(ReadMachineTest, FilesOfLinux) {
  for (const int id : {0, 1, 2, 3}) {
    PutCpu(id, "topology/core_cpus_list", fmt::format("{},{}\n", id % 2, id % 2 + 2));
    PutCpu(id, "cpufreq/cpuinfo_max_freq", id % 2 == 0 ? "5100000\n" : "3300000\n");
    PutCpu(id, "acpi_cppc/highest_perf", "196\n");
    PutCpu(id, "cpu_capacity", "1024\n");
  }
  Put("sys/devices/cpu_atom/cpus", "1,3\n");
  const Machine machine = ReadMachine({0, 1, 3}, root_);
  ASSERT_EQ(machine.processors.size(), 3u);
  EXPECT_EQ(machine.processors[2].id, 3);
  EXPECT_EQ(machine.processors[2].core, 1);
  EXPECT_TRUE(machine.processors[2].efficient);
  EXPECT_FALSE(machine.processors[0].efficient);
  EXPECT_EQ(machine.processors[2].max_khz, 3300000);
  EXPECT_EQ(machine.processors[0].highest_perf, 196);
  EXPECT_EQ(machine.processors[0].capacity, 1024);
  EXPECT_EQ(machine.quota, 0);
}

TEST_F(ReadMachineTest, OlderNameOfTheSiblings) {
  PutCpu(1, "topology/thread_siblings_list", "0-1\n");
  EXPECT_EQ(ReadMachine({1}, root_).processors[0].core, 0);
}

TEST_F(ReadMachineTest, QuotasOfBothVersions) {
  Put("proc/self/cgroup", "0::/a/b\n");
  Put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(ReadQuota(root_), 0);
  Put("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  EXPECT_EQ(ReadQuota(root_), 1.5);
  Put("sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(ReadQuota(root_), 1.0);
  Put("proc/self/cgroup", "3:cpu,cpuacct:/docker/1\n");
  Put("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
  Put("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(ReadQuota(root_), 0);
  Put("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(ReadQuota(root_), 2.5);
}

// Whatever the files hold, there is a plan that uses each processor once.
TEST_F(ReadMachineTest, NonsenseIsNotKnown) {
  std::mt19937 random(7);
  const std::string pieces[] = {
      "",    "-1",  "0",  "1",    ",",       "-", "0-3",        "99999999999",
      "max", "1-0", "\n", "0x10", "1048577", " ", "4294967295", "-9223372036854775808"};
  const auto nonsense = [&] {
    std::string text;
    for (auto n = random() % 4; n > 0; --n) text += pieces[random() % std::size(pieces)];
    return text;
  };
  for (int round = 0; round < 60; ++round) {
    for (int id = 0; id < 4; ++id) {
      for (const char* file :
           {"topology/core_cpus_list", "topology/thread_siblings_list", "cpu_capacity",
            "cpufreq/cpuinfo_max_freq", "acpi_cppc/highest_perf"}) {
        PutCpu(id, file, nonsense());
      }
    }
    Put("sys/devices/cpu_atom/cpus", nonsense());
    Put("proc/self/cgroup", "0::/x" + nonsense());
    Put("sys/fs/cgroup/cpu.max", nonsense() + " " + nonsense());
    ThreadPlan plan = PlanThreads(ReadMachine(Range(0, 4), root_));
    EXPECT_GE(plan.threads, 1);
    EXPECT_LE(plan.threads, 4);
    std::sort(plan.order.begin(), plan.order.end());
    EXPECT_EQ(plan.order, Range(0, 4));
  }
}

TEST(ProcessorList, Strictly) {
  EXPECT_EQ(ParseProcessorList("0-2,8\n"), (std::vector<int>{0, 1, 2, 8}));
  EXPECT_EQ(ParseProcessorList("5"), (std::vector<int>{5}));
  for (const char* text : {"", "a", "1-", "-1", "3-1", "1,,2", "0-4000000000", "1;2", "0-65536"}) {
    EXPECT_FALSE(ParseProcessorList(text)) << text;
  }
}

TEST(CpuMax, Strictly) {
  EXPECT_EQ(ParseCpuMax("150000 100000\n"), 1.5);
  for (const char* text : {"", "max 100000", "1", "1 0", "0 1", "-1 5", "a b"}) {
    EXPECT_FALSE(ParseCpuMax(text)) << text;
  }
}

TEST(AllowedProcessors, OfThisProcess) {
  const std::vector<int> allowed = AllowedProcessors();
  ASSERT_FALSE(allowed.empty());
  EXPECT_TRUE(std::is_sorted(allowed.begin(), allowed.end()));
  const ThreadPlan plan = PlanThreads(ReadMachine(allowed));
  EXPECT_LE(plan.threads, static_cast<int>(allowed.size()));
}

}  // namespace
}  // namespace tandem
