// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The device's copies of sessions' keys and values (KvHistory in devices/device.h). A copy is made
// when a session is first seen and goes when the session has gone. Of caches without a window it
// grows as the session does. One thread at a time.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "devices/device.h"
#include "devices/vulkan/memory.h"
#include "devices/vulkan/step_plan.h"

namespace tandem::vulkan {

/// Of one sequence.
class KvCopy {
 public:
  KvCopy(Memory& memory, size_t caches) : memory_(memory), caches_(caches) {}

  /// What a step's ops do with a cache.
  struct Use {
    CacheId cache;
    bool written;  ///< The step's own keys and values are made on the device.
  };
  /// Brings the caches in `uses` up to date for a step of rows at positions [first, end), and says
  /// where they are. `words` has an entry for each cache tensor of the program. Throws Error
  /// kResource.
  void Prepare(const Program& program, std::span<const KvView> views, std::span<const Use> uses,
               int64_t first, int64_t end, std::span<CacheWords> words);
  /// Whether a step up to `end` finds room without a copy being made anew.
  bool HasRoom(const Program& program, std::span<const KvView> views, std::span<const Use> uses,
               int64_t end) const;
  /// The step has written its positions, or has failed; or will have written them before any other
  /// step that is submitted.
  void Finish(std::span<const KvView> views, std::span<const Use> uses, int64_t first, int64_t end,
              bool written);

  std::weak_ptr<const KvHistory> history;  ///< Whose copy it is.

 private:
  struct Cache {
    Slice memory;  ///< Keys, then values.
    int64_t capacity = 0;
    std::vector<uint64_t> stamps;  ///< By slot; 0: nothing of use.
    uint64_t edits = 0;            ///< Of the history, when [.., next) was up to date.
    int64_t next = -1;
  };
  void Reserve(Cache& cache, const CacheTensor& tensor, const KvView& view, int64_t end);
  void Upload(Cache& cache, const KvView& view, int64_t first, int64_t end);

  Memory& memory_;
  std::vector<Cache> caches_;
};

class KvCopies {
 public:
  explicit KvCopies(Memory& memory) : memory_(memory) {}
  /// Forgets sequences that have gone. REQUIRES: nothing runs on the device.
  void Prune();
  /// The copy of the sequence with these views, valid until the next Prune().
  KvCopy& Find(std::span<const KvView> views);
  size_t size() const { return copies_.size(); }

 private:
  Memory& memory_;
  std::list<KvCopy> copies_;
};

}  // namespace tandem::vulkan
