// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Core programs: what they do in the emulated array, what is said of those that wait, and which are
// refused. Kernels have tests of their own.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/emulator/emulator.h"
#include "devices/npu/isa/registers.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu::test {
namespace {

constexpr Tile kTile{0, 2};
constexpr Device kDevice{Generation::kNpu1, 1};

template <typename Step>
CoreStep Make(Step step) {
  return CoreStep{std::move(step)};
}

/// A core with locks 0 to 2 (values 0, 2, 0), lock 3 of the core above, and buffers: 0 of two words
/// {0, 6}, then a tile's header, sums and what comes of them for narrow_i8, and whose turn it is.
Design Base(std::vector<CoreStep> program) {
  Design design;
  design.device = kDevice;
  for (const auto& [id, init] : {std::pair{0, 0}, std::pair{1, 2}, std::pair{2, 0}}) {
    design.locks.push_back({"l" + std::to_string(id), kTile, id, init});
  }
  design.locks.push_back({"above", {0, 3}, 3, 0});
  const auto add = [&](int64_t address, int64_t bytes, std::vector<uint8_t> init) {
    design.buffers.push_back({"b", kTile, address, ElementType::kI8, bytes, std::move(init)});
  };
  add(0x400, 8, {0, 0, 0, 0, 6, 0, 0, 0});
  add(0x800, kTileHeaderBytes, {});
  add(0x8000, kTileSumBytes, {1, 2, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF});
  add(0x1000, kTileM * kTileN, {});
  add(0x2800, sizeof(TileTurn), {});
  design.cores.push_back({kTile, {}, std::move(program)});
  return design;
}

uint32_t LockValue(Emulator& emulator, int id, Tile tile = kTile) {
  return emulator.array().Read(AddressOf(tile, LockOffset(TileKind::kCore, id)));
}

TEST(NpuCore, LoopsLocksConditionsCalls) {
  LoopStep inner{2, {Make(ReleaseStep{0, 3})}};
  WhenStep no{0, 0, 0xFF, {Make(ReleaseStep{2, 9})}};
  WhenStep yes{0, 1, 4, {Make(ReleaseStep{2, 1}), Make(CallStep{"narrow_i8", {1, 1, 4, 2, 3}})}};
  Emulator emulator(kDevice);
  emulator.Load(Base({Make(LoopStep{3, {Make(inner), Make(ReleaseStep{3, 1})}}), Make(no),
                      Make(yes), Make(AcquireStep{1, 2, false})}));
  emulator.Settle();
  EXPECT_EQ(LockValue(emulator, 0), 18U);
  EXPECT_EQ(LockValue(emulator, 3, {0, 3}), 3U);
  EXPECT_EQ(LockValue(emulator, 2), 1U);
  EXPECT_EQ(LockValue(emulator, 1), 0U);
  // 0x201 is held at 127, -1 stays.
  EXPECT_EQ(emulator.array().Read(AddressOf(kTile, 0x1000)), 0x0000FF7FU);
  EXPECT_TRUE(emulator.array().Waiting().empty());
}

TEST(NpuCore, StoppedAndStartedByItsRegister) {
  Emulator emulator(kDevice);
  emulator.Load(Base({Make(ReleaseStep{0, 1}), Make(AcquireStep{2, 1}), Make(ReleaseStep{0, 5})}));
  const uint32_t control = AddressOf(kTile, kCoreControlOffset);
  const uint32_t lock = AddressOf(kTile, LockOffset(TileKind::kCore, 2));
  emulator.Settle();
  EXPECT_EQ(LockValue(emulator, 0), 1U);
  // Without enable it does not see its lock.
  emulator.array().Write(control, 0);
  emulator.array().Write(lock, 1);
  emulator.Settle();
  EXPECT_EQ(LockValue(emulator, 0), 1U);
  EXPECT_TRUE(emulator.array().Waiting().empty());
  emulator.array().Write(control, kCoreEnable);
  emulator.Settle();
  EXPECT_EQ(LockValue(emulator, 0), 6U);
  // A reset begins again.
  emulator.array().Write(control, kCoreReset);
  emulator.array().Write(control, kCoreEnable);
  emulator.Settle();
  EXPECT_EQ(LockValue(emulator, 0), 7U);
}

TEST(NpuCore, StallsSayWhoWaitsForWhat) {
  Emulator emulator(kDevice);
  emulator.Load(Base({Make(LoopStep{0, {Make(AcquireStep{1, 1}), Make(ReleaseStep{0, 1})}})}));
  Stream wait;
  wait.device = kDevice;
  wait.ops.push_back(SyncOp{});
  const std::optional<Stall> stall = emulator.Run(wait);
  ASSERT_TRUE(stall);
  EXPECT_EQ(stall->waits_for, "a token of shim (0,0) S2MM 0");
  ASSERT_EQ(stall->waiting.size(), 1U);
  EXPECT_EQ(
      stall->waiting[0],
      "core tile (0,2): the core waits for lock 1 of core tile (0,2) to be at least 1; it is 0");
}

TEST(NpuCore, WrongProgramsAreRefused) {
  const auto refuse = [](std::vector<CoreStep> program, const std::string& says) {
    try {
      Emulator(kDevice).Load(Base(std::move(program)));
      ADD_FAILURE() << "took what should say " << says;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_NE(std::string(error.message()).find("core tile (0,2), program: " + says),
                std::string::npos)
          << error.message();
    }
  };
  refuse({Make(CallStep{"no_such", {}})}, "there is no kernel no_such");
  refuse({Make(CallStep{"narrow_i8", {1, 2}})}, "narrow_i8 takes 5 buffers, and got 2");
  refuse({Make(CallStep{"narrow_i8", {1, 1, 4, 0, 3}})}, "narrow_i8 needs 16384 bytes");
  refuse({Make(CallStep{"narrow_i8", {1, 1, 4, 9, 3}})}, "there is no buffer 9");
  refuse({Make(AcquireStep{7, 1})}, "there is no lock 7");
  refuse({Make(AcquireStep{0, 64})}, "a lock's value of 64");
  refuse({Make(ReleaseStep{0, 0})}, "a lock's value of 0");
  refuse({Make(LoopStep{3, {}})}, "a loop of nothing");
  refuse({Make(RepeatStep{0, 1, {}})}, "a loop of nothing");
  refuse({Make(RepeatStep{0, 2, {Make(ReleaseStep{0, 1})}})}, "a condition needs 12 bytes");
  refuse({Make(WhenStep{0, 2, 1, {}})}, "a condition needs 12 bytes");
  refuse({Make(WhenStep{0, -1, 1, {}})}, "a word before its buffer");
  Design far = Base({Make(ReleaseStep{3, 1})});
  far.locks[3].tile = {0, 4};
  EXPECT_THROW(Emulator(kDevice).Load(far), Error);
  Design other = Base({Make(CallStep{"narrow_i8", {1, 1, 4, 2, 3}})});
  other.buffers[2].tile = Tile{0, 3};
  EXPECT_THROW(Emulator(kDevice).Load(other), Error);
}

// As often as a word says: not at all, and six times.
TEST(NpuCore, RepeatsAsAWordSays) {
  Emulator emulator(kDevice);
  emulator.Load(Base({Make(RepeatStep{0, 0, {Make(ReleaseStep{0, 1})}}),
                      Make(LoopStep{2, {Make(RepeatStep{0, 1, {Make(ReleaseStep{2, 1})}})}})}));
  emulator.Settle();
  EXPECT_EQ(LockValue(emulator, 0), 0U);
  EXPECT_EQ(LockValue(emulator, 2), 12U);
}

TEST(NpuCore, LocksThatLeaveTheirRange) {
  Emulator emulator(kDevice);
  emulator.Load(Base({Make(LoopStep{0, {Make(ReleaseStep{0, 40})}})}));
  EXPECT_THROW(emulator.Settle(), Error);
}

}  // namespace
}  // namespace tandem::npu::test
