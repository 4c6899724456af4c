// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/memory_limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "core/control_groups.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class MemoryLimitsTest : public testing::Test {
 protected:
  MemoryLimitsTest() {
    Put("proc/meminfo",
        "MemTotal: 32 kB\nMemFree:  1 kB\nMemAvailable:    8000 kB\nSwapFree: 99 kB\n");
  }

  void Put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  TemporaryFolder temporary_;
  std::filesystem::path root_ = temporary_.path();
};

TEST_F(MemoryLimitsTest, WithoutLimitsOnlyTheMachineSpeaks) {
  const MemoryLimits limits = ReadMemoryLimits(root_);
  EXPECT_EQ(limits.available, 8000u * 1024);
  EXPECT_FALSE(limits.cgroup);
  EXPECT_FALSE(limits.address_space);
  std::filesystem::remove(root_ / "proc/meminfo");
  EXPECT_FALSE(ReadMemoryLimits(root_).available);
}

TEST_F(MemoryLimitsTest, Version2TakesTheLeastOfTheHierarchy) {
  Put("proc/self/cgroup", "0::/user.slice/app:1.scope\n");
  Put("sys/fs/cgroup/user.slice/app:1.scope/memory.max", "max\n");
  Put("sys/fs/cgroup/user.slice/app:1.scope/memory.current", "500\n");
  EXPECT_FALSE(ReadMemoryLimits(root_).cgroup);
  Put("sys/fs/cgroup/user.slice/memory.max", "10000\n");
  Put("sys/fs/cgroup/user.slice/memory.current", "4000\n");
  EXPECT_EQ(ReadMemoryLimits(root_).cgroup, 6000u);
  Put("sys/fs/cgroup/user.slice/memory.stat",
      "anon 1000\nfile 3000\ninactive_file 2000\nactive_file 500\nworkingset_inactive_file 7\n");
  EXPECT_EQ(ReadMemoryLimits(root_).cgroup, 8500u) << "cached files can be dropped";
  Put("sys/fs/cgroup/user.slice/app:1.scope/memory.max", "900\n");
  EXPECT_EQ(ReadMemoryLimits(root_).cgroup, 400u);
  Put("sys/fs/cgroup/memory.max", "100\n");
  Put("sys/fs/cgroup/memory.current", "300\n");
  EXPECT_EQ(ReadMemoryLimits(root_).cgroup, 0u) << "over the limit is no room, not much";
}

// What a container sees: its own group mounted at the top, under the path of the host or of another
// namespace.
TEST_F(MemoryLimitsTest, PathsThatAreNotMountedEndAtTheTop) {
  Put("sys/fs/cgroup/memory.max", "4096\n");
  Put("sys/fs/cgroup/memory.current", "96\n");
  for (const char* path : {"0::/\n", "0::/docker/0123\n", "0::/../../other\n", "0::\n"}) {
    Put("proc/self/cgroup", path);
    EXPECT_EQ(ReadMemoryLimits(root_).cgroup, 4000u) << path;
  }
}

TEST_F(MemoryLimitsTest, Version1AndBoth) {
  Put("proc/self/cgroup", "12:cpu,cpuacct:/x\n9:memory:/docker/1\n1:name=systemd:/y\n0::/z\n");
  Put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n");
  EXPECT_FALSE(ReadMemoryLimits(root_).cgroup);
  Put("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "5000\n");
  Put("sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "3000\n");
  Put("sys/fs/cgroup/memory/docker/1/memory.stat",
      "inactive_file 1\ntotal_inactive_file 200\ntotal_active_file 300\n");
  EXPECT_EQ(ReadMemoryLimits(root_).cgroup, 2500u);
  Put("sys/fs/cgroup/unified/z/memory.max", "70\n");
  EXPECT_EQ(ReadMemoryLimits(root_).cgroup, 70u);
}

TEST_F(MemoryLimitsTest, AddressSpaceIsWhatIsLeftOfTheLimit) {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  Put("proc/self/statm", "100 50 3 4 0 5 0\n");
  Put("proc/self/limits",
      "Limit                     Soft Limit           Hard Limit           Units\n"
      "Max address space         unlimited            unlimited            bytes\n");
  EXPECT_FALSE(ReadMemoryLimits(root_).address_space);
  Put("proc/self/limits", "Max address space         1048576000           unlimited       bytes\n");
  EXPECT_EQ(ReadMemoryLimits(root_).address_space, 1048576000 - 100 * page);
}

TEST_F(MemoryLimitsTest, NonsenseIsNoLimit) {
  for (const char* text : {"", "max", "\n", "-5", "x12", "99999999999999999999999"}) {
    EXPECT_FALSE(ParseCgroupBytes(text)) << text;
  }
  EXPECT_EQ(ParseCgroupBytes(" 12 \n"), 12u);
  EXPECT_FALSE(ParseMemAvailable("MemAvailable: 18446744073709551615 kB\n"));
  EXPECT_FALSE(ParseMemAvailable("MemAvailable"));
  EXPECT_FALSE(ParseCgroupPaths("::::").v1);
  EXPECT_FALSE(ParseCgroupPaths("0\n:\n").v2);
  EXPECT_EQ(ParseCgroupPaths("4:memory,cpu:/a:b").v1, "/a:b");
  EXPECT_FALSE(ParseAddressSpaceLimit("Max address space"));
}

TEST(MemoryLimits, OfThisProcessAreThere) {
  const MemoryLimits limits = ReadMemoryLimits();
  ASSERT_TRUE(limits.available);
  EXPECT_GT(*limits.available, uint64_t{1} << 20);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &limit), 0);
  EXPECT_EQ(limits.address_space.has_value(), limit.rlim_cur != RLIM_INFINITY);
}

}  // namespace
}  // namespace tandem
