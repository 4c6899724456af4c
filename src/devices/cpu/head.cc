// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {
namespace {

// The likeliest tokens that a thread has seen: a heap with the least of them on top.
class Likeliest {
 public:
  Likeliest(const DrawRequest& request, std::vector<TokenLogit>& heap)
      : banned_(request.banned), keep_(static_cast<size_t>(request.params.top_k)), heap_(heap) {}

  /// logits[begin, end). Whether all of them are numbers. Most of a vocabulary cannot be among the
  /// best: a block of which nothing is above the least is passed over in a few vector instructions.
  bool Look(const float* logits, int64_t begin, int64_t end) {
    constexpr int64_t kBlock = 64;
    for (; begin < end; begin += kBlock) {
      const int64_t stop = std::min(begin + kBlock, end);
      const float least = heap_.size() == keep_ ? heap_.front().logit : -INFINITY;
      int any = 0;
      // Equals too: of those the smaller id is likelier, and threads see ids in any order.
      for (int64_t id = begin; id < stop; ++id) any |= static_cast<int>(!(logits[id] < least));
      if (any == 0) continue;
      for (int64_t id = begin; id < stop; ++id) {
        if (std::isnan(logits[id])) return false;
        Add({static_cast<int32_t>(id), logits[id]});
      }
    }
    return true;
  }

 private:
  void Add(const TokenLogit& token) {
    if (token.logit == -INFINITY || IsBanned(token.id)) return;
    if (heap_.size() == keep_) {
      if (!kIsLikelier(token, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), kIsLikelier);
      heap_.back() = token;
    } else {
      heap_.push_back(token);
    }
    std::push_heap(heap_.begin(), heap_.end(), kIsLikelier);
  }
  bool IsBanned(int32_t id) const {
    const auto word = static_cast<size_t>(id) / 32;
    return word < banned_.size() && ((banned_[word] >> (id % 32)) & 1) != 0;
  }

  std::span<const uint32_t> banned_;
  size_t keep_;
  std::vector<TokenLogit>& heap_;
};

}  // namespace

void Step::Execute(const FinalNorm& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  ForRows(rows.count(), width, 4, [&](int64_t t, int) {
    row_.rms_norm(Data(op.x) + t * width, op.norm.data(), op.eps, width, Data(op.y) + t * width);
  });
}

void Step::Execute(const LmHead& op, RowContext& rows) {
  const int64_t vocab = op.table.rows;
  float* logits = Data(op.logits);
  multiplier_.Run(op.table, Data(op.y), op.table.cols, rows.count(), logits, vocab);
  if (bindings_.draw != nullptr) return Draw(op, *bindings_.draw, logits);
  CapAll(op, rows.count() * vocab, logits);
}

void Step::CapAll(const LmHead& op, int64_t count, float* logits) {
  if (op.soft_cap == 0) return;
  team_.ParallelFor(count, kThreadWork / 16, [&](int64_t begin, int64_t end, int) {
    row_.soft_cap(op.soft_cap, end - begin, logits + begin);
  });
}

// The cap and the search in one pass of all threads, each over logits that it has in its cache.
void Step::Draw(const LmHead& op, const DrawRequest& request, float* logits) {
  Drawn& drawn = *request.result;
  drawn = {};
  drawn.logits = {logits, static_cast<size_t>(op.table.rows)};
  if (request.params.top_k == 0) {
    // The host weighs a whole vocabulary as fast.
    CapAll(op, op.table.rows, logits);
    drawn.whole = false;
    return;
  }
  likeliest_.resize(static_cast<size_t>(team_.size()));
  for (std::vector<TokenLogit>& own : likeliest_) own.clear();
  numbers_.assign(likeliest_.size(), 1);
  team_.ParallelFor(op.table.rows, kThreadWork / 16, [&](int64_t begin, int64_t end, int worker) {
    const auto own = static_cast<size_t>(worker);
    if (op.soft_cap != 0) row_.soft_cap(op.soft_cap, end - begin, logits + begin);
    if (!Likeliest(request, likeliest_[own]).Look(logits, begin, end)) numbers_[own] = 0;
  });
  for (const std::vector<TokenLogit>& own : likeliest_) {
    drawn.likeliest.insert(drawn.likeliest.end(), own.begin(), own.end());
  }
  std::sort(drawn.likeliest.begin(), drawn.likeliest.end(), kIsLikelier);
  const auto keep = static_cast<size_t>(request.params.top_k);
  if (drawn.likeliest.size() > keep) drawn.likeliest.resize(keep);
  drawn.whole = !drawn.likeliest.empty() &&
                std::all_of(numbers_.begin(), numbers_.end(), [](char all) { return all != 0; });
  drawn.token = drawn.whole ? drawn.likeliest.front().id : 0;
}

}  // namespace tandem::cpu
