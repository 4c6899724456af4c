// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/gemm_design.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/design/design_builder.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {
namespace {

// Lanes between tiles.
constexpr int kLaneA = 0;
constexpr int kLaneB = 1;
constexpr Port kEastA = {PortType::kEast, 0};
constexpr Port kWestA = {PortType::kWest, 0};

/// Who has its results where: sums that leave as they are, or a narrower copy.
bool Narrows(GemmOutput output) { return OutputBytes(output) < 4; }

class Maker {
 public:
  explicit Maker(const GemmConfig& config) : config_(config), builder_(config.device) {}

  Design Run() {
    for (int column = 0; column < config_.device.columns; ++column) {
      AddShim(column);
      AddMemory(column);
      for (int row = 0; row < kCoreRows; ++row) AddCore(column, row);
    }
    RouteA();
    return builder_.Take();
  }

 private:
  bool IsSource(int column) const {
    for (int row = 0; row < kCoreRows; ++row) {
      if (SourceColumn(config_.device, row) == column) return true;
    }
    return false;
  }

  void AddShim(int column) {
    ShimMux mux{ShimTile(column), {}};
    if (IsSource(column)) builder_.SendUp(column, 0, kLaneA, mux);
    builder_.SendUp(column, 1, kLaneB, mux);
    builder_.FinishShim(column, std::move(mux));
  }

  void AddMemory(int column) {
    if (IsSource(column)) builder_.PassUp(column, "a", 0, kLaneA, 0, TileABytes(config_), 0);
    builder_.PassUp(column, "b", 1, kLaneB, 0x10000, TileBBytes(config_), 2);
    builder_.GatherResults(column, 0x20000, TileCBytes(config_));
  }

  void AddCore(int column, int row) {
    const Tile tile = CoreTile(column, row);
    const int64_t b_bytes = TileBBytes(config_);
    const bool four = config_.type == GemmType::kI4;
    const bool narrows = Narrows(config_.output);
    // 1 KB of stack, B twice, what B becomes or results become; A twice and the sums above
    // them.
    int64_t low = 0x400;
    const auto place_low = [&](const std::string& name, int64_t bytes) {
      const size_t buffer = builder_.AddBuffer(tile, name, low, bytes);
      low += bytes;
      return buffer;
    };
    const size_t b[] = {place_low("b0", b_bytes), place_low("b1", b_bytes)};
    const size_t wide = four ? place_low("wide", int64_t{kTileKI8} * kTileN) : 0;
    const size_t narrow = narrows ? place_low("c", TileCBytes(config_)) : 0;
    constexpr int64_t kSums = 0xC000;
    const int64_t a_bytes = TileABytes(config_);
    const size_t a[] = {builder_.AddBuffer(tile, "a0", kSums - 2 * a_bytes, a_bytes),
                        builder_.AddBuffer(tile, "a1", kSums - a_bytes, a_bytes)};
    const size_t sums = builder_.AddBuffer(tile, "sums", kSums, int64_t{kTileSumBytes});
    const size_t result = narrows ? narrow : sums;

    const size_t a_locks = builder_.AddLocks(tile, "a", 0, 2);
    const size_t b_locks = builder_.AddLocks(tile, "b", 2, 2);
    const size_t c_locks = builder_.AddLocks(tile, "c", 4, 1);
    builder_.AddRing(tile, Direction::kS2mm, 0, 0, {a[0], a[1]}, 0);
    builder_.AddRing(tile, Direction::kS2mm, 1, 2, {b[0], b[1]}, 2);
    builder_.AddRing(tile, Direction::kMm2s, 0, 4, {result}, 4);

    const std::string gemm = config_.type == GemmType::kBf16
                                 ? "gemm_bf16"
                                 : fmt::format("gemm_{}_{}", GemmTypeName(config_.type),
                                               GenerationName(config_.device.generation));
    LoopStep forever;
    const auto add = [&](std::vector<CoreStep>& to, auto step) {
      to.push_back(CoreStep{std::move(step)});
    };
    for (const int half : {0, 1}) {
      add(forever.body, AcquireStep{a_locks + 1});
      add(forever.body, AcquireStep{b_locks + 1});
      // Sums that leave themselves must have left before the next begin.
      WhenStep first{b[half], 0, kFirstOfSum, {}};
      add(first.body, AcquireStep{c_locks});
      if (!narrows) add(forever.body, first);
      std::vector<size_t> buffers = {a[half], b[half]};
      if (four) buffers.push_back(wide);
      buffers.push_back(sums);
      add(forever.body, CallStep{gemm, buffers});
      WhenStep last{b[half], 0, kLastOfSum, {}};
      if (narrows) {
        add(last.body, AcquireStep{c_locks});
        add(last.body, CallStep{fmt::format("narrow_{}", GemmOutputName(config_.output)),
                                {b[half], sums, narrow}});
      }
      add(last.body, ReleaseStep{c_locks + 1});
      add(forever.body, last);
      add(forever.body, ReleaseStep{a_locks});
      add(forever.body, ReleaseStep{b_locks});
    }
    Core core{tile, {}, {}};
    add(core.program, forever);
    builder_.AddCore(std::move(core));

    // B comes from below and goes on; results go down.
    builder_.Connect(tile, SouthPort(kLaneB), DmaPort(1));
    if (row + 1 < kCoreRows) builder_.Connect(tile, SouthPort(kLaneB), NorthPort(kLaneB));
    builder_.SendResultsDown(column, row);
  }

