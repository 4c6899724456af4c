// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the shims of the products' designs do for one run, whatever lies where: the sequences of
// gemm_stream.h, gated_plan.h, cut_plan.h and norm_plan.h. Internal to gemm; pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "devices/npu/design/sequence.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/isa/tile.h"

namespace tandem::npu {

/// Words of an argument that a transfer takes: planes of rows of `words` side by side.
struct Piece {
  int64_t word = 0;  ///< The first one's place.
  int64_t words = 0;
  int64_t rows = 1;
  int64_t row_stride = 0;
  int64_t planes = 1;
  int64_t plane_stride = 0;
  int64_t step = 0;  ///< How much further it lies each time that it is sent; 0: where it was.
  /// So many times, then from the start again, and sent a multiple of that; 0: always further.
  int64_t wraps = 0;
};
/// Pieces one after the other, and all of them as often as that.
struct Pieces {
  std::vector<Piece> chain;  ///< At most kMostChain.
  int64_t times = 1;
};
inline constexpr size_t kMostChain = 13;

struct ShimTransfers {
  Device device;
  std::array<int64_t, 3> bytes{};  ///< Of A, B and C: kernel arguments 0 to 2.
  int64_t m_blocks = 0;
  /// What A's streams bring first, as many pieces to each core row; and what B's do, out of A, all
  /// the same.
  std::function<std::vector<Piece>(int core_row)> a_front;
  std::optional<Piece> b_front;
  int64_t a_runs = 0;  ///< How often a block of A's rows is sent, one after the other.
  std::function<Piece(int core_row, int64_t m_block)> a;
  /// In the stead of a, for blocks that take more: of all core rows as many, of as many pieces.
  std::function<std::vector<Pieces>(int core_row, int64_t m_block)> chains;
  std::function<Piece(int column)> b;  ///< Sent once for each block of rows. None: no words.
  std::function<Piece(int column)> c;  ///< None: no words.
};

Sequence SequenceOf(const ShimTransfers& transfers);

/// Where a block's tiles of A lie, for a core row, as the host packs them.
Piece PackedA(const GemmPlan& plan, int core_row, int64_t m_block);

}  // namespace tandem::npu
