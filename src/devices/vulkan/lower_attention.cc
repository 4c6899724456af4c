// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// From the input norm to the residual after attention.
#include <algorithm>

#include "devices/vulkan/lowering.h"

namespace tandem::vulkan {
namespace {

constexpr uint32_t kHeadThreads = 128;

// attention_tile.comp: its workgroup, and the heads of rows that this takes.
constexpr uint32_t kTileThreads = 128;
constexpr uint32_t kTileLines = 32;
constexpr uint32_t kFewTileLines = 16;
// Rows from which on it pays, and heads with the same keys that leave a tile more than one row.
constexpr uint64_t kTiledRows = 16;
constexpr int kMostShared = 16;
// Workgroups that share the positions of a tile, and tiles that have a counter for that.
constexpr uint32_t kMostTileSplits = 8;
constexpr uint32_t kMostTiles = 1024;

}  // namespace

Access CacheAccess(CacheId cache, bool values, bool writes) {
  const Tensor tensor{reinterpret_cast<VkBuffer>(uintptr_t{1}),
                      2 * static_cast<uint64_t>(cache) + (values ? 1 : 0), 0};
  return {tensor, 0, 1, writes, false};
}

void Lowering::Lower(const LaurelAndNorm& op) {
  const uint64_t width = Width(op.normed);
  const Part normed = All(op.normed);
  Norm({.x = Plane(op.residual, op.plane),
        .y = normed,
        .weight = op.norm,
        .eps = op.eps,
        .width = width,
        .rows = rows()});
  if (op.laurel == kNoId) return;
  const Part narrow = Scratch(2, rows() * static_cast<uint64_t>(op.left.rows));
  const Part laurel = All(op.laurel);
  MatMul(op.left, normed, narrow);
  MatMul(op.right, narrow, laurel);
  Norm({.x = laurel,
        .y = laurel,
        .a = &normed,
        .weight = op.post_norm,
        .eps = op.eps,
        .width = width,
        .rows = rows()});
}

void Lowering::Heads(const QkvProject& op, const HeadsArgs& args) {
  const auto flag = [](bool on) { return on ? 1U : 0U; };
  const bool cached = args.cache != kNoId;
  const uint32_t target = !cached ? 0 : kv_ == DType::kF16 ? 2 : 1;
  const Access weight = args.weight.empty() ? None() : Vector(args.weight);
  const Access rope =
      args.rotate ? Constant(plan_.RopeOf(set_, {op.rope_theta, op.rope_factor}, op.head_dim))
                  : None();
  const Access written = cached ? CacheAccess(args.cache, args.value, true) : None();
  recorder_.Dispatch(
      Kernel::kHeads,
      {kHeadThreads, flag(!args.weight.empty()), flag(args.rotate), target, flag(args.normed)},
      {In(args.x), weight, rope, Constant(plan_.RowTable()), Out(args.y),
       Constant(plan_.CacheTable())},
      {args.heads, op.head_dim, plan_.FirstRow(set_), cached ? args.cache : 0,
       program_.caches.size(), flag(args.value), op.eps},
      {static_cast<uint32_t>(rows()), static_cast<uint32_t>(args.heads)}, {written});
}

void Lowering::Lower(const QkvProject& op) {
  const Part normed = All(op.normed);
  const auto kv_width = static_cast<uint64_t>(op.kv_heads) * static_cast<uint64_t>(op.head_dim);
  const Part keys = op.cache == kNoId ? Part() : Scratch(2, rows() * kv_width);
  const Part values = op.cache == kNoId ? Part() : Scratch(3, rows() * kv_width);
  if (op.q != kNoId) MatMul(op.query, normed, All(op.q));
  if (op.cache != kNoId) {
    MatMul(op.key, normed, keys);
    MatMul(op.value, normed, values);
  }
  AllHeads(set_, op, keys, values);
}

void Lowering::AllHeads(RowSet set, const QkvProject& op, const Part& keys, const Part& values) {
  set_ = set;
  if (op.q != kNoId) {
    Heads(op, {.x = All(op.q), .y = All(op.q), .heads = op.heads, .weight = op.q_norm});
  }
  if (op.cache == kNoId) return;
  const auto kv_width = static_cast<uint64_t>(op.kv_heads) * static_cast<uint64_t>(op.head_dim);
  const uint64_t bytes = rows() * RowBytes(kv_, static_cast<int64_t>(kv_width));
  const auto out = [&](bool value) {
    return Part{plan_.KvToHost(op.cache, set_, value, bytes), 0, bytes / sizeof(float)};
  };
  Heads(op,
        {.x = keys, .y = out(false), .heads = op.kv_heads, .weight = op.k_norm, .cache = op.cache});
  Heads(op, {.x = values,
             .y = out(true),
             .heads = op.kv_heads,
             .normed = op.norm_value,
             .rotate = false,
             .cache = op.cache,
             .value = true});
}

void Lowering::Lower(const Attention& op) { Attend(set_, op); }

void Lowering::Attend(RowSet set, const Attention& op) {
  set_ = set;
  const CacheTensor& cache = program_.caches[static_cast<size_t>(op.cache)];
  const uint32_t half = kv_ == DType::kF16 ? 1U : 0U;
  const auto dispatch = [&](Kernel kernel, std::span<const uint32_t> constants, Grid grid,
                            const Part& parts) {
    const Access none = None();
    recorder_.Dispatch(
        kernel, constants,
        std::vector<Access>{In(All(op.q)), Constant(plan_.RowTable()), Constant(plan_.CacheTable()),
                            Out(All(op.context)), parts.count == 0 ? none : Out(parts), none, none,
                            parts.count == 0 ? none : Constant(counters_)},
        std::vector<Word>{op.heads, cache.kv_heads, cache.head_dim, op.window, plan_.FirstRow(set_),
                          op.cache, program_.caches.size(), op.scale, rows(), kTileCounters},
        grid,
        std::vector<Access>{CacheAccess(op.cache, false, false),
                            CacheAccess(op.cache, true, false)});
  };
  const int group = op.heads / cache.kv_heads;
  if (rows() >= kTiledRows && group <= kMostShared && cache.head_dim % 64 == 0) {
    const auto heads = static_cast<uint32_t>(cache.kv_heads);
    const auto tiles_of = [&](uint32_t lines) {
      const uint64_t tokens = lines / static_cast<uint32_t>(group);
      return static_cast<uint32_t>((rows() + tokens - 1) / tokens);
    };
    // Half as many lines where few workgroups would leave much of a card idle.
    const bool card = context_.info().kind == VulkanDeviceInfo::Kind::kDiscrete;
    const uint32_t lines_each =
        card && tiles_of(kTileLines) * heads <= 128 ? kFewTileLines : kTileLines;
    const uint32_t tiles = tiles_of(lines_each);
    // A card wants more workgroups than a prompt of a few hundred tokens has tiles.
    uint32_t splits = 1;
    if (counters_.buffer != VK_NULL_HANDLE && tiles * heads <= kMostTiles) {
      const uint32_t wanted = card ? 512 : 48;
      splits = std::clamp(wanted / (tiles * heads), 1U, kMostTileSplits);
    }
    const uint64_t lines = uint64_t{tiles} * heads * splits * lines_each;
    const Part parts =
        splits == 1 ? Part() : Scratch(2, lines * (static_cast<uint64_t>(cache.head_dim) + 2));
    const uint32_t constants[] = {kTileThreads,
                                  half,
                                  static_cast<uint32_t>(cache.head_dim),
                                  static_cast<uint32_t>(group),
                                  splits,
                                  lines_each};
    dispatch(Kernel::kAttentionTile, constants, {tiles, heads, splits}, parts);
  } else {
    const uint32_t constants[] = {kHeadThreads, half};
    dispatch(Kernel::kAttention, constants,
             {static_cast<uint32_t>(rows()), static_cast<uint32_t>(op.heads)}, {});
  }
  quantized_ = {};
}

void Lowering::Lower(const AttentionOut& op) {
  const Part h = All(op.h);
  const Part residual = Plane(op.residual, op.plane);
  const Part laurel = op.laurel == kNoId ? Part() : All(op.laurel);
  MatMul(op.output, All(op.context), h);
  Norm({.x = h,
        .y = h,
        .a = &residual,
        .b = op.laurel == kNoId ? nullptr : &laurel,
        .weight = op.post_norm,
        .eps = op.eps,
        .mix = op.mix,
        .width = Width(op.h),
        .rows = rows()});
}

}  // namespace tandem::vulkan