  /// A enters a row in its source column and goes both ways.
  void RouteA() {
    const int last = config_.device.columns - 1;
    for (int row = 0; row < kCoreRows; ++row) {
      const int source = SourceColumn(config_.device, row);
      for (int below = 0; below < row; ++below) {
        builder_.Connect(CoreTile(source, below), SouthPort(kLaneA), NorthPort(kLaneA));
      }
      for (int column = 0; column <= last; ++column) {
        const Tile tile = CoreTile(column, row);
        const Port from = column == source ? SouthPort(kLaneA) : column < source ? kEastA : kWestA;
        builder_.Connect(tile, from, DmaPort(0));
        if (column >= source && column < last) builder_.Connect(tile, from, kEastA);
        if (column <= source && column > 0) builder_.Connect(tile, from, kWestA);
      }
    }
  }

  const GemmConfig& config_;
  DesignBuilder builder_;
};

}  // namespace

void CheckGemmConfig(const GemmConfig& config) {
  const int columns = config.device.columns;
  if ((columns != 4 && columns != 8) || columns > MaxColumns(config.device.generation)) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("a product on {} columns: the design takes 4, or all 8 of npu2", columns));
  }
  const bool integers = config.output == GemmOutput::kI8 || config.output == GemmOutput::kI16 ||
                        config.output == GemmOutput::kI32;
  const bool can = [&] {
    switch (config.type) {
      case GemmType::kI8: return integers;
      case GemmType::kI4: return config.output == GemmOutput::kI32;
      case GemmType::kBf16: return !integers;
      case GemmType::kW4Bf16: break;
    }
    return false;
  }();
  if (!can) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("there is no design that multiplies {} to {}",
                            GemmTypeName(config.type), GemmOutputName(config.output)));
  }
}

int64_t TileABytes(const GemmConfig& /*config*/) { return int64_t{kTileABytes}; }
int64_t TileBBytes(const GemmConfig& config) {
  return static_cast<int64_t>(config.type == GemmType::kI4 ? kTileB4Bytes : kTileBBytes);
}
int64_t TileCBytes(const GemmConfig& config) {
  return int64_t{kTileM} * kTileN * OutputBytes(config.output);
}

Design MakeGemmDesign(const GemmConfig& config) {
  CheckGemmConfig(config);
  return Maker(config).Run();
}

}  // namespace tandem::npu
