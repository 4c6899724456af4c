// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The tools of this folder: calls fail when they are told to and only then, and Torture() sees what
// it is there to see.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/error.h"
#include "faults/torture.h"
#include "support/fault.h"
#include "support/model_test.h"

namespace tandem::test {
namespace {

// A block that the compiler cannot do without.
void Touch(void* block) { asm volatile("" : : "r"(block) : "memory"); }

void NewAndDelete() {
  const auto block = std::make_unique<int>(1);
  Touch(block.get());
}

TEST(FaultInjection, FailsTheAskedAllocationOnly) {
  const FaultInjection injection({.call = Call::kAllocation, .nth = 2, .error = ENOMEM});
  NewAndDelete();
  EXPECT_FALSE(injection.fired());
  EXPECT_THROW(NewAndDelete(), std::bad_alloc);
  EXPECT_TRUE(injection.fired());
  EXPECT_FALSE(injection.fired_softly());
  NewAndDelete();
  EXPECT_GE(injection.Count(Call::kAllocation), 3u);
}

TEST(FaultInjection, LastsWhenAskedTo) {
  bool first = true;
  int thrown = 0;
  {
    FaultInjection injection(
        {.call = Call::kAllocation, .nth = 2, .error = ENOMEM, .lasting = true});
    for (int i = 0; i < 3; ++i) {
      try {
        NewAndDelete();
      } catch (const std::bad_alloc&) {
        ++thrown;
        first = first && i > 0;
      }
    }
  }
  EXPECT_EQ(thrown, 2);
  EXPECT_TRUE(first);
  NewAndDelete();
}

TEST(FaultInjection, KnowsEveryFormOfNew) {
  struct alignas(128) Wide {
    char bytes[128];
  };
  const std::function<void()> forms[] = {
      [] { Touch(std::make_unique<char[]>(3).get()); },
      [] { Touch(std::make_unique<Wide>().get()); },
      [] { Touch(std::make_unique<Wide[]>(2).get()); },
  };
  for (const auto& form : forms) {
    const int64_t before = LiveBlocks();
    FaultInjection injection({.call = Call::kAllocation, .nth = 1, .error = ENOMEM});
    EXPECT_THROW(form(), std::bad_alloc);
    form();
    injection.Stop();
    EXPECT_EQ(LiveBlocks(), before);
  }
  FaultInjection injection({.call = Call::kAllocation, .nth = 1, .error = ENOMEM});
  const std::unique_ptr<int> none(new (std::nothrow) int);
  EXPECT_EQ(none, nullptr);
  EXPECT_TRUE(injection.fired_softly());
  const std::unique_ptr<Wide> some(new (std::nothrow) Wide);
  EXPECT_NE(some, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(some.get()) % 128, 0u);
}

TEST(FaultInjection, CountsTheCallsOfOtherThreads) {
  bool thrown = false;
  std::thread thread;
  {
    std::atomic<bool> go{false};
    thread = std::thread([&] {
      while (!go) std::this_thread::yield();
      try {
        NewAndDelete();
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
    });
    const FaultInjection injection({.call = Call::kAllocation, .nth = 1, .error = ENOMEM});
    go = true;
    thread.join();
    EXPECT_EQ(injection.Count(Call::kAllocation), 1u);
  }
  EXPECT_TRUE(thrown);
}

// Each kind of call but allocations: done once as it is, and once failing.
TEST(FaultInjection, FailsCallsToTheSystem) {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  std::ofstream(path) << "four";
  const int fd = ::open(path.c_str(), O_RDWR);
  ASSERT_GE(fd, 0);
  char byte = 0;
  std::filesystem::create_symlink("file", folder / "link");
  DIR* const list = ::opendir(folder.path().c_str());
  const auto close_new = [](int result) { return result >= 0 && ::close(result) == 0; };
  const std::pair<Call, std::function<bool()>> calls[] = {
      {Call::kThread,
       [] {
         try {
           std::thread([] {}).join();
         } catch (const std::system_error&) {
           return false;
         }
         return true;
       }},
      {Call::kOpen, [&] { return close_new(::open(path.c_str(), O_RDONLY)); }},
      {Call::kOpen, [&] { return close_new(::openat(AT_FDCWD, path.c_str(), O_RDONLY)); }},
      {Call::kOpen,
       [&] {
         DIR* opened = ::opendir(folder.path().c_str());
         return opened != nullptr && ::closedir(opened) == 0;
       }},
      {Call::kStat, [&] { return std::filesystem::exists(path); }},
      {Call::kStat,
       [&] {
         struct stat status {};
         return ::fstat(fd, &status) == 0;
       }},
      {Call::kList, [&] { return ::readdir(list) != nullptr; }},
      {Call::kLink,
       [&] {
         char target[8];
         return ::readlink((folder / "link").c_str(), target, sizeof target) > 0;
       }},
      {Call::kLink, [&] { return std::filesystem::canonical(path) != ""; }},
      {Call::kMap,
       [&] {
         void* address = ::mmap(nullptr, 4, PROT_READ, MAP_PRIVATE, fd, 0);
         return address != MAP_FAILED && ::munmap(address, 4) == 0;
       }},
      {Call::kMemoryFile, [&] { return close_new(::memfd_create("test", 0)); }},
      {Call::kResize, [&] { return ::ftruncate(fd, 4) == 0; }},
      {Call::kRead, [&] { return ::read(fd, &byte, 1) == 1; }},
      {Call::kWrite, [&] { return ::write(fd, &byte, 1) == 1; }},
      {Call::kSync, [&] { return ::fsync(fd) == 0; }},
      {Call::kRename, [&] { return ::rename(path.c_str(), path.c_str()) == 0; }},
      {Call::kMode, [&] { return ::fchmod(fd, 0600) == 0; }},
  };
  for (const auto& [call, action] : calls) {
    SCOPED_TRACE(CallName(call));
    EXPECT_TRUE(action());
    FaultInjection injection({.call = call, .nth = 1, .error = EXDEV});
    bool failed = true;
    try {
      failed = !action();
    } catch (const std::filesystem::filesystem_error& error) {
      EXPECT_EQ(error.code().value(), EXDEV);
    }
    const int code = errno;
    EXPECT_TRUE(failed);
    if (call != Call::kThread && call != Call::kStat) {
      EXPECT_EQ(code, EXDEV);
    }
    EXPECT_TRUE(action());
    EXPECT_GE(injection.Count(call), 2u);
  }
  ::closedir(list);
  ::close(fd);
}

TEST(FaultInjection, TransfersLessWhenAskedTo) {
  const TemporaryFolder folder;
  const int fd = ::open((folder / "file").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_GE(fd, 0);
  char bytes[9] = "12345678";
  {
    const FaultInjection injection({.call = Call::kWrite, .nth = 1, .error = Fault::kShort});
    EXPECT_EQ(::write(fd, bytes, 8), 4);
    EXPECT_EQ(::write(fd, bytes, 8), 8);
  }
  EXPECT_EQ(::lseek(fd, 0, SEEK_SET), 0);
  const FaultInjection injection({.call = Call::kRead, .nth = 1, .error = Fault::kShort});
  EXPECT_EQ(::read(fd, bytes, 8), 4);
  EXPECT_EQ(std::string(bytes, 4), "1234");
  ::close(fd);
}

/// A scenario with `run` for all that it does.
class Small : public Scenario {
 public:
  explicit Small(std::function<void()> run) : run_(std::move(run)) {}
  void Run() override { run_(); }
  void CheckDone() override { EXPECT_FALSE(broken); }
  void CheckFailed() override { EXPECT_FALSE(broken); }
  bool IsPublic() const override { return is_public; }
  bool broken = false;
  bool is_public = false;

 private:
  std::function<void()> run_;
};

// Failures that Torture() reports of a scenario.
int Failures(Scenario& scenario, std::initializer_list<Call> expected) {
  ::testing::TestPartResultArray results;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results);
    Torture("small", scenario, expected);
  }
  return results.size();
}

void Allocate() {
  std::vector<int> values;
  for (int i = 0; i < 9; ++i) values.push_back(i);
  Touch(values.data());
}

TEST(Torture, IsContentWithWhatIsRight) {
  Small scenario(Allocate);
  EXPECT_EQ(Failures(scenario, {Call::kAllocation}), 0);
}

TEST(Torture, SeesCallsThatNobodyNamed) {
  Small scenario(Allocate);
  EXPECT_GT(Failures(scenario, {}), 0);
  EXPECT_GT(Failures(scenario, {Call::kAllocation, Call::kWrite}), 0);
}

TEST(Torture, SeesAFaultThatIsSwallowed) {
  Small scenario([] {
    try {
      Allocate();
    } catch (const std::bad_alloc&) {
    }
  });
  EXPECT_GT(Failures(scenario, {Call::kAllocation}), 0);
}

TEST(Torture, SeesOtherExceptions) {
  Small scenario([] {
    try {
      Allocate();
    } catch (const std::bad_alloc&) {
      throw std::runtime_error("no memory");
    }
  });
  EXPECT_GT(Failures(scenario, {Call::kAllocation}), 0);
}

TEST(Torture, SeesWhatOnlyTheLibraryMayThrow) {
  Small scenario(Allocate);
  scenario.is_public = true;
  EXPECT_GT(Failures(scenario, {Call::kAllocation}), 0);
}

TEST(Torture, SeesTheWrongKindOfError) {
  Small scenario([] {
    try {
      Allocate();
    } catch (const std::bad_alloc&) {
      throw Error(ErrorKind::kCorruptFile, "no memory");
    }
  });
  EXPECT_GT(Failures(scenario, {Call::kAllocation}), 0);
}

TEST(Torture, SeesLeaks) {
  std::vector<std::unique_ptr<int>> lost;
  lost.reserve(10000);
  Small memory([&] {
    try {
      Allocate();
    } catch (const std::bad_alloc&) {
      lost.push_back(std::make_unique<int>(1));
      throw;
    }
  });
  EXPECT_GT(Failures(memory, {Call::kAllocation}), 0);
  int fd = -1;
  Small descriptor([&] {
    fd = ::memfd_create("test", 0);
    Allocate();
    ::close(fd);
  });
  EXPECT_GT(Failures(descriptor, {Call::kAllocation, Call::kMemoryFile}), 0);
}

TEST(Torture, SeesWhatAScenarioSees) {
  Small scenario([] {});
  Small* self = &scenario;
  scenario = Small([self] {
    self->broken = true;
    Allocate();
    self->broken = false;
  });
  EXPECT_GT(Failures(scenario, {Call::kAllocation}), 0);
}

}  // namespace
}  // namespace tandem::test
