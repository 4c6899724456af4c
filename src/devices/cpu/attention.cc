// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything between the input norm and the residual after attention, but what attend.cc has.
#include <algorithm>
#include <cmath>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {
namespace {

void Store(const RowKernels& kernels, const KvView& cache, std::byte* base, int64_t slot,
           const float* row) {
  std::byte* target = base + slot * static_cast<int64_t>(RowBytes(cache.type, cache.width));
  if (cache.type == DType::kF16) {
    kernels.to_half(row, cache.width, reinterpret_cast<uint16_t*>(target));
  } else {
    QuantizeRow(cache.type, row, target, cache.width);
  }
}

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
  const RopeTable& rope = Rope(rows, {op.rope_theta, op.rope_factor, op.head_dim});
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
  float* q = op.q == kNoId ? nullptr : Data(op.q);
  const int64_t q_width = op.q == kNoId ? 0 : Width(op.q);
  float* keys = nullptr;
  float* values = nullptr;
  products_.clear();
  if (q != nullptr) products_.push_back({op.query, q, q_width});
  if (op.cache != kNoId) {
    keys = Scratch(0, count * op.key.rows);
    values = Scratch(1, count * op.value.rows);
    products_.push_back({op.key, keys, op.key.rows});
    products_.push_back({op.value, values, op.value.rows});
  }
  multiplier_.Load(normed, width, count, width);
  multiplier_.Run(products_);
  if (q != nullptr) {
    ForRows(count, q_width, 8,
            [&](int64_t t, int) { finish(q + t * q_width, t, op.heads, op.q_norm.data(), true); });
  }
  if (op.cache == kNoId) return;
  ForRows(count, op.key.rows, 16, [&](int64_t t, int) {
    float* key = keys + t * op.key.rows;
    float* value = values + t * op.value.rows;
    finish(key, t, op.kv_heads, op.k_norm.data(), true);
    if (op.norm_value) finish(value, t, op.kv_heads, nullptr, false);
    const StepRow& row = rows.rows[static_cast<size_t>(t)];
    const KvView& cache = Cache(row.sequence, op.cache);
    const int64_t slot = row.position % cache.capacity;
    Store(row_, cache, cache.keys, slot, key);
    Store(row_, cache, cache.values, slot, value);
  });
}

void Step::Execute(const AttentionOut& op, RowContext& rows) {
  const int64_t width = Width(op.h);
  const int64_t count = rows.count();
  const float* residual = Plane(op.residual, op.plane);
  const float* laurel = op.laurel == kNoId ? nullptr : Data(op.laurel);
  float* h = Data(op.h);
  if (!MakeWithMlp(op, residual, laurel, count)) {
    multiplier_.Run(op.output, Data(op.context), Width(op.context), count, h, width);
  }
  ForRows(count, width, 8, [&](int64_t t, int) {
    float* row = h + t * width;
    row_.rms_norm(row, op.post_norm.data(), op.eps, width, row);
    row_.add_mix(residual + t * width, laurel == nullptr ? nullptr : laurel + t * width, op.mix,
                 width, row);
  });
}

bool Step::MakeWithMlp(const AttentionOut& op, const float* residual, const float* laurel,
                       int64_t count) {
  made_ = nullptr;
  if (engine_ == nullptr || next_ == nullptr || count > engine_->OutAndMlpRows()) return false;
  const auto* const mlp = std::get_if<GatedMlp>(&next_->body);
  if (mlp == nullptr || mlp->h != op.h) return false;
  const int64_t width = Width(op.h);
  float* const base = Scratch(kBaseSlot, count * width);
  ForRows(count, width, 4, [&](int64_t t, int) {
    float* const row = base + t * width;
    std::copy_n(residual + t * width, width, row);
    if (laurel != nullptr) row_.add(laurel + t * width, width, row);
  });
  float* const y = Scratch(kMadeSlot, count * width);
  if (!engine_->OutAndMlp({op, *mlp, Data(op.context), base, count, Data(op.h), y})) return false;
  made_ = mlp;
  mix_ = op.mix;
  return true;
}

}  // namespace tandem::cpu
