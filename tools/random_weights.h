// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Random weights in any storage type, as fast as a disk takes them: a pool of normally distributed
// weights is packed once per type and deviation, and rows are sewn together from runs of its
// blocks, taken at random places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "core/thread_team.h"
#include "formats/dtype.h"
#include "formats/gguf_writer.h"

namespace tandem {

/// A small generator (SplitMix64): good mixing, a state that any number makes a fresh stream of.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  /// Uniform in [0, bound). REQUIRES: bound > 0.
  int64_t Below(int64_t bound);
  /// Mean 0, deviation 1, at most 3.5 away: the sum of four uniform values.
  float Normal();

 private:
  uint64_t state_;
};

/// One thread at a time; works with all of `team`. The bytes depend on the seed, never on the
/// number of threads.
class RandomWeights {
 public:
  RandomWeights(ThreadTeam& team, uint64_t seed) : team_(team), seed_(seed) {}

  /// Writes a tensor of `rows` rows of `cols`, those from `filled` on zero.
  /// REQUIRES: cols is a multiple of the type's block, 0 <= filled <= rows.
  void Write(DType type, int64_t rows, int64_t cols, int64_t filled, float deviation,
             GgufWriter& writer);

 private:
  using Pool = std::vector<std::byte>;
  const Pool& PoolOf(DType type, float deviation);

  ThreadTeam& team_;
  uint64_t seed_;
  uint64_t tensors_ = 0;
  std::map<std::pair<DType, float>, Pool> pools_;
  std::vector<std::byte> packed_;
};

}  // namespace tandem
