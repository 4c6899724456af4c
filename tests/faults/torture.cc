// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "faults/torture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace tandem::test {
namespace {

// Runs of one kind of fault, when not all are asked for.
constexpr uint64_t kSample = 24;

bool AllAreAskedFor() {
  const char* value = std::getenv("TANDEM_FAULTS");
  return value != nullptr && std::string_view(value) == "all";
}

enum class Effect {
  kFails,     ///< Run() must throw.
  kHarmless,  ///< Run() must do what it always does.
};

/// A way in which calls of a kind fail.
struct Variant {
  Call call;
  int error;
  bool lasting;
  Effect effect;
};

constexpr Variant kVariants[] = {
    {Call::kAllocation, ENOMEM, false, Effect::kFails},
    {Call::kAllocation, ENOMEM, true, Effect::kFails},
    {Call::kThread, EAGAIN, false, Effect::kFails},
    {Call::kThread, EAGAIN, true, Effect::kFails},
    {Call::kOpen, EMFILE, false, Effect::kFails},
    {Call::kOpen, EIO, true, Effect::kFails},
    {Call::kStat, EIO, false, Effect::kFails},
    {Call::kStat, EIO, true, Effect::kFails},
    {Call::kList, EIO, false, Effect::kFails},
    {Call::kLink, EIO, false, Effect::kFails},
    {Call::kMap, ENOMEM, false, Effect::kFails},
    {Call::kMap, ENOMEM, true, Effect::kFails},
    // Forks then copy.
    {Call::kMemoryFile, ENOSYS, false, Effect::kHarmless},
    {Call::kMemoryFile, EMFILE, true, Effect::kHarmless},
    {Call::kResize, ENOSPC, false, Effect::kFails},
    {Call::kRead, EIO, false, Effect::kFails},
    {Call::kRead, EINTR, false, Effect::kHarmless},
    {Call::kRead, Fault::kShort, false, Effect::kHarmless},
    {Call::kRead, Fault::kShort, true, Effect::kHarmless},
    {Call::kWrite, EIO, false, Effect::kFails},
    {Call::kWrite, ENOSPC, true, Effect::kFails},
    {Call::kWrite, EINTR, false, Effect::kHarmless},
    {Call::kWrite, Fault::kShort, false, Effect::kHarmless},
    {Call::kWrite, Fault::kShort, true, Effect::kHarmless},
    {Call::kSync, EIO, false, Effect::kFails},
    {Call::kSync, ENOSPC, true, Effect::kFails},
    {Call::kRename, EIO, false, Effect::kFails},
    {Call::kMode, EPERM, false, Effect::kHarmless},
};

// What is being run, for the line that a crash leaves.
std::array<char, 256> g_current;

extern "C" void PrintCurrent(int) {
  [[maybe_unused]] const auto ignored =
      ::write(STDERR_FILENO, g_current.data(), std::strlen(g_current.data()));
}

std::string Describe(const Fault& fault) {
  const std::string what = fault.error == Fault::kShort ? "short" : std::strerror(fault.error);
  return fmt::format("{} {} fails: {}{}", CallName(fault.call), fault.nth, what,
                     fault.lasting ? ", and all that follow" : "");
}

struct Counts {
  std::array<uint64_t, kCalls> of{};
  uint64_t operator[](Call call) const { return of[static_cast<size_t>(call)]; }
};

/// How a run ended.
struct Outcome {
  bool fired = false;
  bool fired_softly = false;
  bool done = false;
  std::optional<ErrorKind> kind;  ///< Of the Error thrown.
  bool no_memory = false;         ///< std::bad_alloc was.
  std::string text;
  Counts counts;
};

Outcome RunWith(Scenario& scenario, const Fault& fault) {
  Outcome outcome;
  FaultInjection injection(fault);
  try {
    scenario.Run();
    injection.Stop();
    outcome.done = true;
  } catch (const Error& error) {
    injection.Stop();
    outcome.kind = error.kind();
    outcome.text = error.message();
  } catch (const std::bad_alloc&) {
    injection.Stop();
    outcome.no_memory = true;
  } catch (const std::exception& error) {
    injection.Stop();
    outcome.text = error.what();
  }
  outcome.fired = injection.fired();
  outcome.fired_softly = injection.fired_softly();
  for (size_t i = 0; i < kCalls; ++i) outcome.counts.of[i] = injection.Count(static_cast<Call>(i));
  return outcome;
}

/// What must be the same before and after.
struct Balance {
  int64_t blocks = LiveBlocks();
  int64_t mappings = LiveMappings();
  int64_t descriptors = OpenDescriptors();
};

void CheckBalance(const Balance& before) {
  const Balance after;
  EXPECT_EQ(after.blocks, before.blocks) << "memory leaks";
  EXPECT_EQ(after.mappings, before.mappings) << "mappings leak";
  EXPECT_EQ(after.descriptors, before.descriptors) << "descriptors leak";
}

void CheckError(const Outcome& outcome, Call call, bool is_public) {
  if (outcome.no_memory) {
    EXPECT_TRUE(call == Call::kAllocation && !is_public) << "std::bad_alloc";
    return;
  }
  ASSERT_TRUE(outcome.kind) << "not a tandem::Error: " << outcome.text;
  const bool resource = call == Call::kAllocation || call == Call::kThread || call == Call::kMap ||
                        call == Call::kResize;
  const bool io = call != Call::kAllocation && call != Call::kThread;
  EXPECT_TRUE((io && outcome.kind == ErrorKind::kIo) ||
              (resource && outcome.kind == ErrorKind::kResource))
      << ErrorKindName(*outcome.kind) << ": " << outcome.text;
}

// From Prepare() to Clear(), with `fault`.
void RunThrough(Scenario& scenario, const Fault& fault, Effect effect, uint64_t count) {
  scenario.Prepare();
  const Outcome outcome = RunWith(scenario, fault);
  EXPECT_EQ(outcome.fired, fault.nth > 0 && fault.nth <= count);
  if (outcome.done) {
    EXPECT_TRUE(!outcome.fired || effect == Effect::kHarmless || outcome.fired_softly ||
                scenario.MayIgnore(fault, count))
        << "nobody noticed";
    scenario.CheckDone();
  } else {
    EXPECT_TRUE(outcome.fired && effect == Effect::kFails) << outcome.text;
    CheckError(outcome, fault.call, scenario.IsPublic());
    scenario.CheckFailed();
  }
  scenario.Clear();
}

// The calls of a run without a fault, which has to succeed.
Counts PlainCounts(Scenario& scenario) {
  scenario.Prepare();
  const Outcome outcome = RunWith(scenario, {});
  EXPECT_TRUE(outcome.done) << outcome.text;
  if (outcome.done) scenario.CheckDone();
  scenario.Clear();
  return outcome.counts;
}

std::vector<uint64_t> Numbers(uint64_t count) {
  const uint64_t runs = AllAreAskedFor() ? count : std::min(count, kSample);
  std::vector<uint64_t> numbers;
  for (uint64_t i = 0; i < runs; ++i) {
    numbers.push_back(1 + (runs == 1 ? 0 : i * (count - 1) / (runs - 1)));
  }
  return numbers;
}

std::string CallsMade(const Counts& counts) {
  std::string made;
  for (size_t i = 0; i < kCalls; ++i) {
    if (counts.of[i] > 0) made += fmt::format("{}, ", CallName(static_cast<Call>(i)));
  }
  return made;
}

}  // namespace

