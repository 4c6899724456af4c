// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Queries against the keys and values before them. Positions are taken in blocks that begin at
// multiples of kBlock, each with a softmax of its own, and the blocks of a query are joined in
// their order. So a result depends on the query and its positions alone, whichever rows run beside
// it and whether one thread takes all of its blocks or several share them.
#include <algorithm>
#include <cmath>
#include <vector>

#include "devices/cpu/attention_kernels.h"
#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {

const AttentionKernels& AttentionKernelsOf(Isa isa) {
  static constexpr AttentionKernels kReference = {reference::Unpack, reference::Highest, false};
  static constexpr AttentionKernels kPortable = {portable::Unpack, portable::Highest, false};
  static constexpr AttentionKernels kAvx2 = {avx2::Unpack, avx2::Highest, true};
  static constexpr AttentionKernels kAvx512 = {avx512::Unpack, avx512::Highest, true};
  switch (isa) {
    case Isa::kReference: return kReference;
    case Isa::kPortable: return kPortable;
    case Isa::kAvx2: return kAvx2;
    case Isa::kAvx512: return kAvx512;
  }
  return kReference;
}

namespace {

constexpr int64_t kBlock = 256;
/// Positions that are unpacked together: 32 heads of 256 floats are 32 KB.
constexpr int64_t kUnpacked = 32;
/// Positions that are taken together as they are, while those behind them are asked for: rows of a
/// head lie apart in a cache, which no hardware foresees.
constexpr int64_t kDirect = 16;
constexpr int64_t kCacheLine = 64;
/// Queries that share an unpacked row, at most; and how many make unpacking worth it.
constexpr int64_t kTileQueries = 32;
constexpr int64_t kUnpackFrom = 8;
/// Rows of a step whose blocks are shared among threads, at most: their parts are kept until all
/// are done.
constexpr int64_t kSplitRows = 8;

/// Rows [begin, end) of a step: of one sequence, one after another.
struct Tile {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t first_block = 0;
  int64_t last_block = 0;
};

/// What some blocks say of some queries: highest score, sum of exponentials, sums of values.
struct Part {
  float* highest;
  float* total;
  float* sums;
};

/// One Attention op in one step.
class Attending {
 public:
  Attending(const RowKernels& kernels, const AttentionKernels& more, const Attention& op,
            const CacheTensor& tensor, const std::vector<StepRow>& rows, const float* q,
            float* context)
      : kernels_(kernels),
        more_(more),
        op_(op),
        rows_(rows),
        q_(q),
        context_(context),
        dims_(tensor.head_dim),
        kv_heads_(tensor.kv_heads),
        group_(op.heads / tensor.kv_heads) {
    const int64_t most = std::max<int64_t>(1, kTileQueries / group_);
    const auto count = static_cast<int64_t>(rows.size());
    for (int64_t t = 0; t < count;) {
      Tile tile{t, t + 1, First(t) / kBlock, Last(t) / kBlock};
      while (tile.end < count && tile.end - tile.begin < most &&
             Row(tile.end).sequence == Row(t).sequence) {
        tile.first_block = std::min(tile.first_block, First(tile.end) / kBlock);
        tile.last_block = std::max(tile.last_block, Last(tile.end) / kBlock);
        ++tile.end;
      }
      most_rows_ = std::max(most_rows_, tile.end - tile.begin);
      most_blocks_ = std::max(most_blocks_, tile.last_block - tile.first_block + 1);
      tiles_.push_back(tile);
      t = tile.end;
    }
  }

  int64_t items() const { return static_cast<int64_t>(tiles_.size()) * kv_heads_; }
  int64_t blocks() const { return most_blocks_; }
  /// Multiplications of a block of an item.
  int64_t block_work() const { return 2 * most_rows_ * group_ * kBlock * dims_; }
  /// Floats of a Part of a tile.
  int64_t part_size() const { return most_rows_ * group_ * (dims_ + 2); }
  /// Floats that a thread needs: scores, unpacked rows and two parts.
  int64_t scratch_size() const {
    return most_rows_ * group_ * kBlock + kUnpacked * dims_ + 2 * part_size();
  }

  /// All blocks of an item, into the context.
  void Run(int64_t item, const KvView& cache, float* scratch) const {
    const Tile& tile = TileOf(item);
    float* parts = scratch + most_rows_ * group_ * kBlock + kUnpacked * dims_;
    const Part sum = PartAt(parts), part = PartAt(parts + part_size());
    Clear(sum);
    for (int64_t block = tile.first_block; block <= tile.last_block; ++block) {
      RunBlock(item, block, cache, scratch, part);
      Join(tile, block, part, sum);
    }
    Finish(item, sum);
  }
  /// Block number `block` of an item's, counted from its first, into a part; none if it has no
  /// such block.
  void RunSplit(int64_t item, int64_t block, const KvView& cache, float* scratch,
                float* part) const {
    const Tile& tile = TileOf(item);
    if (tile.first_block + block > tile.last_block) return;
    RunBlock(item, tile.first_block + block, cache, scratch, PartAt(part));
  }
  /// The parts of RunSplit, part_size() apart, into the context.
  void JoinSplit(int64_t item, float* parts, float* scratch) const {
    const Tile& tile = TileOf(item);
    const Part sum = PartAt(scratch);
    Clear(sum);
    for (int64_t block = tile.first_block; block <= tile.last_block; ++block) {
      Join(tile, block, PartAt(parts + (block - tile.first_block) * part_size()), sum);
    }
    Finish(item, sum);
  }
  int32_t SequenceOf(int64_t item) const { return Row(TileOf(item).begin).sequence; }

