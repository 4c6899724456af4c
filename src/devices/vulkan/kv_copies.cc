// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/kv_copies.h"

#include <algorithm>
#include <bit>

namespace tandem::vulkan {
namespace {

// Positions that a growing copy has room for at first.
constexpr int64_t kFirstCapacity = 512;

// Slots of a copy that is to hold positions up to `end`.
int64_t Wanted(const CacheTensor& tensor, const KvView& view, int64_t end) {
  if (tensor.window != 0) return view.capacity;
  const auto grown = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(end)));
  return std::min(view.capacity, std::max(kFirstCapacity, grown));
}

}  // namespace

bool KvCopy::HasRoom(const Program& program, std::span<const KvView> views,
                     std::span<const Use> uses, int64_t end) const {
  return std::all_of(uses.begin(), uses.end(), [&](const Use& use) {
    const auto index = static_cast<size_t>(use.cache);
    return caches_[index].capacity >= Wanted(program.caches[index], views[index], end);
  });
}

void KvCopy::Reserve(Cache& cache, const CacheTensor& tensor, const KvView& view, int64_t end) {
  const int64_t wanted = Wanted(tensor, view, end);
  if (cache.capacity >= wanted) return;
  // Nothing of use, should there be no memory.
  cache.capacity = 0;
  cache.stamps.clear();
  cache.next = -1;
  cache.memory = {};
  const size_t row_bytes = RowBytes(view.type, view.width);
  cache.memory = memory_.device().Take(2 * static_cast<uint64_t>(wanted) * row_bytes);
  cache.capacity = wanted;
  cache.stamps.assign(static_cast<size_t>(wanted), 0);
}

// Positions [first, end), by runs that lie together on both sides.
void KvCopy::Upload(Cache& cache, const KvView& view, int64_t first, int64_t end) {
  const size_t row_bytes = RowBytes(view.type, view.width);
  const uint64_t half = cache.memory.size() / 2;
  for (int64_t p = first; p < end;) {
    const int64_t from = p % view.capacity, to = p % cache.capacity;
    const int64_t count = std::min({end - p, view.capacity - from, cache.capacity - to});
    const uint64_t offset = static_cast<uint64_t>(to) * row_bytes;
    const size_t source = static_cast<size_t>(from) * row_bytes;
    const size_t bytes = static_cast<size_t>(count) * row_bytes;
    memory_.Write(cache.memory, offset, {view.keys + source, bytes});
    memory_.Write(cache.memory, half + offset, {view.values + source, bytes});
    p += count;
  }
}

void KvCopy::Prepare(const Program& program, std::span<const KvView> views,
                     std::span<const Use> uses, int64_t first, int64_t end,
                     std::span<CacheWords> words) {
  for (const Use& use : uses) {
    const auto index = static_cast<size_t>(use.cache);
    const CacheTensor& tensor = program.caches[index];
    const KvView& view = views[index];
    Cache& cache = caches_[index];
    Reserve(cache, tensor, view, end);
    const KvHistory* known = view.history.get();
    const int64_t oldest = tensor.window == 0 ? 0 : std::max<int64_t>(0, first - tensor.window + 1);
    const int64_t needed = use.written ? first : end;
    // Nothing but the start of this step has happened since the last one ended here.
    const bool up_to_date =
        known != nullptr && use.written && cache.next == first && cache.edits + 1 == known->edits;
    for (int64_t p = oldest; p < needed && !up_to_date;) {
      const auto is_there = [&](int64_t position) {
        if (known == nullptr) return false;
        const auto slot = static_cast<size_t>(position % cache.capacity);
        return cache.stamps[slot] == known->stamps[static_cast<size_t>(position)];
      };
      if (is_there(p)) {
        ++p;
        continue;
      }
      int64_t stop = p + 1;
      while (stop < needed && !is_there(stop)) ++stop;
      Upload(cache, view, p, stop);
      for (; p < stop; ++p) {
        cache.stamps[static_cast<size_t>(p % cache.capacity)] =
            known == nullptr ? 0 : known->stamps[static_cast<size_t>(p)];
      }
    }
    // Whatever comes of the step, what it overwrites is gone.
    if (use.written) {
      for (int64_t p = first; p < end; ++p) {
        cache.stamps[static_cast<size_t>(p % cache.capacity)] = 0;
      }
      cache.next = -1;
    }
    CacheWords& word = words[index];
    word.keys = cache.memory.address();
    word.values = cache.memory.address() + cache.memory.size() / 2;
    word.capacity = static_cast<uint32_t>(cache.capacity);
  }
}

void KvCopy::Finish(std::span<const KvView> views, std::span<const Use> uses, int64_t first,
                    int64_t end, bool written) {
  for (const Use& use : uses) {
    const auto index = static_cast<size_t>(use.cache);
    const KvHistory* known = views[index].history.get();
    if (!use.written || !written || known == nullptr) continue;
    Cache& cache = caches_[index];
    for (int64_t p = first; p < end; ++p) {
      cache.stamps[static_cast<size_t>(p % cache.capacity)] = known->stamps[static_cast<size_t>(p)];
    }
    cache.edits = known->edits;
    cache.next = end;
  }
}

void KvCopies::Prune() {
  copies_.remove_if([](const KvCopy& copy) { return copy.history.expired(); });
}

KvCopy& KvCopies::Find(std::span<const KvView> views) {
  const std::shared_ptr<const KvHistory> wanted = views.empty() ? nullptr : views.front().history;
  for (KvCopy& copy : copies_) {
    if (wanted != nullptr && copy.history.lock() == wanted) return copy;
  }
  KvCopy& copy = copies_.emplace_back(memory_, views.size());
  copy.history = wanted;
  return copy;
}

}  // namespace tandem::vulkan
