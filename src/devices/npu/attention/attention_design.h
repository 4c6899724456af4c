// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The array design of attention: one configuration per generation, loaded once, that attends with
// any number of queries, heads and keys. Pure functions; thread-safe.
//
// Two columns are a group of eight cores. Each keeps 16 queries of one head of keys and their sums
// (attention_tile.h); keys stream through the group's left column, values through its right one,
// and every core takes all of both. A job is 128 queries: their tiles come first, in both streams
// side by side, then the keys and values that any of them sees. How many those are, and what each
// query sees, the tiles of queries say; cores and memory tiles hold nothing of a problem.
#pragma once

#include <cstdint>

#include "devices/npu/design/design.h"
#include "devices/npu/design/design_builder.h"

namespace tandem::npu {

inline constexpr int kGroupColumns = 2;
inline constexpr int kGroupCores = kGroupColumns * kCoreRows;
inline constexpr int64_t kJobQueries = 128;
inline constexpr int64_t kMostHeadDim = 256;
/// Of an array.
constexpr int AttentionGroups(const Device& device) { return device.columns / kGroupColumns; }

/// Throws Error kUnsupported unless the array has 4 columns, or all 8 of npu2.
void CheckAttentionDevice(const Device& device);
/// The design. Throws as CheckAttentionDevice.
Design MakeAttentionDesign(const Device& device);

}  // namespace tandem::npu
