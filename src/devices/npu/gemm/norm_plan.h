// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What precedes an MLP, as two runs in front of its own (gated_plan.h) in one list: a product o,
// and y = base + RMSNorm(o), of which RMSNorm(y) is the next product's A but for the rows' factors
// 1 / sqrt(mean(y^2) + epsilon), which its results get (row_tile.h). On the designs whose rows have
// powers of two. Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "devices/npu/design/sequence.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/kernels/row_tile.h"

namespace tandem::npu {

/// What is computed.
struct NormShape {
  int64_t m = 0;
  int64_t k = 0;  ///< Of the product.
  int64_t n = 0;  ///< Its results, which the norms are over.
  /// Whether the next product has a tile more, in front, for inputs apart (scaled_rows.h).
  bool apart = false;
};

/// Runs and buffers. The first run's:
///   A as GemmPlan's
///   B as GemmPlan's, of columns in pairs of 64: those of n, and those apart once more
///   C [m block][round of columns][column][core row]: a room, with a RowTile
/// The norm's, of at most 128 rows:
///   A that C
///   B [column]: sums' headers, and for each tile of A that it makes and each half of that, a
///     NormTile for each core row
///   C [round of columns][column][core row]: a room, with a NormedTile, in the first round that of
///     the inputs apart, if there are any, of each column; and behind all of them the tile of B
///     that the next product takes its rows' factors by
struct NormPlan {
  NormShape shape;
  GemmPlan out;
  int64_t tiles = 0;         ///< Of A that the next product has.
  int64_t summed_tiles = 0;  ///< Of them not apart.
  int64_t row_sums = 0;      ///< Tiles of A that bring the squares of the first run's results.
  int64_t rounds = 0;        ///< Of columns for the norm's.
  int64_t column_b_bytes = 0;
  int64_t b_bytes = 0;
  int64_t x_bytes = 0;

  const GemmConfig& config() const { return out.config; }
  /// Column of the first product where those apart begin; results [n] are in front.
  int64_t ApartColumn() const { return summed_tiles * kTileKI8; }
  /// Of the norm's C: the group of rooms with the first of the next product's tiles, which are side
  /// by side, and with the first of those that are summed.
  int64_t FirstGroup() const { return shape.apart ? config().device.columns - 1 : 0; }
  int64_t FirstSummedGroup() const { return shape.apart ? config().device.columns : 0; }
  /// Of the first run's C, with the results apart or without.
  int64_t OutBytes(bool apart) const;
  /// Of the norm's C without its tail, and tiles of A that bring its squares.
  int64_t XRoomBytes() const;
  /// The last word of what each column writes, of both runs' C; columns that write nothing have
  /// none.
  std::vector<size_t> OutEnds(bool apart) const;
  std::vector<size_t> XEnds() const;
  int64_t x_sums() const;
};

/// Rows that a norm takes.
inline constexpr int64_t kMostNormRows = kNormRows * kCoreRows;
/// Sums and results that a list has at most, in whole tiles.
inline constexpr int64_t kMostNormInputs = (kMostGemmSum / kTileKI8 - 2) * kTileKI8;
/// Whether there is a list of that: of more rows there is the product alone.
bool FitsNorm(const NormShape& shape);

/// Throws Error: kUnsupported where the configuration does not, kInvalidArgument as PlanGemm.
NormPlan PlanNorm(const GemmConfig& config, const NormShape& shape);

/// The product's stream; `apart`: with the results apart, which a norm needs.
Sequence OutSequence(const NormPlan& plan, bool apart);
/// The norm's. REQUIRES: at most kMostNormRows.
Sequence NormSequence(const NormPlan& plan);

/// The product's weights as ColumnPacker: column n as results, or from ApartColumn() on those
/// apart. Refers to plan and memory.
class OutPacker : public ColumnPacker {
 public:
  OutPacker(const NormPlan& plan, std::span<std::byte> out);
};

/// Results of the product, which are bfloat16, [m, n].
void UnpackOut(const NormPlan& plan, std::span<const std::byte> rooms, bool apart,
               std::span<float> results);

/// Constants of a norm.
struct NormWeights {
  std::span<const float> post;  ///< [n] of o's norm,
  float post_epsilon = 0;
  std::span<const float> pre;  ///< and of y's.
  float pre_epsilon = 0;
  std::span<const int32_t> apart;
};
/// Packs the norm's B: base [m, n], which is rounded to bfloat16; and into the tail of its C the
/// next product's tile.
void PackNorm(const NormPlan& plan, const NormWeights& weights, std::span<const float> base,
              std::span<std::byte> b);
void PackNormTail(const NormPlan& plan, const NormWeights& weights, std::span<std::byte> x);

}  // namespace tandem::npu
