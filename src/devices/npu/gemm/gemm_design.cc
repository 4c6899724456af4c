// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/gemm_design.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/isa/descriptor.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {
namespace {

/// Tiles of A and of B that wait in a memory tile.
constexpr int kDepth = 4;
/// Results of a core that wait there.
constexpr int kResultDepth = 2;

// Lanes between tiles: A and B go up, A along its row, and the results of core row r down on lane
// r.
constexpr int kLaneA = 0;
constexpr int kLaneB = 1;

constexpr Port Dma(int channel) { return {PortType::kDma, channel}; }
constexpr Port South(int lane) { return {PortType::kSouth, lane}; }
constexpr Port North(int lane) { return {PortType::kNorth, lane}; }
constexpr Port kEastA = {PortType::kEast, 0};
constexpr Port kWestA = {PortType::kWest, 0};

/// Who has its results where: sums that leave as they are, or a narrower copy.
bool Narrows(GemmOutput output) { return OutputBytes(output) < 4; }

class Maker {
 public:
  explicit Maker(const GemmConfig& config) : config_(config) { design_.device = config.device; }

  Design Run() {
    for (int column = 0; column < config_.device.columns; ++column) {
      AddShim(column);
      AddMemory(column);
      for (int row = 0; row < kCoreRows; ++row) AddCore(column, row);
    }
    RouteA();
    return std::move(design_);
  }

 private:
  static Tile Shim(int column) { return {column, 0}; }
  static Tile Memory(int column) { return {column, 1}; }
  static Tile CoreAt(int column, int row) { return {column, row + 2}; }

  size_t AddBuffer(Tile tile, const std::string& name, int64_t address, int64_t bytes) {
    design_.buffers.push_back({fmt::format("{}_{}_{}", name, tile.column, tile.row),
                               tile,
                               address,
                               ElementType::kI32,
                               bytes / 4,
                               {}});
    return design_.buffers.size() - 1;
  }
  /// Locks `id` (how many are free) and `id` + 1 (how many are full). Returns the first's index.
  size_t AddLocks(Tile tile, const std::string& name, int id, int free) {
    const auto full_name = fmt::format("{}_{}_{}", name, tile.column, tile.row);
    design_.locks.push_back({full_name + "_free", tile, id, free});
    design_.locks.push_back({full_name + "_full", tile, id + 1, 0});
    return design_.locks.size() - 2;
  }
  TileDma& DmaOf(Tile tile) {
    if (design_.dmas.empty() || design_.dmas.back().tile != tile) {
      design_.dmas.push_back({tile, {}, {}});
    }
    return design_.dmas.back();
  }
  StreamSwitch& SwitchOf(Tile tile) {
    for (StreamSwitch& one : design_.switches) {
      if (one.tile == tile) return one;
    }
    design_.switches.push_back({tile, {}, {}, {}});
    return design_.switches.back();
  }
  void Connect(Tile tile, Port slave, Port master) {
    SwitchOf(tile).circuits.push_back({slave, master});
  }

  /// A channel that goes round buffers from BD `first_bd` on; `locks` is the id of each buffer's
  /// pair: it waits for one of them and gives to the other.
  void AddRing(Tile tile, Direction direction, int channel, int first_bd,
               const std::vector<size_t>& buffers, const std::vector<int>& locks) {
    TileDma& dma = DmaOf(tile);
    const bool fills = direction == Direction::kS2mm;
    for (size_t i = 0; i < buffers.size(); ++i) {
      Transfer transfer;
      transfer.buffer = buffers[i];
      transfer.length = design_.buffers[buffers[i]].elements;
      transfer.acquire = LockAcquire{tile, locks[i] + (fills ? 0 : 1), 1, true};
      transfer.release = LockRelease{tile, locks[i] + (fills ? 1 : 0), 1};
      transfer.bd = first_bd + static_cast<int>(i);
      transfer.next = first_bd + static_cast<int>((i + 1) % buffers.size());
      dma.transfers.push_back(transfer);
    }
    dma.channels.push_back({direction, channel, 0, first_bd, {}});
  }
  /// The same with one pair of locks for all.
  void AddRing(Tile tile, Direction direction, int channel, int first_bd,
               const std::vector<size_t>& buffers, int lock) {
    AddRing(tile, direction, channel, first_bd, buffers, std::vector<int>(buffers.size(), lock));
  }

  bool IsSource(int column) const {
    for (int row = 0; row < kCoreRows; ++row) {
      if (SourceColumn(config_.device, row) == column) return true;
    }
    return false;
  }

  void AddShim(int column) {
    const Tile shim = Shim(column);
    ShimMux mux{shim, {}};
    if (IsSource(column)) {
      Connect(shim, South(ShimSlaveOfMm2s(0)), North(kLaneA));
      mux.circuits.push_back({Dma(0), North(ShimSlaveOfMm2s(0))});
    }
    Connect(shim, South(ShimSlaveOfMm2s(1)), North(kLaneB));
    mux.circuits.push_back({Dma(1), North(ShimSlaveOfMm2s(1))});
    Connect(shim, North(0), South(ShimMasterOfS2mm(0)));
    mux.circuits.push_back({North(ShimMasterOfS2mm(0)), Dma(0)});
    design_.shim_muxes.push_back(std::move(mux));
    // Tokens go to the firmware, as in MLIR-AIE's designs.
    SwitchOf(shim).masters.push_back({South(0), 5, 1U << 3, true});
    SwitchOf(shim).rules.push_back({{PortType::kTileControl, 0}, 15, 31, 5, 3});
  }

