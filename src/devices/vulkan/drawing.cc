// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/drawing.h"

#include <algorithm>
#include <cstring>

#include "devices/token_weights.h"

namespace tandem::vulkan {
namespace {

// As the kernels have them.
constexpr uint32_t kThreads = 256;
constexpr uint64_t kMaxBlocks = 2048;

constexpr size_t kPeaksSlot = 40;  // of scratch, beside those of the ops and the patterns
constexpr size_t kResultSlot = 41;

struct ParamWords {
  uint32_t top_k, greedy;
  TokenWeights::Scale sums, cuts, draw;
  uint64_t top_p, least, fraction;
};
static_assert(sizeof(ParamWords) == 56 && sizeof(ParamWords) <= kDrawParamBytes);

struct ResultWords {
  uint32_t token, kept, whole, unused;
  uint64_t total;
  uint32_t ids[kMaxDrawn];
  float values[kMaxDrawn];
};

// Peaks, and sums of 64 bits.
constexpr uint64_t kBlockBytes = kMaxBlocks * (sizeof(uint32_t) + sizeof(uint64_t));

}  // namespace

DrawWay WayOf(const DrawParams& params) {
  return params.top_k != 0 ? DrawWay::kTopK : params.FromAll() ? DrawWay::kAll : DrawWay::kCut;
}

void WriteDrawParams(const DrawParams& params, std::byte* to) {
  const bool greedy = params.temperature == 0;
  const TokenWeights::Scale plain = TokenWeights(1).scale();
  const TokenWeights::Scale draw = greedy ? plain : TokenWeights(params.temperature).scale();
  const ParamWords words{static_cast<uint32_t>(params.top_k),
                         greedy ? 1U : 0U,
                         WayOf(params) == DrawWay::kAll ? draw : plain,
                         plain,
                         draw,
                         ShareOf(params.top_p),
                         LeastWeight(params.min_p),
                         ShareOf(params.fraction)};
  std::memcpy(to, &words, sizeof words);
}

uint64_t DrawnBytes() { return sizeof(ResultWords); }

void ReadDrawn(const std::byte* from, Drawn& drawn) {
  ResultWords words;
  std::memcpy(&words, from, sizeof words);
  drawn.token = static_cast<int32_t>(words.token);
  drawn.whole = words.whole != 0;
  drawn.total = words.total;
  drawn.likeliest.resize(std::min<uint32_t>(words.kept, kMaxDrawn));
  for (size_t i = 0; i < drawn.likeliest.size(); ++i) {
    drawn.likeliest[i] = {static_cast<int32_t>(words.ids[i]), words.values[i]};
  }
}

void Drawing::Reserve() {
  if (!next_.empty()) return;
  const std::vector<std::byte> zeros(sizeof(uint32_t));
  Slice next = memory_.device().Take(zeros.size());
  memory_.Write(next, 0, zeros);
  next_ = std::move(next);
}

void Drawing::Prepare(const Program& program, std::span<const uint32_t> banned) {
  if (banned_.contains(&program)) return;
  std::vector<uint32_t> words((static_cast<size_t>(program.vocab_rows) + 31) / 32);
  std::copy_n(banned.begin(), std::min(words.size(), banned.size()), words.begin());
  const auto bytes = std::as_bytes(std::span(words));
  Slice slice = memory_.device().Take(bytes.size());
  memory_.Write(slice, 0, bytes);
  banned_.emplace(&program, std::move(slice));
}

void Drawing::Record(const Program& program, StepPlan& plan, Recorder& recorder,
                     const Access& logits, DrawWay way) {
  const auto count = static_cast<uint64_t>(program.vocab_rows);
  const uint64_t block = (count + kMaxBlocks - 1) / kMaxBlocks;
  const uint64_t blocks = (count + block - 1) / block;
  const uint64_t subgroups = kThreads / recorder.subgroup();
  const Tensor peaks = plan.Scratch(kPeaksSlot, kBlockBytes);
  const Tensor result = plan.Scratch(kResultSlot, sizeof(ResultWords));
  const Access banned = Constant(Tensor::Of(banned_.at(&program)));
  const Word push[] = {logits.first / sizeof(float), count, block, blocks};
  const uint32_t threads[] = {kThreads};
  const auto whole = [](const Tensor& tensor, bool writes) {
    return Access{tensor, 0, tensor.bytes, writes, false};
  };
  const Grid grid = GridOf((blocks + subgroups - 1) / subgroups);
  const Access peak_bindings[] = {logits, banned, whole(peaks, true)};
  recorder.Dispatch(Kernel::kPeaks, threads, peak_bindings, push, grid);
  const Access params = Constant(plan.DrawTable());
  if (way != DrawWay::kTopK) {
    const Access weigh_bindings[] = {logits, banned, whole(peaks, true), params};
    recorder.Dispatch(Kernel::kWeigh, threads, weigh_bindings, push, grid);
  }
  const Access last_bindings[] = {
      logits, banned, whole(peaks, false), params, whole(result, true), whole(Next(), true)};
  if (way == DrawWay::kAll) {
    recorder.Dispatch(Kernel::kPick, threads, last_bindings, push, {});
  } else {
    const uint32_t constants[] = {kThreads, way == DrawWay::kTopK ? 1U : 0U};
    recorder.Dispatch(Kernel::kDraw, constants, last_bindings, push, {});
  }
  recorder.Copy(result, plan.DrawnToHost(sizeof(ResultWords)), sizeof(ResultWords));
}

}  // namespace tandem::vulkan
