// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a broken array looks like at the runner's interface: a typed error within the time, nothing
// left behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/runner/emulator_runner.h"
#include "devices/npu/workbench/trial_designs.h"

namespace tandem::npu::test {
namespace {

using std::chrono::milliseconds;

constexpr Device kNpu1 = {Generation::kNpu1, 4};
constexpr Device kNpu2 = {Generation::kNpu2, 8};

/// A copy through the array, and whether it came out right.
class CopyArray {
 public:
  explicit CopyArray(EmulatorRunner& runner) : runner_(runner) {}

  void Configure() { runner_.Configure({CopyDesignName(kNpu1), MakeCopyDesign(kNpu1)}); }
  bool Run(milliseconds timeout) {
    std::vector<std::byte> from(4 * 4 * kCopyBlockWords);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7 + i / 251);
    std::vector<std::byte> to(from.size());
    const std::span<std::byte> arguments[] = {from, to};
    runner_.Run(EncodeSequence(CopySequence(kNpu1, 1)), arguments, timeout);
    return from == to;
  }

 private:
  EmulatorRunner& runner_;
};

/// What a fault makes of a run.
struct Broken {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;
  milliseconds took{0};
};
Broken RunBroken(EmulatorRunner& runner, Fault fault, milliseconds timeout, size_t op = 0) {
  Broken broken;
  runner.Inject(fault, op);
  const auto start = std::chrono::steady_clock::now();
  try {
    CopyArray(runner).Run(timeout);
    broken.message = "nothing noticed";
  } catch (const Error& error) {
    broken.kind = error.kind();
    broken.message = error.message();
  }
  broken.took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  return broken;
}

// By which progress is shown: what shims read and wrote, anew in each run.
TEST(NpuFaults, AWatchedRunTellsWhatWentBy) {
  Emulator array(kNpu1);
  array.Load(MakeCopyDesign(kNpu1));
  std::vector<std::byte> from(4 * 4 * kCopyBlockWords);
  std::vector<std::byte> to(from.size());
  const uint64_t addresses[] = {array.AddBuffer(from), array.AddBuffer(to)};
  for (int run = 0; run < 2; ++run) {
    std::vector<uint64_t> told;
    array.SetWatch([&](uint64_t bytes) { told.push_back(bytes); });
    ASSERT_FALSE(array.Run(EncodeSequence(CopySequence(kNpu1, 1)), addresses));
    EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
    EXPECT_GT(told.size(), 1U);
    EXPECT_EQ(told.back(), from.size() + to.size());
  }
}

TEST(NpuFaults, BrokenRunsAreTypedAndInTime) {
  const std::pair<Fault, const char*> faults[] = {
      {Fault::kHang, "stopped: operation 28 waits for a token of shim (0,0) S2MM 0"},
      {Fault::kSpin, "was not done after 150 ms: operation"},
      {Fault::kLostToken, "stopped: operation"},
      {Fault::kFalseToken, "said it was done before it was: shim (0,0) S2MM 0 had not finished"},
      {Fault::kVanish, "the device is gone"},
  };
  for (const auto& [fault, text] : faults) {
    EmulatorRunner runner(kNpu1);
    CopyArray copy(runner);
    copy.Configure();
    const Broken broken = RunBroken(runner, fault, milliseconds(150));
    EXPECT_EQ(broken.kind, ErrorKind::kDeviceLost) << text << ": " << broken.message;
    EXPECT_NE(broken.message.find(text), std::string::npos) << broken.message;
    EXPECT_LT(broken.took, milliseconds(5000)) << text;
    // Nobody runs on what is left of it.
    try {
      copy.Run(milliseconds(1000));
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(),
                fault == Fault::kVanish ? ErrorKind::kDeviceLost : ErrorKind::kInvalidArgument);
    }
    if (fault == Fault::kVanish) {
      EXPECT_THROW(copy.Configure(), Error);
    } else {
      copy.Configure();
      EXPECT_TRUE(copy.Run(milliseconds(10000))) << text;
    }
  }
}

TEST(NpuFaults, EveryOperationMayBeTheLast) {
  const size_t ops = EncodeSequence(CopySequence(kNpu1, 1)).ops.size();
  EmulatorRunner runner(kNpu1);
  CopyArray copy(runner);
  for (size_t op = 0; op < ops; ++op) {
    for (const Fault fault : {Fault::kHang, Fault::kLostToken}) {
      copy.Configure();
      // With the tokens that came before, the last wait may be over already.
      const Broken broken = RunBroken(runner, fault, milliseconds(1000), op);
      if (broken.message == "nothing noticed") continue;
      EXPECT_EQ(broken.kind, ErrorKind::kDeviceLost) << op << ": " << broken.message;
    }
    copy.Configure();
    EXPECT_TRUE(copy.Run(milliseconds(10000)));
  }
  copy.Configure();
  EXPECT_EQ(RunBroken(runner, Fault::kVanish, milliseconds(1000), ops - 1).kind,
            ErrorKind::kDeviceLost);
}

TEST(NpuFaults, WrongProgramsAndWrongUse) {
  EmulatorRunner runner(kNpu1);
  std::vector<std::byte> memory(64);
  const std::span<std::byte> arguments[] = {memory};
  const auto kind = [&](const Stream& stream) {
    try {
      runner.Run(stream, arguments, milliseconds(1000));
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  Stream stream;
  stream.device = kNpu1;
  stream.ops = {NoopOp{}};
  EXPECT_EQ(kind(stream), ErrorKind::kInvalidArgument);  // Not configured.
  EXPECT_THROW(runner.Configure({"copy-npu2", MakeCopyDesign(kNpu2)}), Error);
  CopyArray copy(runner);
  copy.Configure();
  EXPECT_EQ(kind(stream), ErrorKind::kInternal);  // Nothing to say.
  stream.ops = {WriteOp{0x0FFFFFFC, 1}};
  EXPECT_EQ(kind(stream), ErrorKind::kInvalidArgument);  // No such register.
  copy.Configure();
  stream.device = kNpu2;
  EXPECT_EQ(kind(stream), ErrorKind::kInvalidArgument);  // Another generation's.
  copy.Configure();
  // Arguments that the stream reaches beyond.
  EXPECT_EQ(kind(EncodeSequence(CopySequence(kNpu1, 1))), ErrorKind::kInvalidArgument);
  copy.Configure();
  EXPECT_TRUE(copy.Run(milliseconds(10000)));
}

}  // namespace
}  // namespace tandem::npu::test