 private:
  const StepRow& Row(int64_t t) const { return rows_[static_cast<size_t>(t)]; }
  const Tile& TileOf(int64_t item) const { return tiles_[static_cast<size_t>(item / kv_heads_)]; }
  int64_t Last(int64_t t) const { return Row(t).position; }
  int64_t First(int64_t t) const {
    return op_.window > 0 ? std::max<int64_t>(0, Last(t) - op_.window + 1) : 0;
  }
  /// Positions [begin, end) of a block that row t looks at; begin >= end where there are none.
  int64_t Begin(int64_t t, int64_t block) const { return std::max(First(t), block * kBlock); }
  int64_t End(int64_t t, int64_t block) const {
    return std::min(Last(t) + 1, (block + 1) * kBlock);
  }
  Part PartAt(float* at) const {
    const int64_t queries = most_rows_ * group_;
    return {at, at + queries, at + 2 * queries};
  }

  /// f(rows, first position) for runs of the positions [begin, end) of a head, which may go round
  /// the ring; unpacked to `unpacked` unless that is null.
  template <typename F>
  void ForRuns(const KvView& cache, const std::byte* base, int64_t kv_head, int64_t begin,
               int64_t end, float* unpacked, const F& f) const {
    const auto row_bytes = static_cast<int64_t>(RowBytes(cache.type, cache.width));
    const std::byte* head = base + RowBytes(cache.type, kv_head * dims_);
    for (int64_t p = begin; p < end;) {
      const int64_t slot = p % cache.capacity;
      const int64_t count =
          std::min({end - p, cache.capacity - slot, unpacked != nullptr ? kUnpacked : kDirect});
      Prefetch(head, row_bytes, p + count, std::min(end, p + 2 * count), cache);
      KvRows run{cache.type, head + slot * row_bytes, row_bytes, count, dims_};
      if (unpacked != nullptr) {
        more_.unpack(run, unpacked);
        run = {DType::kF32, reinterpret_cast<const std::byte*>(unpacked),
               dims_ * static_cast<int64_t>(sizeof(float)), count, dims_};
      }
      f(run, p);
      p += count;
    }
  }

