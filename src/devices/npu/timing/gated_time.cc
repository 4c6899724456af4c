// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/timing/gated_time.h"

#include <algorithm>
#include <vector>

#include "core/ceil_divide.h"
#include "devices/npu/timing/array_constants.h"
#include "devices/npu/timing/complete_time.h"

namespace tandem::npu {
namespace {

/// Vector instructions for 16 values of h, 31, counted in gated_kernels.h as AMD's library makes
/// them on AIE2: 32 lanes of 16-bit integers in one, 16 floats or products of bfloat16; without
/// loads, stores and constants. The gate's scale 3; GELU 16 (|x| in fixed point 2.5, its polynomial
/// 4, the power 6, less that times |x| 2.5, to bfloat16 1); both products of h with their roundings
/// 5; its size and a row's exponent 2, to a byte 3, and joined 2: reckoned, never measured.
constexpr double kHoldSlots = 3;  // the gate's scale
constexpr double kHSlots = 28;
/// For 16 gates that are cut, counted likewise in row_kernels.h: that leave, 2 products for their
/// rows' sums and 1.5 to add up what they make of 256; that are cut, 2.5 to floats and back, 1 off,
/// 0.5 above nothing.
constexpr double kLeaveSlots = 3.5;
constexpr double kCutSlots = 4;
/// A core's tiles of h and of sums; what a shim reads at a time where one lies in the room of the
/// other.
constexpr int64_t kTileColumns = 128;
/// What a sum of the gate or of up has at least: its tiles bring the columns' scales.
constexpr int64_t kLeastSum = 3 * kTileColumns;
constexpr int64_t kHalfColumns = 64;
constexpr double kSumBytes = 64 * 64 * 4;
constexpr double kTileHeader = 128;
constexpr double kTileBytes = kTileHeader + 64 * 128;
/// Rooms that one write of a shim fills.
constexpr double kGroupBytes = kCoreRows * kSumBytes;
/// The sums that a tile of gates has of its rows, of which a tile of A has those of 16.
constexpr double kRowSumBytes = 2 * 64 * 4;
constexpr int64_t kSumsOfTile = 16;

/// What a run of a list takes.
struct Work {
  double core_seconds = 0;
  double dram_seconds = 0;
  double bytes = 0;
};

class Model {
 public:
  explicit Model(const GatedCase& gated)
      : gated_(gated),
        columns_(gated.device.columns),
        halves_(GatedHalves(gated.device, gated.neurons)),
        column_tiles_(CeilDivide(gated.neurons, columns_ * halves_ * kHalfColumns)),
        clock_(gated.clock_hz.value_or(ModelClock(gated.device.generation))) {
    const int64_t neurons = halves_ * kHalfColumns;
    const int64_t padded = column_tiles_ * columns_ * neurons;
    used_ = CeilDivide(gated.neurons, neurons);
    gate_ = OfProduct(std::max(gated.gate_k, kLeastSum), padded);
    up_ = OfProduct(std::max(gated.up_k, kLeastSum), padded);
    down_ = OfProduct(used_ * kTileColumns, gated.n);
    m_blocks_ = static_cast<double>(CeilDivide(gated.m, DesignTile(gated.type).m * kCoreRows));
    tiles_ = m_blocks_ * static_cast<double>(column_tiles_);
    rooms_ = tiles_ * static_cast<double>(columns_ * kCoreRows) * kSumBytes;
    half_vectors_ =
        static_cast<double>(DesignTileRows(gated.device.generation, gated.type, gated.m) *
                            kHalfColumns) /
        16;
  }

  GemmTime Run() const {
    std::vector<Work> runs;
    if (gated_.cuts) {
      runs = {Gates(), Up(), Down()};
    } else {
      runs = {GateAndUp(), Down()};
    }
    GemmTime time;
    time.dispatch_seconds = gate_.dispatch_seconds;
    double work = 0;
    for (const Work& run : runs) {
      time.core_seconds += run.core_seconds;
      time.dram_seconds += run.dram_seconds;
      time.dram_bytes += run.bytes;
      work += std::max(run.core_seconds, run.dram_seconds);
    }
    const double macs = static_cast<double>(gated_.m) * static_cast<double>(gated_.neurons) *
                        static_cast<double>(gated_.gate_k + gated_.up_k + gated_.n);
    CompleteTime(gated_.device, gated_.type, clock_, work, macs, /*streams=*/false, time);
    return time;
  }

 private:
  GemmTime OfProduct(int64_t k, int64_t n) const {
    GemmCase product;
    product.device = gated_.device;
    product.type = gated_.type;
    product.output = GemmOutput::kF32;
    product.tile = DesignTile(gated_.type);
    product.kernel = gated_.kernel;
    product.clock_hz = gated_.clock_hz;
    product.shape = {gated_.m, k, n};
    return ModelGemm(product);
  }

