// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a core takes at a time of an attention: sizes and layouts that kernels, the design and those
// who pack queries, keys and values agree on. Also included by AIE compilers.
//
// A core keeps 16 queries and their sums while tiles of 16 keys and 16 values pass by, where tiles
// of A do in products; its queries come in two parts, where tiles of B do. Everything is computed
// transposed: scores [keys, queries] = K Q^T, sums [dims, queries] = V^T P. So what comes out of
// one product is what goes into the next, and lane i of every vector of 16 is about query i % 4 of
// a group of four.
#pragma once

#include <cstddef>
#include <cstdint>

#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {

inline constexpr int kAttentionQueries = 16;
inline constexpr int kAttentionKeys = 16;
inline constexpr int kAttentionDims = 256;  ///< Of a head, at most.
/// Dims that kernels take at a time.
inline constexpr int kAttentionDimGranule = 16;
inline constexpr int kQueryParts = 2;
inline constexpr int kPartQueries = kAttentionQueries / kQueryParts;

// Tiles in blocks of mmul (kMicroBf16: R = T = 4, S = 8), bfloat16:
//   queries [q/4][d/8][8 dims][4 queries], times scale x log2(e)
//   keys    [k/4][d/8][4 keys][8 dims]
//   values  [d/4][k/8][4 dims][8 keys]
// What a head has fewer than 256 dims is not read.

/// In front of 16 keys, or values; where products have ActivationTileHeader, whose rows are no flag
/// of these.
struct AttentionKeyHeader {
  uint32_t flags = 0;
  uint32_t dims = 0;     ///< In use, a multiple of 16.
  int32_t position = 0;  ///< Of the first key.
  uint32_t reserved[29] = {};
};
inline constexpr uint32_t kAttentionIsKeys = 1U << 16;
inline constexpr uint32_t kAttentionIsValues = 1U << 17;
/// Of that word: what is a tile of a product.
inline constexpr uint32_t kActivationRows = 0xFFFF;
static_assert(sizeof(AttentionKeyHeader) == kActivationHeaderBytes);
static_assert(kTileABytes == kActivationHeaderBytes + size_t{2} * kAttentionKeys * kAttentionDims);
static_assert(kAttentionQueries == kAttentionKeys);

/// In front of 8 queries.
struct AttentionQueryHeader {
  uint32_t part = 0;       ///< 0 or 1.
  uint32_t dims = 0;       ///< As of the keys.
  uint32_t key_tiles = 0;  ///< Tiles of keys that follow, and as many of values.
  /// Keys of positions between these are visible to all 16 queries.
  int32_t all_from = 0;
  int32_t all_to = -1;
  uint32_t reserved[11] = {};
  /// What each query sees, both included; nothing where first > last.
  int32_t first[kPartQueries] = {};
  int32_t last[kPartQueries] = {};
};
inline constexpr size_t kQueryPartBytes =
    sizeof(AttentionQueryHeader) + size_t{2} * kPartQueries * kAttentionDims;
static_assert(kQueryPartBytes <= kTileB4Bytes && kQueryPartBytes <= kTileBBytes);

inline constexpr size_t kQueryBytes = size_t{2} * kAttentionQueries * kAttentionDims;
/// Sums [d/4][q/4][4 dims][4 queries], float.
inline constexpr size_t kAttentionSumBytes = size_t{4} * kAttentionQueries * kAttentionDims;
static_assert(kAttentionSumBytes == kTileSumBytes);
inline constexpr size_t kAttentionScoreBytes = size_t{4} * kAttentionQueries * kAttentionKeys;
inline constexpr size_t kAttentionWeightBytes = kAttentionScoreBytes / 2;

/// What a core knows of its queries beside their sums, by groups of four in lanes of 16. Between
/// attentions what is behind the first 64 bytes is others' (gated_tile.h, row_tile.h).
struct AttentionState {
  uint32_t flags = 0;
  uint32_t left = 0;  ///< Tiles of keys to come.
  uint32_t dims = 0;
  int32_t all_from = 0;
  int32_t all_to = 0;
  uint32_t reserved[11] = {};
  int32_t first[kAttentionQueries] = {};
  int32_t last[kAttentionQueries] = {};
  int32_t highest[kAttentionQueries / 4][16] = {};  ///< Powers of two that no weight reaches.
  int32_t shift[kAttentionQueries / 4][16] = {};    ///< By how many they grew.
  float total[kAttentionQueries / 4][16] = {};      ///< Of weights; four lanes each add to one.
};
static_assert(offsetof(AttentionState, first) == 64);
inline constexpr size_t kOthersStateBytes = sizeof(AttentionState) - 64;
inline constexpr uint32_t kAttentionFirst = 1;  ///< The tile at hand is the first,
inline constexpr uint32_t kAttentionLast = 2;   ///< and the last.
inline constexpr uint32_t kAttentionIdle = 4;   ///< Queries are to come. So a core begins.

/// Scores are fixed-point numbers with so many bits behind the point, held at +-4096.
inline constexpr int kScoreBits = 10;
inline constexpr int kMostScore = 4096;

}  // namespace tandem::npu