  void AddMemory(int column) {
    const Tile tile = Memory(column);
    const auto add_operand = [&](const std::string& name, int channel, int lane, int64_t address,
                                 int64_t bytes, int lock) {
      AddLocks(tile, name, lock, kDepth);
      std::vector<size_t> buffers;
      for (int i = 0; i < kDepth; ++i) {
        // Each at a multiple of 128 bytes.
        const int64_t at = address + i * ((bytes + 127) / 128 * 128);
        buffers.push_back(AddBuffer(tile, name + std::to_string(i), at, bytes));
      }
      const int bd = FirstDescriptorOf(TileKind::kMemory, channel);
      AddRing(tile, Direction::kS2mm, channel, bd, buffers, lock);
      AddRing(tile, Direction::kMm2s, channel, bd + kDepth, buffers, lock);
      Connect(tile, South(lane), Dma(channel));
      Connect(tile, Dma(channel), North(lane));
    };
    if (IsSource(column)) add_operand("a", 0, kLaneA, 0, TileABytes(config_), 0);
    add_operand("b", 1, kLaneB, 0x10000, TileBBytes(config_), 2);

    // Channels 2 to 5 take the results of the four cores; channel 2 sends them, core by core.
    const int64_t bytes = TileCBytes(config_);
    std::vector<size_t> all(kResultDepth * kCoreRows);
    std::vector<int> locks(all.size());
    for (int row = 0; row < kCoreRows; ++row) {
      const int channel = 2 + row;
      const int lock = 4 + 2 * row;
      AddLocks(tile, fmt::format("c{}", row), lock, kResultDepth);
      std::vector<size_t> buffers;
      for (int i = 0; i < kResultDepth; ++i) {
        buffers.push_back(AddBuffer(tile, fmt::format("c{}_{}", row, i),
                                    0x20000 + (kResultDepth * row + i) * bytes, bytes));
        const auto place = static_cast<size_t>(i * kCoreRows + row);
        all[place] = buffers.back();
        locks[place] = lock;
      }
      const int bd =
          FirstDescriptorOf(TileKind::kMemory, channel) + 2 * kDepth + row / 2 * kResultDepth;
      AddRing(tile, Direction::kS2mm, channel, bd, buffers, lock);
      Connect(tile, North(row), Dma(channel));
    }
    AddRing(tile, Direction::kMm2s, 2, 2 * kDepth + 2 * kResultDepth, all, locks);
    Connect(tile, Dma(2), South(0));
  }

  void AddCore(int column, int row) {
    const Tile tile = CoreAt(column, row);
    const int64_t b_bytes = TileBBytes(config_);
    const bool four = config_.type == GemmType::kI4;
    const bool narrows = Narrows(config_.output);
    // 1 KB of stack, B twice, what B becomes or results become; A twice and the sums above
    // them.
    int64_t low = 0x400;
    const auto place_low = [&](const std::string& name, int64_t bytes) {
      const size_t buffer = AddBuffer(tile, name, low, bytes);
      low += bytes;
      return buffer;
    };
    const size_t b[] = {place_low("b0", b_bytes), place_low("b1", b_bytes)};
    const size_t wide = four ? place_low("wide", int64_t{kTileKI8} * kTileN) : 0;
    const size_t narrow = narrows ? place_low("c", TileCBytes(config_)) : 0;
    constexpr int64_t kSums = 0xC000;
    const int64_t a_bytes = TileABytes(config_);
    const size_t a[] = {AddBuffer(tile, "a0", kSums - 2 * a_bytes, a_bytes),
                        AddBuffer(tile, "a1", kSums - a_bytes, a_bytes)};
    const size_t sums = AddBuffer(tile, "sums", kSums, int64_t{kTileSumBytes});
    const size_t result = narrows ? narrow : sums;

    const size_t a_locks = AddLocks(tile, "a", 0, 2);
    const size_t b_locks = AddLocks(tile, "b", 2, 2);
    const size_t c_locks = AddLocks(tile, "c", 4, 1);
    AddRing(tile, Direction::kS2mm, 0, 0, {a[0], a[1]}, 0);
    AddRing(tile, Direction::kS2mm, 1, 2, {b[0], b[1]}, 2);
    AddRing(tile, Direction::kMm2s, 0, 4, {result}, 4);

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
    design_.cores.push_back(std::move(core));

    // B comes from below and goes on; results go down.
    Connect(tile, South(kLaneB), Dma(1));
    if (row + 1 < kCoreRows) Connect(tile, South(kLaneB), North(kLaneB));
    Connect(tile, Dma(0), South(row));
    for (int above = row + 1; above < kCoreRows; ++above) {
      Connect(tile, North(above), South(above));
    }
  }

  /// A enters a row in its source column and goes both ways.
  void RouteA() {
    const int last = config_.device.columns - 1;
    for (int row = 0; row < kCoreRows; ++row) {
      const int source = SourceColumn(config_.device, row);
      for (int below = 0; below < row; ++below) {
        Connect(CoreAt(source, below), South(kLaneA), North(kLaneA));
      }
      for (int column = 0; column <= last; ++column) {
        const Tile tile = CoreAt(column, row);
        const Port from = column == source ? South(kLaneA) : column < source ? kEastA : kWestA;
        Connect(tile, from, Dma(0));
        if (column >= source && column < last) Connect(tile, from, kEastA);
        if (column <= source && column > 0) Connect(tile, from, kWestA);
      }
    }
  }

  const GemmConfig& config_;
  Design design_;
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

std::string GemmDesignName(const GemmConfig& config) {
  return fmt::format("gemm-{}-{}-{}", GemmTypeName(config.type), GemmOutputName(config.output),
                     DeviceName(config.device));
}

Design MakeGemmDesign(const GemmConfig& config) {
  CheckGemmConfig(config);
  return Maker(config).Run();
}

}  // namespace tandem::npu
