// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/array_attention.h"

#include <algorithm>
#include <cmath>

#include "core/log.h"
#include "devices/npu/attention/attention_pack.h"
#include "devices/npu/kernels/attention_tile.h"
#include "devices/npu/prefill/product_plan.h"
#include "formats/dtype.h"

namespace tandem::npu {
namespace {

constexpr double kLog2E = 1.4426950408889634;

/// The longest vector [dims] of some; infinite where a value is no number.
double LongestOf(std::span<const float> vectors, int64_t dims) {
  double longest = 0;
  for (size_t at = 0; at < vectors.size(); at += static_cast<size_t>(dims)) {
    double square = 0;
    for (const float value : vectors.subspan(at, static_cast<size_t>(dims))) {
      square += static_cast<double>(value) * value;
    }
    if (!std::isfinite(square)) return INFINITY;
    longest = std::max(longest, square);
  }
  return std::sqrt(longest);
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

std::vector<KeyRange> RangesOf(std::span<const StepRow> rows, int64_t window) {
  std::vector<KeyRange> ranges;
  for (const StepRow& row : rows) {
    const int64_t position = row.position;
    ranges.push_back({window > 0 ? std::max<int64_t>(0, position - window + 1) : 0, position});
  }
  return ranges;
}

/// Rows of one sequence, one after another.
std::vector<std::span<const StepRow>> RunsOf(std::span<const StepRow> rows) {
  std::vector<std::span<const StepRow>> runs;
  while (!rows.empty()) {
    const auto other = std::find_if(rows.begin(), rows.end(), [&](const StepRow& row) {
      return row.sequence != rows.front().sequence;
    });
    const auto count = static_cast<size_t>(other - rows.begin());
    runs.push_back(rows.first(count));
    rows = rows.subspan(count);
  }
  return runs;
}

}  // namespace

std::string_view AttentionRefusal(const Attention& op, const CacheTensor& tensor) {
  if (tensor.head_dim > kMostHeadDim) return "heads wider than 256";
  if (op.heads > kMostAttentionHeads) return "more heads than 1024";
  return {};
}

std::optional<ArrayAttention::Work> ArrayAttention::Attend(const AttentionCall& call,
                                                           AttentionRunner& runner) {
  if (!AttentionRefusal(call.op, call.tensor).empty()) return {};
  const AttentionShape shape{call.op.heads, call.tensor.kv_heads, call.tensor.head_dim};
  const auto runs = RunsOf(call.rows);
  std::vector<AttentionPlan> plans;
  for (const auto& run : runs) {
    if (static_cast<int64_t>(run.size()) < kLeastRows ||
        static_cast<int64_t>(run.size()) > kMostAttentionRows ||
        run.back().position >= kMostAttentionKeys) {
      return {};
    }
    plans.push_back(PlanAttention(runner.config(), shape, RangesOf(run, call.op.window)));
    if (plans.back().bytes() > kMostCallBytes) {
      SayLeft("a call would take more than 256 MB");
      return {};
    }
  }
  const int64_t width = shape.heads * shape.head_dim;
  context_.resize(call.rows.size() * static_cast<size_t>(width));
  Work work;
  size_t row = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    const AttentionPlan& plan = plans[i];
    const size_t at = row * static_cast<size_t>(width);
    const size_t count = runs[i].size() * static_cast<size_t>(width);
    const KvView& cache = call.caches[static_cast<size_t>(runs[i].front().sequence)]
                                     [static_cast<size_t>(call.op.cache)];
    if (!PackRun(plan, call, cache, {call.q + at, count}, runner)) return {};
    const std::span<std::byte> sums = runner.Memory(kSumArgument, plan.sum_bytes);
    runner.Run(plan, AttentionStream(plan));
    UnpackContext(plan, sums, std::span(context_).subspan(at, count));
    const AttentionWork done = WorkOf(plan);
    ++work.calls;
    work.macs += static_cast<uint64_t>(done.macs);
    work.seconds += ModelAttention(done, KernelClass::kPeano).seconds;
    row += runs[i].size();
  }
  std::copy(context_.begin(), context_.end(), call.context);
  return work;
}

bool ArrayAttention::PackRun(const AttentionPlan& plan, const AttentionCall& call,
                             const KvView& cache, std::span<const float> q,
                             AttentionRunner& runner) {
  const int64_t dims = plan.shape.head_dim;
  const double query = LongestOf(q, dims) * std::abs(call.op.scale) * kLog2E;
  PackQueries(plan, q, call.op.scale, runner.Memory(kQueryArgument, plan.query_bytes));
  KeyPacker packer(plan, runner.Memory(kKeyArgument, plan.key_bytes));
  const auto row_bytes = static_cast<int64_t>(RowBytes(cache.type, cache.width));
  std::vector<float> key(static_cast<size_t>(cache.width));
  std::vector<float> value(key.size());
  int64_t first = plan.rows.front().first;
  int64_t last = 0;
  for (const KeyRange& row : plan.rows) {
    first = std::min(first, row.first);
    last = std::max(last, row.last);
  }
  for (int64_t p = first; p <= last; ++p) {
    const int64_t slot = p % cache.capacity * row_bytes;
    DequantizeRow(cache.type, cache.keys + slot, key.data(), cache.width);
    DequantizeRow(cache.type, cache.values + slot, value.data(), cache.width);
    // |q k| <= |q| |k|; rounding to bfloat16 adds less than a hundredth.
    const double score = query * LongestOf(key, dims);
    if (!(score * 1.01 < kMostScore) || !AllFinite(value)) {
      SayLeft("scores beyond 4096 powers of two, or values that are no numbers");
      return false;
    }
    packer.Set(p, key, value);
  }
  return true;
}

void ArrayAttention::SayLeft(std::string_view reason) {
  if (std::find(said_.begin(), said_.end(), reason) != said_.end()) return;
  said_.push_back(reason);
  log::Info("npu: attention stays with the CPU: {}", reason);
}

}  // namespace tandem::npu