  /// Asks for the rows of a head at positions [begin, end).
  void Prefetch(const std::byte* head, int64_t row_bytes, int64_t begin, int64_t end,
                const KvView& cache) const {
    const auto bytes = static_cast<int64_t>(RowBytes(cache.type, dims_));
    for (int64_t p = begin; p < end; ++p) {
      const std::byte* row = head + p % cache.capacity * row_bytes;
      for (int64_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(row + at);
    }
  }

  /// The part of a run that starts at `position` which row t looks at in a block; count 0 if none.
  KvRows Overlap(const KvRows& run, int64_t position, int64_t t, int64_t block) const {
    const int64_t begin = std::max(position, Begin(t, block));
    KvRows rows = run;
    rows.data += (begin - position) * run.stride;
    rows.count = std::max<int64_t>(0, std::min(position + run.count, End(t, block)) - begin);
    return rows;
  }

  void RunBlock(int64_t item, int64_t block, const KvView& cache, float* scratch,
                const Part& part) const {
    const Tile& tile = TileOf(item);
    const int64_t kv_head = item % kv_heads_;
    const int64_t queries = (tile.end - tile.begin) * group_;
    float* scores = scratch;
    const bool direct = cache.type == DType::kF32 ||
                        (cache.type == DType::kF16 && more_.reads_halves) || queries < kUnpackFrom;
    float* unpacked = direct ? nullptr : scratch + most_rows_ * group_ * kBlock;
    int64_t begin = (block + 1) * kBlock, end = 0;
    for (int64_t t = tile.begin; t < tile.end; ++t) {
      begin = std::min(begin, Begin(t, block));
      end = std::max(end, End(t, block));
    }
    ForRuns(
        cache, cache.keys, kv_head, begin, end, unpacked, [&](const KvRows& run, int64_t position) {
          for (int64_t t = tile.begin; t < tile.end; ++t) {
            const KvRows keys = Overlap(run, position, t, block);
            if (keys.count == 0) continue;
            const int64_t at = std::max(position, Begin(t, block)) - Begin(t, block);
            kernels_.scores(q_ + (t * op_.heads + kv_head * group_) * dims_, dims_, group_, keys,
                            op_.scale, scores + (t - tile.begin) * group_ * kBlock + at, kBlock);
          }
        });
    for (int64_t i = 0; i < queries; ++i) {
      const int64_t t = tile.begin + i / group_;
      const int64_t count = End(t, block) - Begin(t, block);
      if (count <= 0) continue;
      float* row = scores + i * kBlock;
      part.highest[i] = more_.highest(row, count);
      part.total[i] = kernels_.exp_sum(part.highest[i], count, row);
    }
    std::fill_n(part.sums, queries * dims_, 0.0f);
    ForRuns(cache, cache.values, kv_head, begin, end, unpacked,
            [&](const KvRows& run, int64_t position) {
              for (int64_t t = tile.begin; t < tile.end; ++t) {
                const KvRows values = Overlap(run, position, t, block);
                if (values.count == 0) continue;
                const int64_t at = std::max(position, Begin(t, block)) - Begin(t, block);
                const int64_t i = (t - tile.begin) * group_;
                kernels_.add_values(scores + i * kBlock + at, kBlock, group_, values,
                                    part.sums + i * dims_, dims_);
              }
            });
  }

  /// A sum of nothing yet: its total is 0.
  void Clear(const Part& sum) const { std::fill_n(sum.total, most_rows_ * group_, 0.0f); }

  /// x * exp(from - to), for `n` values and their total.
  void Rescale(float from, float to, float* x, float& total) const {
    if (from == to) return;
    float factor = from;
    kernels_.exp_sum(to, 1, &factor);
    kernels_.scale(x, nullptr, factor, dims_, x);
    total *= factor;
  }

  /// Adds a block's part to what the blocks before it gave.
  void Join(const Tile& tile, int64_t block, const Part& part, const Part& sum) const {
    for (int64_t i = 0; i < (tile.end - tile.begin) * group_; ++i) {
      const int64_t t = tile.begin + i / group_;
      if (Begin(t, block) >= End(t, block)) continue;
      float* sums = sum.sums + i * dims_;
      if (block == First(t) / kBlock) {
        sum.highest[i] = part.highest[i];
        sum.total[i] = part.total[i];
        std::copy_n(part.sums + i * dims_, dims_, sums);
        continue;
      }
      const float highest = std::max(sum.highest[i], part.highest[i]);
      Rescale(sum.highest[i], highest, sums, sum.total[i]);
      Rescale(part.highest[i], highest, part.sums + i * dims_, part.total[i]);
      kernels_.add(part.sums + i * dims_, dims_, sums);
      sum.total[i] += part.total[i];
      sum.highest[i] = highest;
    }
  }

  void Finish(int64_t item, const Part& sum) const {
    const Tile& tile = TileOf(item);
    const int64_t kv_head = item % kv_heads_;
    for (int64_t i = 0; i < (tile.end - tile.begin) * group_; ++i) {
      const int64_t t = tile.begin + i / group_;
      const int64_t head = kv_head * group_ + i % group_;
      kernels_.scale(sum.sums + i * dims_, nullptr, 1.0f / sum.total[i], dims_,
                     context_ + (t * op_.heads + head) * dims_);
    }
  }

  const RowKernels& kernels_;
  const AttentionKernels& more_;
  const Attention& op_;
  const std::vector<StepRow>& rows_;
  const float* q_;
  float* context_;
  int64_t dims_;
  int64_t kv_heads_;
  int group_;  ///< Queries that share keys and values.
  std::vector<Tile> tiles_;
  int64_t most_rows_ = 1;
  int64_t most_blocks_ = 1;
};

}  // namespace

void Step::Execute(const Attention& op, RowContext& rows) {
  const CacheTensor& tensor = program_.caches[static_cast<size_t>(op.cache)];
  if (engine_ != nullptr &&
      engine_->Attend({op, tensor, rows.rows, Data(op.q), bindings_.caches, Data(op.context)})) {
    return;
  }
  const Attending attending(row_, attention_, op, tensor, rows.rows, Data(op.q), Data(op.context));
  GrowWorkerScratch(attending.scratch_size());
  const int64_t items = attending.items(), blocks = attending.blocks();
  const auto cache_of = [&](int64_t item) -> const KvView& {
    return Cache(attending.SequenceOf(item), op.cache);
  };
  if (blocks == 1 || team_.size() == 1 || rows.count() > kSplitRows) {
    const int64_t grain = std::max<int64_t>(1, 2 * kThreadWork / (attending.block_work() * blocks));
    team_.ParallelFor(items, grain, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t item = begin; item < end; ++item) {
        attending.Run(item, cache_of(item), WorkerScratch(worker));
      }
    });
    return;
  }
  const int64_t size = attending.part_size();
  float* parts = Scratch(0, items * blocks * size);
  const int64_t grain = std::max<int64_t>(1, 2 * kThreadWork / attending.block_work());
  team_.ParallelFor(items * blocks, grain, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) {
      attending.RunSplit(i / blocks, i % blocks, cache_of(i / blocks), WorkerScratch(worker),
                         parts + i * size);
    }
  });
  for (int64_t item = 0; item < items; ++item) {
    attending.JoinSplit(item, parts + item * blocks * size, WorkerScratch(0));
  }
}

}  // namespace tandem::cpu