void Torture(const std::string& name, Scenario& scenario, std::initializer_list<Call> expected) {
  ::signal(SIGABRT, PrintCurrent);
  // The first run makes what is made once and kept.
  PlainCounts(scenario);
  const Counts counts = PlainCounts(scenario);
  std::string made;
  for (const Call call : expected) made += fmt::format("{}, ", CallName(call));
  ASSERT_EQ(CallsMade(counts), made);
  if (::testing::Test::HasFailure()) return;
  uint64_t runs = 0;
  std::string report;
  for (const Call call : expected) report += fmt::format(", {} {}", counts[call], CallName(call));
  for (const Variant& variant : kVariants) {
    const uint64_t count = counts[variant.call];
    if (count == 0) continue;
    std::vector<uint64_t> numbers = Numbers(count);
    // One beyond the last never happens: there are no calls that a count missed.
    numbers.push_back(count + 1);
    for (const uint64_t nth : numbers) {
      const Fault fault{variant.call, nth, variant.error, variant.lasting};
      const std::string description = fmt::format("{}: {}", name, Describe(fault));
      const auto end =
          fmt::format_to_n(g_current.data(), g_current.size() - 2, "{}\n", description);
      *end.out = '\0';
      SCOPED_TRACE(description);
      const Balance before;
      RunThrough(scenario, fault, variant.effect, count);
      CheckBalance(before);
      if (::testing::Test::HasFailure()) return;
      if (nth <= count) ++runs;
    }
  }
  fmt::print("{}: {} faults injected{}\n", name, runs, report);
}

}  // namespace tandem::test
