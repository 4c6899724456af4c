// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/kv_store.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstring>
#include <utility>

namespace tandem {

int64_t KvCapacity(const CacheTensor& cache, const KvShape& shape) {
  if (cache.window == 0) return shape.context;
  return std::min(shape.context, cache.window - 1 + shape.chunk + shape.slack);
}

uint64_t KvBytes(const Program& program, const KvShape& shape) {
  uint64_t bytes = 0;
  for (const CacheTensor& cache : program.caches) {
    bytes +=
        2 * static_cast<uint64_t>(KvCapacity(cache, shape)) * RowBytes(shape.type, cache.width());
  }
  return bytes;
}

uint64_t KvSnapshot::Bytes() const {
  uint64_t bytes = 0;
  for (const auto& part : rows) bytes += part.size();
  return bytes;
}

KvStore::KvStore(const Program& program, const KvShape& shape)
    : program_(&program),
      shape_(shape),
      history_(std::make_shared<KvHistory>()),
      first_held_(program.caches.size(), 0) {
  for (const CacheTensor& cache : program.caches) {
    row_bytes_.push_back(RowBytes(shape.type, cache.width()));
    memory_.emplace_back(2 * static_cast<size_t>(KvCapacity(cache, shape)) * row_bytes_.back());
  }
  MakeViews();
}

void KvStore::MakeViews() {
  views_.clear();
  for (size_t i = 0; i < memory_.size(); ++i) {
    KvView view;
    view.type = shape_.type;
    view.capacity = KvCapacity(program_->caches[i], shape_);
    view.width = program_->caches[i].width();
    view.keys = memory_[i].data();
    view.values = memory_[i].data() + memory_[i].size() / 2;
    view.history = history_;
    views_.push_back(view);
  }
}

void KvStore::Stamp(int64_t first, int64_t end) {
  static std::atomic<uint64_t> next = 1;
  auto& stamps = history_->stamps;
  stamps.resize(static_cast<size_t>(end));
  for (auto i = static_cast<size_t>(first); i < stamps.size(); ++i) stamps[i] = next++;
  ++history_->edits;
}

int64_t KvStore::WindowStart(size_t cache, int64_t position) const {
  const int64_t window = program_->caches[cache].window;
  return window == 0 ? 0 : std::max<int64_t>(0, position - window + 1);
}

int64_t KvStore::FirstHeld(size_t cache) const { return first_held_[cache]; }

void KvStore::BeginStep(int64_t count) {
  assert(count >= 0 && count <= shape_.chunk && end_ + count <= shape_.context);
  for (size_t i = 0; i < views_.size(); ++i) {
    // What lay a whole ring earlier is overwritten.
    first_held_[i] = std::max(first_held_[i], end_ + count - views_[i].capacity);
  }
  Stamp(end_, end_ + count);
}

void KvStore::EndStep(int64_t count) { end_ += count; }

bool KvStore::Holds(int64_t position) const {
  for (size_t i = 0; i < views_.size(); ++i) {
    if (first_held_[i] > WindowStart(i, position)) return false;
  }
  return true;
}

void KvStore::Truncate(int64_t position) {
  assert(position <= end_ && Holds(position));
  end_ = position;
  Stamp(end_, end_);
}

void KvStore::Clear() {
  end_ = 0;
  Stamp(0, 0);
  std::fill(first_held_.begin(), first_held_.end(), 0);
}

const std::byte* KvStore::KeyRow(size_t cache, int64_t position) const {
  const KvView& view = views_[cache];
  return view.keys + static_cast<size_t>(position % view.capacity) * row_bytes_[cache];
}
const std::byte* KvStore::ValueRow(size_t cache, int64_t position) const {
  const KvView& view = views_[cache];
  return view.values + static_cast<size_t>(position % view.capacity) * row_bytes_[cache];
}
std::byte* KvStore::KeyRow(size_t cache, int64_t position) {
  return const_cast<std::byte*>(std::as_const(*this).KeyRow(cache, position));
}
std::byte* KvStore::ValueRow(size_t cache, int64_t position) {
  return const_cast<std::byte*>(std::as_const(*this).ValueRow(cache, position));
}

KvSnapshot KvStore::TakeSnapshot() const {
  KvSnapshot snapshot;
  snapshot.position = end_;
  for (size_t i = 0; i < views_.size(); ++i) {
    if (program_->caches[i].window == 0) continue;
    const int64_t first = WindowStart(i, end_);
    auto& rows = snapshot.rows.emplace_back(2 * static_cast<size_t>(end_ - first) * row_bytes_[i]);
    std::byte* target = rows.data();
    for (int64_t p = first; p < end_; ++p, target += row_bytes_[i]) {
      std::memcpy(target, KeyRow(i, p), row_bytes_[i]);
    }
    for (int64_t p = first; p < end_; ++p, target += row_bytes_[i]) {
      std::memcpy(target, ValueRow(i, p), row_bytes_[i]);
    }
  }
  return snapshot;
}

void KvStore::Restore(const KvSnapshot& snapshot) {
  size_t part = 0;
  end_ = snapshot.position;
  for (size_t i = 0; i < views_.size(); ++i) {
    if (program_->caches[i].window == 0) continue;
    const int64_t first = WindowStart(i, end_);
    const std::byte* source = snapshot.rows[part++].data();
    for (int64_t p = first; p < end_; ++p, source += row_bytes_[i]) {
      std::memcpy(KeyRow(i, p), source, row_bytes_[i]);
    }
    for (int64_t p = first; p < end_; ++p, source += row_bytes_[i]) {
      std::memcpy(ValueRow(i, p), source, row_bytes_[i]);
    }
    first_held_[i] = first;
  }
  // What lies before has been there all the time, or is again: the same bits, the same stamps.
  assert(static_cast<int64_t>(history_->stamps.size()) >= end_);
  Stamp(end_, end_);
}

KvStore KvStore::Fork() {
  KvStore copy;
  copy.program_ = program_;
  copy.shape_ = shape_;
  copy.row_bytes_ = row_bytes_;
  copy.first_held_ = first_held_;
  copy.end_ = end_;
  copy.history_ = std::make_shared<KvHistory>(*history_);
  for (size_t i = 0; i < memory_.size(); ++i) {
    // A ring that went round once is in use throughout, even if truncated since.
    const bool wrapped = first_held_[i] > 0;
    const int64_t slots = wrapped ? views_[i].capacity : std::min(end_, views_[i].capacity);
    const size_t used = static_cast<size_t>(slots) * row_bytes_[i];
    const size_t half = memory_[i].size() / 2;
    const ForkableMemory::Range ranges[] = {{0, used}, {half, half + used}};
    copy.memory_.push_back(memory_[i].Fork(ranges));
  }
  copy.MakeViews();
  return copy;
}

void KvStore::Adopt(std::span<const int64_t> first, int64_t end) {
  std::copy(first.begin(), first.end(), first_held_.begin());
  end_ = end;
  Stamp(0, end_);
}

}  // namespace tandem
