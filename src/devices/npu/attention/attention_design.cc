// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/attention/attention_design.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/kernels/attention_tile.h"

namespace tandem::npu {
namespace {

// Lanes between tiles, upwards and between the columns of a group.
constexpr int kLaneKeys = 0;
constexpr int kLaneValues = 1;

static_assert(kJobQueries == kGroupCores * kAttentionQueries && kMostHeadDim == kAttentionDims);

constexpr auto kTile = static_cast<int64_t>(kAttentionTileBytes);
constexpr auto kSums = static_cast<int64_t>(kAttentionSumBytes);
constexpr int64_t kStack = 0x400;
constexpr int64_t kCoreMemory = kStack + 5 * kTile + kSums +
                                static_cast<int64_t>(sizeof(AttentionState)) +
                                static_cast<int64_t>(kAttentionScoreBytes + kAttentionWeightBytes);
static_assert(kCoreMemory <= 0x10000);

class Maker {
 public:
  explicit Maker(const Device& device) : builder_(device) {}

  Design Run() {
    for (int column = 0; column < builder_.device().columns; ++column) {
      const bool left = column % kGroupColumns == 0;
      const int lane = left ? kLaneKeys : kLaneValues;
      ShimMux mux{ShimTile(column), {}};
      builder_.SendUp(column, 0, lane, mux);
      builder_.FinishShim(column, std::move(mux));
      builder_.PassUp(column, left ? "k" : "v", 0, lane, 0, kTile, 0);
      builder_.GatherResults(column, 0x20000, kSums);
      for (int row = 0; row < kCoreRows; ++row) AddCore(column, row, left);
    }
    return builder_.Take();
  }

 private:
  void AddCore(int column, int row, bool left) {
    const Tile tile = CoreTile(column, row);
    int64_t address = kStack;
    const auto place = [&](const std::string& name, size_t bytes) {
      const size_t buffer = builder_.AddBuffer(tile, name, address, static_cast<int64_t>(bytes));
      address += static_cast<int64_t>(bytes);
      return buffer;
    };
    const size_t k[] = {place("k0", kAttentionTileBytes), place("k1", kAttentionTileBytes)};
    const size_t v[] = {place("v0", kAttentionTileBytes), place("v1", kAttentionTileBytes)};
    const size_t queries = place("q", kAttentionTileBytes);
    const size_t state = place("state", sizeof(AttentionState));
    const size_t scratch = place("scores", kAttentionScoreBytes);
    const size_t weights = place("weights", kAttentionWeightBytes);
    const size_t sums = place("sums", kAttentionSumBytes);

    const size_t k_locks = builder_.AddLocks(tile, "k", 0, 2);
    const size_t v_locks = builder_.AddLocks(tile, "v", 2, 2);
    const size_t sum_locks = builder_.AddLocks(tile, "sums", 4, 1);
    builder_.AddRing(tile, Direction::kS2mm, 0, 0, {k[0], k[1]}, 0);
    builder_.AddRing(tile, Direction::kS2mm, 1, 2, {v[0], v[1]}, 2);
    builder_.AddRing(tile, Direction::kMm2s, 0, 4, {sums}, 4);

    LoopStep forever;
    const auto add = [](std::vector<CoreStep>& to, auto step) {
      to.push_back(CoreStep{std::move(step)});
    };
    for (const int half : {0, 1}) {
      add(forever.body, AcquireStep{k_locks + 1});
      add(forever.body, AcquireStep{v_locks + 1});
      // The left column's queries come with the keys, the right one's with the values.
      const size_t own = left ? k[half] : v[half];
      WhenStep start{own, 0, kAttentionIsQueries << row, {}};
      add(start.body, CallStep{"attention_queries", {own, queries, state}});
      add(forever.body, start);
      WhenStep keys{k[half], 0, kAttentionIsKeys, {}};
      add(keys.body, CallStep{"attention_keys", {k[half], queries, state, scratch, weights}});
      add(forever.body, keys);
      add(forever.body, ReleaseStep{k_locks});

      WhenStep values{v[half], 0, kAttentionIsKeys, {}};
      // Sums must have left before the next begin.
      WhenStep first{state, 0, kAttentionFirst, {}};
      add(first.body, AcquireStep{sum_locks});
      add(values.body, first);
      add(values.body, CallStep{"attention_values", {v[half], state, weights, sums}});
      WhenStep last{state, 0, kAttentionLast, {}};
      add(last.body, CallStep{"attention_finish", {queries, state, sums}});
      add(last.body, ReleaseStep{sum_locks + 1});
      add(values.body, last);
      add(forever.body, values);
      add(forever.body, ReleaseStep{v_locks});
    }
    Core core{tile, {}, {}};
    add(core.program, forever);
    builder_.AddCore(std::move(core));

    // Either stream goes up its own column, and across from every core of it.
    const int own = left ? kLaneKeys : kLaneValues;
    const int other = left ? kLaneValues : kLaneKeys;
    const PortType across = left ? PortType::kEast : PortType::kWest;
    builder_.Connect(tile, SouthPort(own), DmaPort(own));
    if (row + 1 < kCoreRows) builder_.Connect(tile, SouthPort(own), NorthPort(own));
    builder_.Connect(tile, SouthPort(own), {across, own});
    builder_.Connect(tile, {across, other}, DmaPort(other));
    builder_.SendResultsDown(column, row);
  }

  DesignBuilder builder_;
};

}  // namespace

void CheckAttentionDevice(const Device& device) {
  if ((device.columns != 4 && device.columns != 8) ||
      device.columns > MaxColumns(device.generation)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("attention on {} columns: the design takes 4, or all 8 of npu2",
                            device.columns));
  }
}

Design MakeAttentionDesign(const Device& device) {
  CheckAttentionDevice(device);
  return Maker(device).Run();
}

}  // namespace tandem::npu
