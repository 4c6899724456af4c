// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/gemm_design.h"

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/design/design_builder.h"
#include "devices/npu/kernels/attention_tile.h"
#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/kernels/row_tile.h"

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

  /// A core's buffers and locks, by their index in the design; locks: how many are free, and
  /// after it how many are full.
  struct CoreParts {
    size_t a[2], b[2], turn, wide, narrow, sums, state, scores, weights, gate;
    size_t a_locks, b_locks, c_locks;
  };

  /// 1 KB of stack, B twice, whose turn it is, what B becomes or queries stay in, what results
  /// become or attention knows of its queries; A twice and the sums above them. A gated product,
  /// which ends before attention begins, has its gate where queries stay, unless B needs that room,
  /// its first half where scores are, and its columns' scales in attention's state; factors of rows
  /// are where weights of keys are.
  CoreParts AddMemoryOf(Tile tile) {
    CoreParts parts{};
    int64_t low = 0x400;
    const auto place_low = [&](const std::string& name, size_t bytes) {
      const size_t buffer = builder_.AddBuffer(tile, name, low, static_cast<int64_t>(bytes));
      low += static_cast<int64_t>(bytes);
      return buffer;
    };
    const auto b_bytes = static_cast<size_t>(TileBBytes(config_));
    parts.b[0] = place_low("b0", b_bytes);
    parts.b[1] = place_low("b1", b_bytes);
    parts.turn = place_low("turn", sizeof(TileTurn));
    builder_.SetContent(parts.turn, {TileTurn().flags, TileTurn().second});
    if (Attends(config_) || config_.type == GemmType::kI4) {
      static_assert(kQueryBytes == size_t{kTileKI8} * kTileN);
      parts.wide = place_low("wide", kQueryBytes);
    }
    if (Attends(config_)) {
      parts.state = place_low("state", sizeof(AttentionState));
      builder_.SetContent(parts.state, {kAttentionIdle});
      parts.scores =
          place_low("scores", ScalesRows(config_) ? sizeof(GatedHalf) : kAttentionScoreBytes);
      parts.weights = place_low("weights", kAttentionWeightBytes);
    } else {
      parts.narrow = place_low("c", static_cast<size_t>(TileCBytes(config_)));
    }
    if (ScalesRows(config_)) {
      static_assert(sizeof(GatedHalf) >= kAttentionScoreBytes && kGateBytes == kQueryBytes);
      parts.gate = config_.type == GemmType::kI4 ? place_low("gate", kGateBytes) : parts.wide;
    }
    // What a compiler has of constants lies behind all buffers.
    constexpr int64_t kConstants = 0x200;
    constexpr int64_t kSums = 0x10000 - kConstants - int64_t{kTileSumBytes};
    constexpr auto kA = static_cast<int64_t>(kTileABytes);
    constexpr auto kRest =
        static_cast<int64_t>(0x400 + sizeof(TileTurn) + kQueryBytes + sizeof(AttentionState) +
                             sizeof(GatedHalf) + kAttentionWeightBytes);
    static_assert(kRest + int64_t{2 * kTileBBytes} <= kSums - 2 * kA);
    static_assert(kRest + int64_t{2 * kTileB4Bytes + kGateBytes} <= kSums - 2 * kA);
    parts.a[0] = builder_.AddBuffer(tile, "a0", kSums - 2 * kA, kA);
    parts.a[1] = builder_.AddBuffer(tile, "a1", kSums - kA, kA);
    parts.sums = builder_.AddBuffer(tile, "sums", kSums, int64_t{kTileSumBytes});

    parts.a_locks = builder_.AddLocks(tile, "a", 0, 2);
    parts.b_locks = builder_.AddLocks(tile, "b", 2, 2);
    parts.c_locks = builder_.AddLocks(tile, "c", 4, 1);
    builder_.AddRing(tile, Direction::kS2mm, 0, 0, {parts.a[0], parts.a[1]}, 0);
    builder_.AddRing(tile, Direction::kS2mm, 1, 2, {parts.b[0], parts.b[1]}, 2);
    builder_.AddRing(tile, Direction::kMm2s, 0, 4, {Attends(config_) ? parts.sums : parts.narrow},
                     4);
    return parts;
  }

  template <typename Step>
  static void Add(std::vector<CoreStep>& to, Step step) {
    AddStep(to, CoreStep{std::move(step)});
  }

  /// A tile of B, when it is there, and what it says.
  static void TakeB(const CoreParts& parts, std::vector<CoreStep>& steps) {
    Add(steps, AcquireStep{parts.b_locks + 1});
    Add(steps, CallStep{"next_b", {parts.b[0], parts.b[1], parts.turn}});
  }
  /// A kernel's buffers: those in front, the tile of B at hand, those behind.
  static std::vector<size_t> WithB(const CoreParts& parts, std::vector<size_t> front,
                                   const std::vector<size_t>& behind) {
    front.insert(front.end(), {parts.b[0], parts.b[1], parts.turn});
    front.insert(front.end(), behind.begin(), behind.end());
    return front;
  }

  /// A tile of a product, when its A is there.
  std::vector<CoreStep> ProductSteps(const CoreParts& parts, int half) const {
    const bool narrows = Narrows(config_.output);
    std::vector<CoreStep> steps;
    TakeB(parts, steps);
    // Sums that leave themselves must have left before the next begin.
    WhenStep first{parts.turn, 0, kFirstOfSum, {}};
    Add(first.body, AcquireStep{parts.c_locks});
    if (!narrows) Add(steps, first);
    const std::string gemm = config_.type == GemmType::kBf16
                                 ? "gemm_bf16"
                                 : fmt::format("gemm_{}{}_{}", GemmTypeName(config_.type),
                                               ScalesRows(config_) ? "_f32" : "",
                                               GenerationName(config_.device.generation));
    std::vector<size_t> behind;
    if (config_.type == GemmType::kI4) behind.push_back(parts.wide);
    behind.push_back(parts.sums);
    Add(steps, CallStep{gemm, WithB(parts, {parts.a[half]}, behind)});
    if (ScalesRows(config_)) AddGatedSteps(parts, half, steps);
    WhenStep last{parts.turn, 0, kLastOfSum, {}};
    if (narrows) {
      Add(last.body, AcquireStep{parts.c_locks});
      Add(last.body, CallStep{fmt::format("narrow_{}", GemmOutputName(config_.output)),
                              WithB(parts, {}, {parts.sums, parts.narrow})});
    }
    Add(last.body, ReleaseStep{parts.c_locks + 1});
    Add(steps, last);
    Add(steps, ReleaseStep{parts.b_locks});
    return steps;
  }

  /// What becomes of complete sums of a gated product, or of one whose results another run takes.
  void AddGatedSteps(const CoreParts& parts, int half, std::vector<CoreStep>& steps) const {
    const size_t a = parts.a[half];
    const auto kernel = [&](const char* name) { return OfGeneration("gated", name); };
    const auto when = [&](uint32_t flag, CallStep call) {
      WhenStep step{parts.turn, 0, flag, {}};
      Add(step.body, std::move(call));
      Add(steps, step);
    };
    when(kBringsScales, {"gated_scales", WithB(parts, {}, {parts.state})});
    when(kHoldsGate, {kernel("hold"), {a, parts.sums, parts.state, parts.weights, parts.gate}});
    when(kGates, {kernel("multiply"), {a, parts.sums, parts.state, parts.gate}});
    when(kKeepsHalf, {"gated_keep", {parts.gate, parts.scores}});
    when(kJoinsHalves, {kernel("join"), {a, parts.scores, parts.gate, parts.sums}});
    when(kLeavesRows, {OfGeneration("rows", "leave"), WithB(parts, {a}, {parts.gate, parts.sums})});
  }

  std::string OfGeneration(const char* group, const char* name) const {
    return fmt::format("{}_{}_{}", group, name, GenerationName(config_.device.generation));
  }

  /// A tile of rows, or of their sums, when it is there.
  std::vector<CoreStep> RowSteps(const CoreParts& parts, int column, int half) const {
    const size_t tile = parts.a[half];
    WhenStep sums{tile, 0, kIsRowSums, {}};
    TakeB(parts, sums.body);
    Add(sums.body, CallStep{"rows_sum", WithB(parts, {tile}, {parts.weights})});
    Add(sums.body, ReleaseStep{parts.b_locks});

    WhenStep gate{tile, 0, kIsGate, {}};
    WhenStep ours{tile, 0, IsForColumn(column), {}};
    Add(ours.body, CallStep{OfGeneration("rows", "cut"), {tile, parts.weights, parts.gate}});
    Add(gate.body, ours);

    std::vector<CoreStep> steps;
    Add(steps, sums);
    Add(steps, gate);
    Add(steps, NormStep(parts, column, half));
    return steps;
  }

  /// A norm's rows: a tile of B for every column of the array, and more for those that take some.
  WhenStep NormStep(const CoreParts& parts, int column, int half) const {
    const size_t tile = parts.a[half];
    WhenStep ours{tile, 0, IsForColumn(column), {}};
    WhenStep norms{tile, 0, kIsNorms, {}};
    TakeB(parts, norms.body);
    ours.body.clear();
    Add(ours.body, CallStep{"rows_columns", WithB(parts, {}, {parts.state})});
    Add(norms.body, ours);
    Add(norms.body, ReleaseStep{parts.b_locks});

    ours.body.clear();
    WhenStep begin{tile, 0, kLeavesNormed, {}};
    Add(begin.body, AcquireStep{parts.c_locks});
    Add(ours.body, begin);
    RepeatStep bases{tile, offsetof(ActivationTileHeader, bases) / 4, {}};
    TakeB(parts, bases.body);
    Add(bases.body,
        CallStep{OfGeneration("rows", "norm"),
                 WithB(parts, {tile},
                       {parts.state, parts.weights, parts.scores, parts.gate, parts.sums})});
    Add(bases.body, ReleaseStep{parts.b_locks});
    Add(ours.body, bases);
    WhenStep keeps{tile, 0, kKeepsSteps, {}};
    Add(keeps.body, CallStep{"rows_steps", {parts.scores, parts.gate, parts.weights}});
    Add(ours.body, keeps);
    WhenStep leaves{tile, 0, kLeavesNormed, {}};
    Add(leaves.body,
        CallStep{OfGeneration("gated", "join"), {tile, parts.scores, parts.gate, parts.sums}});
    Add(leaves.body, ReleaseStep{parts.c_locks + 1});
    Add(ours.body, leaves);
    Add(norms.body, ours);
    return norms;
  }

  /// A tile of keys, or of values, when it is there. Before a job's first keys the queries of all
  /// four core rows come where B does.
  static std::vector<CoreStep> AttentionSteps(const CoreParts& parts, int row, int half) {
    const size_t tile = parts.a[half];
    WhenStep idle{parts.state, 0, kAttentionIdle, {}};
    for (int of = 0; of < kCoreRows; ++of) {
      LoopStep queries{kQueryParts, {}};
      TakeB(parts, queries.body);
      if (of == row) {
        Add(queries.body,
            CallStep{"attention_queries", WithB(parts, {}, {parts.wide, parts.state})});
      }
      Add(queries.body, ReleaseStep{parts.b_locks});
      Add(idle.body, queries);
    }
    WhenStep keys{tile, 0, kAttentionIsKeys, {}};
    Add(keys.body, idle);
    Add(keys.body,
        CallStep{"attention_keys", {tile, parts.wide, parts.state, parts.scores, parts.weights}});

    WhenStep values{tile, 0, kAttentionIsValues, {}};
    WhenStep first{parts.state, 0, kAttentionFirst, {}};
    Add(first.body, AcquireStep{parts.c_locks});
    Add(values.body, first);
    Add(values.body, CallStep{"attention_values", {tile, parts.state, parts.weights, parts.sums}});
    WhenStep last{parts.state, 0, kAttentionLast, {}};
    Add(last.body, CallStep{"attention_finish", {parts.state, parts.sums}});
    Add(last.body, ReleaseStep{parts.c_locks + 1});
    Add(values.body, last);

    std::vector<CoreStep> steps;
    Add(steps, keys);
    Add(steps, values);
    return steps;
  }

  void AddCore(int column, int row) {
    const Tile tile = CoreTile(column, row);
    const CoreParts parts = AddMemoryOf(tile);
    LoopStep forever;
    for (const int half : {0, 1}) {
      Add(forever.body, AcquireStep{parts.a_locks + 1});
      // As many tiles of B as this one has steps.
      constexpr int64_t kSteps = offsetof(ActivationTileHeader, steps) / 4;
      std::vector<CoreStep> product;
      Add(product, RepeatStep{parts.a[half], kSteps, ProductSteps(parts, half)});
      if (Attends(config_)) {
        Add(forever.body, WhenStep{parts.a[half], 0, kActivationRows, product});
        for (CoreStep& step : AttentionSteps(parts, row, half)) {
          AddStep(forever.body, std::move(step));
        }
        if (ScalesRows(config_)) {
          for (CoreStep& step : RowSteps(parts, column, half)) {
            AddStep(forever.body, std::move(step));
          }
        }
      } else {
        forever.body.insert(forever.body.end(), product.begin(), product.end());
      }
      Add(forever.body, ReleaseStep{parts.a_locks});
    }
    Core core{tile, {}, {}};
    Add(core.program, forever);
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

bool Attends(const GemmConfig& config) { return !Narrows(config.output); }

bool ScalesRows(const GemmConfig& config) {
  return config.type != GemmType::kBf16 && config.output == GemmOutput::kF32;
}

void CheckGemmConfig(const GemmConfig& config) {
  const int columns = config.device.columns;
  if ((columns != 4 && columns != 8) || columns > MaxColumns(config.device.generation)) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("a product on {} columns: the design takes 4, or all 8 of npu2", columns));
  }
  const bool can = [&] {
    switch (config.type) {
      case GemmType::kI8: return config.output != GemmOutput::kBf16;
      case GemmType::kI4:
        return config.output == GemmOutput::kI32 || config.output == GemmOutput::kF32;
      case GemmType::kBf16:
        return config.output == GemmOutput::kBf16 || config.output == GemmOutput::kF32;
      case GemmType::kW4Bf16: break;
    }
    return false;
  }();
  if (!can) {
    throw Error(ErrorKind::kInvalidArgument,
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
