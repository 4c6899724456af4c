// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrices to and from the order in which the array takes them (GemmPlan, gemm_tile.h). What a
// problem lacks of whole tiles is zeros. Pure functions on the caller's memory; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "devices/npu/gemm/gemm_stream.h"

namespace tandem::npu {

/// A, row-major [m,k], into the plan's a_bytes. Elements are int8_t, or the bits of bfloat16.
void PackA(const GemmPlan& plan, std::span<const int8_t> rows, std::span<std::byte> out);
void PackA(const GemmPlan& plan, std::span<const uint16_t> rows, std::span<std::byte> out);
/// The same for results in float: exponents [m, k steps] of the rows (scaled_rows.h).
void PackScaledA(const GemmPlan& plan, std::span<const int8_t> rows,
                 std::span<const int8_t> exponents, std::span<std::byte> out);
/// B, row-major [k,n], into b_bytes. `shift` is for narrow results (WeightTileHeader).
void PackB(const GemmPlan& plan, std::span<const int8_t> rows, int shift, std::span<std::byte> out);
void PackB(const GemmPlan& plan, std::span<const uint16_t> rows, int shift,
           std::span<std::byte> out);

/// 4-bit weights: [k,n] in -8 to 7, and a scale for each 32 along K, [ceil(k/32), n]. The array
/// sees a ratio of -127 to 127 for each scale; the columns' scales, of the products' integers, go
/// to `column_scales` [n].
void PackB4(const GemmPlan& plan, std::span<const int8_t> weights, std::span<const float> scales,
            std::span<float> column_scales, std::span<std::byte> out);
/// The 8-bit weights [k,n] that the array multiplies instead of those: the nearest to
/// weight x scale / column scale that a ratio can say.
std::vector<int8_t> ExpandB4(const GemmShape& shape, std::span<const int8_t> weights,
                             std::span<const float> scales, std::span<float> column_scales);

/// The next number at or above a scale, which is none or more, that bfloat16 has.
float RoundScaleUp(float scale);

/// The same tiles of B, filled column by column, which is how weights are stored. Refers to plan
/// and memory.
class ColumnPacker {
 public:
  /// `out` becomes zeros and headers.
  ColumnPacker(const GemmPlan& plan, int shift, std::span<std::byte> out);
  virtual ~ColumnPacker() = default;
  /// Column n [k].
  void Set(int64_t n, std::span<const int8_t> column);
  void Set(int64_t n, std::span<const uint16_t> column);
  /// 4-bit weights [k] with a scale for each 32; returns the column's scale, as PackB4 does; or
  /// the next larger one that bfloat16 has.
  float Set4(int64_t n, std::span<const int8_t> column, std::span<const float> scales,
             bool round_scale = false);
  /// The same with ratios [ceil(k/32)] in eighths: the array sees weight x ratio / 8.
  void SetNibbles(int64_t n, std::span<const int8_t> column, std::span<const int8_t> ratios);
  /// Of tiles that bring their columns' scales (gated_tile.h): what the core multiplies column n's
  /// sums with, as bfloat16, which it must be.
  void SetScale(int64_t n, float scale);

 protected:
  /// For tiles in another order, whose headers are there.
  ColumnPacker(const GemmConfig& config, const GemmShape& tile, std::span<std::byte> out);
  /// Which of the tiles has column n's part of a step.
  virtual int64_t TileIndex(int64_t n, int64_t k_step) const;
  /// Of column n.
  virtual int64_t Depth(int64_t n) const;
  /// What follows that tile's header.
  std::byte* TileOf(int64_t n, int64_t k_step) const;

 private:
  template <typename T>
  void SetAny(int64_t n, std::span<const T> column);

  const GemmPlan* plan_ = nullptr;  ///< Null: TileIndex and Depth are another's.
  GemmConfig config_;
  GemmShape tile_;
  std::span<std::byte> out_;
  std::vector<uint32_t> places_;  ///< Of a tile, [k, n].
};

/// C out of c_bytes, row-major [m,n]. Elements: int8_t, int16_t, int32_t, the bits of bfloat16 as
/// uint16_t, float, by the plan's output.
template <typename T>
void UnpackC(const GemmPlan& plan, std::span<const std::byte> packed, std::span<T> rows);

}  // namespace tandem::npu
