// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Tails that become heads. A tail is one workgroup that the whole device waits for: it is told that
// the others are done, reads what they have made, and what it makes goes through memory once more.
// Where all workgroups of the next product make that for themselves nobody waits, and what is read
// several times comes from a cache.
#include <algorithm>
#include <utility>

#include "devices/vulkan/fused_lowering.h"

namespace tandem::vulkan {
namespace {

// Workgroups of a device that does not say how many it runs at a time.
constexpr uint32_t kUnknownCores = 16;
// What a core runs at a time: enough to keep its memory busy. An H200 made 499 tokens a second with
// one and 524 with two; three were no faster.
constexpr uint32_t kGroupsOfCore = 2;
// Activations that a workgroup keeps, a quarter more where they are codes with their scales: with
// what a tail shares less than the 32 KB that devices have.
constexpr int64_t kMostKeptBytes = 16384;

}  // namespace

uint32_t FusedLowering::HeadGroups() const {
  const uint32_t cores = context_.info().cores;
  return kGroupsOfCore * (cores == 0 ? kUnknownCores : cores);
}

bool FusedLowering::CanLead(const Tail& head, const Product& product) const {
  const auto same = [](const Part& a, const Part& b) {
    return !a.empty() && !b.empty() && a.tensor.buffer == b.tensor.buffer &&
           a.tensor.offset == b.tensor.offset && a.first == b.first;
  };
  if (product.tail ||
      !(same(head.out.codes, product.x.codes) || same(head.out.floats, product.x.floats))) {
    return false;
  }
  // All workgroups read what the head begins with, while the first stores what it leaves.
  const auto overlap = [](const Part& a, const Part& b) {
    if (a.empty() || b.empty() || a.tensor.buffer != b.tensor.buffer) return false;
    const auto begin = [](const Part& part) {
      return part.tensor.offset + part.first * sizeof(float);
    };
    return begin(a) < begin(b) + b.count * sizeof(float) &&
           begin(b) < begin(a) + a.count * sizeof(float);
  };
  for (const Part& left : {head.h, head.out.floats}) {
    for (const Part& read : {head.y, head.a, head.b}) {
      if (overlap(left, read)) return false;
    }
  }
  return std::all_of(product.views.begin(), product.views.end(), [&](const WeightView& view) {
    return view.cols * (Quantized(view) ? 1 : 4) <= kMostKeptBytes;
  });
}

bool FusedLowering::CanMixAhead(const Tail& head, const AltUpPredict& ahead) const {
  // The per-layer inputs are added to all streams but the first.
  return head.altup == Tail::AltUp::kCorrect && head.streams == ahead.streams && head.active == 0 &&
         ahead.active == 0 && head.router->scale == ahead.router.scale &&
         head.eps == ahead.router.eps;
}

void FusedLowering::MultiplyAll(std::span<const WeightView> views, const Part& x, const Part& y) {
  if (many()) return plain_.MultiplyAll(set_, views, x, y);
  Product product;
  product.views.assign(views.begin(), views.end());
  product.x.floats = x;
  product.y = y;
  Multiply(product);
}

void FusedLowering::Multiply(const Product& product) {
  if (many()) return MultiplyRows(product);
  std::optional<Tail> head = std::exchange(head_, {});
  Product now = product;
  if (now.tail && now.tail->leads) head_ = std::exchange(now.tail, {});
  if (head && !CanLead(*head, now)) {
    RunTail(*head);
    head.reset();
  }
  if (head) {
    if (!head->kept) head->out.codes = head->out.groups = {};
    head->store_streams =
        head->altup != Tail::AltUp::kPredict && head->altup != Tail::AltUp::kPredictMixed;
  }
  Multiply(now, head ? &*head : nullptr);
}

}  // namespace tandem::vulkan
