// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys and values of one session: per cache tensor of the Program, a ring for windowed layers and
// the whole context for the others. It knows which positions each ring still holds, which decides
// how far a session can go back. One thread at a time; forks share pages until they write.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/forkable_memory.h"
#include "devices/device.h"
#include "program/program.h"

namespace tandem {

/// Sizes of a session's keys and values.
struct KvShape {
  int64_t context = 0;  ///< Most positions.
  int64_t chunk = 0;    ///< Most rows of a step.
  int64_t slack =
      0;  ///< Positions that rings keep beyond what a step needs, to go back at no cost.
  DType type = DType::kF32;
};

/// Slots of a cache tensor: all positions, or window - 1 + chunk + slack of them.
int64_t KvCapacity(const CacheTensor& cache, const KvShape& shape);
/// Bytes of keys and values of a session of this shape.
uint64_t KvBytes(const Program& program, const KvShape& shape);

/// What windowed layers held at some position: enough to go on from there.
struct KvSnapshot {
  int64_t position = 0;
  /// Per windowed cache tensor, in order: keys, then values, of its last window - 1 positions.
  std::vector<std::vector<std::byte>> rows;
  uint64_t Bytes() const;
};

class KvStore {
 public:
  /// `program` must outlive it. Throws Error kResource.
  KvStore(const Program& program, const KvShape& shape);

  const KvShape& shape() const { return shape_; }
  std::span<const KvView> views() const { return views_; }
  /// Positions that have been written and not taken back: [0, end()).
  int64_t end() const { return end_; }

  /// Tells that a step is about to write `count` positions from end() on: what its slots held is
  /// gone, whether or not the step succeeds.
  void BeginStep(int64_t count);
  /// Tells that it has.
  void EndStep(int64_t count);
  /// Whether every layer still holds what a token at `position` would look back at.
  bool Holds(int64_t position) const;
  /// Takes back the positions from `position` on. REQUIRES: Holds(position), position <= end().
  void Truncate(int64_t position);
  /// Forgets everything.
  void Clear();

  KvSnapshot TakeSnapshot() const;
  /// Goes back to a snapshot taken earlier of this store, or of one that it is a fork of.
  /// REQUIRES: the tokens before the snapshot's position are the same still.
  void Restore(const KvSnapshot& snapshot);

  KvStore Fork();

  /// First position of a cache tensor that is still there.
  int64_t FirstHeld(size_t cache) const;
  /// Bytes of one position's keys (or values) of a cache tensor.
  size_t RowBytesOf(size_t cache) const { return row_bytes_[cache]; }
  const std::byte* KeyRow(size_t cache, int64_t position) const;
  const std::byte* ValueRow(size_t cache, int64_t position) const;
  std::byte* KeyRow(size_t cache, int64_t position);
  std::byte* ValueRow(size_t cache, int64_t position);
  /// Declares that rows from FirstHeld positions `first` (one per cache tensor) up to `end` have
  /// been filled in by hand, as when a saved session is read.
  void Adopt(std::span<const int64_t> first, int64_t end);
  size_t cache_count() const { return views_.size(); }

 private:
  KvStore() = default;
  void MakeViews();
  /// Gives positions [first, end) stamps that no other position has had, and forgets later ones.
  void Stamp(int64_t first, int64_t end);
  /// First position of the window of a token at `position`.
  int64_t WindowStart(size_t cache, int64_t position) const;

  const Program* program_ = nullptr;
  KvShape shape_;
  std::vector<ForkableMemory> memory_;
  std::vector<KvView> views_;
  std::shared_ptr<KvHistory> history_;  ///< Also the views'.
  std::vector<size_t> row_bytes_;
  std::vector<int64_t> first_held_;
  int64_t end_ = 0;
};

}  // namespace tandem