  double Dram(double bytes, double run) const {
    return DramSeconds(gated_.device.generation, columns_, bytes, run);
  }
  /// Cycles of a core for a pass over half a tile of h.
  double PassCycles(double slots) const {
    return half_vectors_ * slots * SlotCycles(gated_.kernel);
  }

  /// Sums of products of which `left` of `sums` rooms for each tile of h leave, four at a time.
  void Leave(double sums, double left, Work& work) const {
    work.core_seconds -= tiles_ * (sums - left) * kSumBytes / kStreamBytes / clock_;
    work.dram_seconds -=
        kWriteShare * (Dram(sums * rooms_, kSumBytes) - Dram(left * rooms_, kGroupBytes));
    work.bytes -= (sums - left) * rooms_;
  }

  static Work WorkOf(const GemmTime& time) {
    return {time.core_seconds, time.dram_seconds, time.dram_bytes};
  }

  Work GateAndUp() const {
    Work work = WorkOf(gate_);
    work.core_seconds += up_.core_seconds;
    work.dram_seconds += up_.dram_seconds;
    work.bytes += up_.dram_bytes;
    const auto halves = static_cast<double>(halves_);
    work.core_seconds += tiles_ * halves * PassCycles(kHoldSlots + kHSlots) / clock_;
    Leave(2 * halves, 1, work);
    return work;
  }

  Work Gates() const {
    Work work = WorkOf(gate_);
    const auto halves = static_cast<double>(halves_);
    work.core_seconds += tiles_ * halves * PassCycles(kHoldSlots + kLeaveSlots) / clock_;
    Leave(halves, halves, work);
    return work;
  }

  Work Up() const {
    Work work = WorkOf(up_);
    const auto halves = static_cast<double>(halves_);
    const auto columns = static_cast<double>(columns_);
    work.core_seconds += tiles_ * halves * PassCycles(kHSlots) / clock_;
    Leave(halves, 1, work);
    // Gates of all columns come by, more than buffers hide; while a core cuts its own, the next
    // ones are on their way.
    const double stream = kTileBytes / kStreamBytes;
    work.core_seconds += tiles_ * halves *
                         ((columns - 1) * stream + std::max(stream, PassCycles(kCutSlots))) /
                         clock_;
    const double gates = tiles_ * halves * columns * kCoreRows * kTileBytes;
    work.dram_seconds += Dram(gates, kTileBytes);
    // Sums, and as many tiles of B.
    const double sum_tiles = m_blocks_ * static_cast<double>(CeilDivide(
                                             column_tiles_ * halves_ * columns_, kSumsOfTile));
    work.core_seconds += sum_tiles * stream / clock_;
    const double headers = sum_tiles * kCoreRows * kTileHeader;
    const double sums = sum_tiles * kCoreRows * static_cast<double>(kSumsOfTile) * kRowSumBytes;
    const double beside = sum_tiles * columns * static_cast<double>(kTileColumns * kHalfColumns) *
                          (gated_.type == GemmType::kI4 ? 17.0 / 32 : 1);
    work.dram_seconds +=
        Dram(headers, kTileHeader) + Dram(sums, kRowSumBytes) + Dram(beside, beside);
    work.bytes += gates + headers + sums + beside;
    return work;
  }

  Work Down() const {
    Work work = WorkOf(down_);
    // A in runs of a tile, once for each block of columns.
    const GemmShape tile = DesignTile(gated_.type);
    const int64_t of_a = DesignTilesOfA(gated_.device.generation, gated_.type, gated_.m, used_);
    const double a_bytes = m_blocks_ * static_cast<double>(of_a * kCoreRows) * kTileBytes *
                           static_cast<double>(CeilDivide(gated_.n, tile.n * columns_));
    const auto a_run = static_cast<double>(used_ * kTileColumns * tile.m);
    // Or of a step's piece of it.
    const double piece = kTileBytes * static_cast<double>(of_a) / static_cast<double>(used_);
    work.dram_seconds += Dram(a_bytes, piece) - Dram(a_bytes, a_run);
    return work;
  }

  const GatedCase& gated_;
  const int64_t columns_;
  const int64_t halves_;
  const int64_t column_tiles_;  ///< Of h, of a column of the array.
  const double clock_;
  int64_t used_ = 0;  ///< Tiles of h with neurons.
  GemmTime gate_, up_, down_;
  double m_blocks_ = 0;
  double tiles_ = 0;         ///< Of h, of a core.
  double rooms_ = 0;         ///< Bytes of all tiles of sums that are one of h.
  double half_vectors_ = 0;  ///< 16 values each, of half a tile.
};

}  // namespace

int64_t GatedHalves(const Device& device, int64_t neurons) {
  return neurons <= device.columns * kHalfColumns ? 1 : 2;
}

GemmTime ModelGated(const GatedCase& gated) { return Model(gated).Run(); }

}  // namespace tandem::npu
