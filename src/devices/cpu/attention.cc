// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything between the input norm and the residual after attention.
#include <algorithm>
#include <cmath>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {
namespace {

void Store(const RowKernels& kernels, const KvView& cache, std::byte* base, int64_t slot,
           const float* row) {
  if (cache.type == DType::kF32) {
    std::copy_n(row, cache.width, reinterpret_cast<float*>(base) + slot * cache.width);
    return;
  }
  kernels.to_half(row, cache.width, reinterpret_cast<uint16_t*>(base) + slot * cache.width);
}

// Keys and values of one head in a ring, read in their stored type.
class HeadCache {
 public:
  HeadCache(const KvView& cache, int64_t offset, int64_t head_dim, const RowKernels& kernels)
      : cache_(cache), offset_(offset), head_dim_(head_dim), kernels_(kernels) {}

  float KeyDot(const float* query, int64_t position) const {
    const std::byte* key = At(cache_.keys, position);
    return cache_.type == DType::kF32
               ? kernels_.dot(query, reinterpret_cast<const float*>(key), head_dim_)
               : kernels_.dot_half(query, key, head_dim_);
  }

  /// out += weight * value
  void AddValue(float weight, int64_t position, float* out) const {
    const std::byte* value = At(cache_.values, position);
    if (cache_.type == DType::kF32) {
      kernels_.add_scaled(weight, reinterpret_cast<const float*>(value), head_dim_, out);
    } else {
      kernels_.add_scaled_half(weight, value, head_dim_, out);
    }
  }

 private:
  const std::byte* At(const std::byte* base, int64_t position) const {
    return base + RowBytes(cache_.type, position % cache_.capacity * cache_.width + offset_);
  }

  const KvView& cache_;
  int64_t offset_;
  int64_t head_dim_;
  const RowKernels& kernels_;
};

}  // namespace

void Step::Execute(const LaurelAndNorm& op, RowContext& rows) {
  const int64_t width = Width(op.normed);
  const int64_t count = rows.count();
  const float* residual = Plane(op.residual, op.plane);
  float* normed = Data(op.normed);
  ForRows(count, width, 4, [&](int64_t t, int) {
    row_.rms_norm(residual + t * width, op.norm.data(), op.eps, width, normed + t * width);
  });
  if (op.laurel == kNoId) return;
  float* narrow = Scratch(0, count * op.left.rows);
  float* laurel = Data(op.laurel);
  multiplier_.Run(op.left, normed, width, count, narrow, op.left.rows);
  multiplier_.Run(op.right, narrow, op.left.rows, count, laurel, width);
  ForRows(count, width, 4, [&](int64_t t, int) {
    float* row = laurel + t * width;
    row_.rms_norm(row, op.post_norm.data(), op.eps, width, row);
    row_.add(normed + t * width, width, row);
  });
}

void Step::Execute(const QkvProject& op, RowContext& rows) {
  const int64_t width = Width(op.normed);
  const int64_t count = rows.count();
  const int64_t half = op.head_dim / 2;
  const RopeTable& rope = Rope(rows, op.rope_theta, op.head_dim);
  const float* normed = Data(op.normed);
  // Norm and rotation of one row's heads.
  const auto finish = [&](float* row, int64_t t, int heads, const float* norm, bool rotate) {
    for (int head = 0; head < heads; ++head) {
      float* values = row + static_cast<int64_t>(head) * op.head_dim;
      row_.rms_norm(values, norm, op.eps, op.head_dim, values);
      if (!rotate) continue;
      row_.rotate(rope.cosine.data() + t * half, rope.sine.data() + t * half, half, values);
    }
  };
  multiplier_.Load(normed, width, count, width);
  if (op.q != kNoId) {
    float* q = Data(op.q);
    const int64_t q_width = Width(op.q);
    multiplier_.Run(op.query, q, q_width);
    ForRows(count, q_width, 8,
            [&](int64_t t, int) { finish(q + t * q_width, t, op.heads, op.q_norm.data(), true); });
  }
  if (op.cache == kNoId) return;
  float* keys = Scratch(0, count * op.key.rows);
  float* values = Scratch(1, count * op.value.rows);
  multiplier_.Run(op.key, keys, op.key.rows);
  multiplier_.Run(op.value, values, op.value.rows);
  ForRows(count, op.key.rows, 16, [&](int64_t t, int) {
    float* key = keys + t * op.key.rows;
    float* value = values + t * op.value.rows;
    finish(key, t, op.kv_heads, op.k_norm.data(), true);
    finish(value, t, op.kv_heads, nullptr, false);
    const StepRow& row = rows.rows[static_cast<size_t>(t)];
    const KvView& cache = Cache(row.sequence, op.cache);
    const int64_t slot = row.position % cache.capacity;
    Store(row_, cache, cache.keys, slot, key);
    Store(row_, cache, cache.values, slot, value);
  });
}

void Step::Execute(const Attention& op, RowContext& rows) {
  const CacheTensor& tensor = program_.caches[static_cast<size_t>(op.cache)];
  const int64_t head_dim = tensor.head_dim;
  const int64_t group = op.heads / tensor.kv_heads;
  const float* q = Data(op.q);
  float* context = Data(op.context);
  // A head over fewer than some hundred keys is not worth another thread.
  const int64_t longest = rows.rows.back().position + 1;
  const int64_t keys = op.window > 0 ? std::min(op.window, longest) : longest;
  const int64_t grain = std::max<int64_t>(1, kThreadWork / (2 * keys * head_dim));
  team_.ParallelFor(rows.count() * op.heads, grain, [&](int64_t begin, int64_t end, int worker) {
    float* scores = WorkerScratch(worker, keys);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t t = item / op.heads;
      const int64_t head = item % op.heads;
      const StepRow& row = rows.rows[static_cast<size_t>(t)];
      const HeadCache cache(Cache(row.sequence, op.cache), head / group * head_dim, head_dim, row_);
      const float* query = q + item * head_dim;
      const int64_t last = row.position;
      const int64_t first = op.window > 0 ? std::max<int64_t>(0, last - op.window + 1) : 0;
      float highest = -INFINITY;
      for (int64_t p = first; p <= last; ++p) {
        const float score = cache.KeyDot(query, p) * op.scale;
        scores[p - first] = score;
        highest = std::max(highest, score);
      }
      const float total = row_.exp_sum(highest, last - first + 1, scores);
      float* out = context + item * head_dim;
      std::fill_n(out, head_dim, 0.0f);
      for (int64_t p = first; p <= last; ++p) {
        cache.AddValue(scores[p - first], p, out);
      }
      row_.scale(out, nullptr, 1.0f / total, head_dim, out);
    }
  });
}

void Step::Execute(const AttentionOut& op, RowContext& rows) {
  const int64_t width = Width(op.h);
  const int64_t count = rows.count();
  const float* residual = Plane(op.residual, op.plane);
  const float* laurel = op.laurel == kNoId ? nullptr : Data(op.laurel);
  float* h = Data(op.h);
  multiplier_.Run(op.output, Data(op.context), Width(op.context), count, h, width);
  ForRows(count, width, 8, [&](int64_t t, int) {
    float* row = h + t * width;
    row_.rms_norm(row, op.post_norm.data(), op.eps, width, row);
    row_.add_mix(residual + t * width, laurel == nullptr ? nullptr : laurel + t * width, op.mix,
                 width, row);
  });
}

}  // namespace tandem::cpu
