// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The Attention op of steps on the array: caches of every type, rings, several sequences, and what
// stays with the host.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/prefill/array_products.h"

namespace tandem::npu::test {
namespace {

constexpr Device kArrays[] = {{Generation::kNpu1, 4}, {Generation::kNpu2, 8}};
constexpr float kScale = 0.3F;

/// An Attention op over caches of random content, all slots of which have been written.
class OneAttention {
 public:
  OneAttention(int heads, int kv_heads, int head_dim, int64_t window, int64_t capacity, DType type,
               int sequences)
      : op_{0, 0, heads, window, kScale, 1}, tensor_{"kv", 0, kv_heads, head_dim, window} {
    const int64_t width = tensor_.width();
    views_.resize(static_cast<size_t>(sequences));
    for (KvView& view : views_) {
      view = {type, capacity, width, nullptr, nullptr};
      for (std::byte** const rows : {&view.keys, &view.values}) {
        std::vector<std::byte>& bytes =
            bytes_.emplace_back(static_cast<size_t>(capacity) * RowBytes(type, width));
        for (int64_t slot = 0; slot < capacity; ++slot) {
          const std::vector<float> row = Random(width);
          QuantizeRow(type, row.data(),
                      bytes.data() + static_cast<size_t>(slot) * RowBytes(type, width), width);
        }
        *rows = bytes.data();
      }
    }
    for (const KvView& view : views_) caches_.emplace_back(&view, 1);
  }
  OneAttention(const OneAttention&) = delete;
  OneAttention& operator=(const OneAttention&) = delete;

  std::vector<float> Random(int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal_(random_);
    return values;
  }
  int64_t width() const { return int64_t{op_.heads} * tensor_.head_dim; }
  KvView& view(size_t sequence) { return views_[sequence]; }

  bool Run(ArrayProducts& array, const std::vector<StepRow>& rows, const std::vector<float>& q,
           std::vector<float>& context) const {
    context.assign(q.size(), -77);
    return array.Attend({op_, tensor_, rows, q.data(), caches_, context.data()});
  }

  /// The error of a context, relative to its size.
  double ErrorOf(const std::vector<StepRow>& rows, const std::vector<float>& q,
                 const std::vector<float>& context) const {
    const int64_t dims = tensor_.head_dim;
    double error = 0;
    double size = 0;
    for (size_t t = 0; t < rows.size(); ++t) {
      const int64_t last = rows[t].position;
      const int64_t first = op_.window > 0 ? std::max<int64_t>(0, last - op_.window + 1) : 0;
      for (int64_t head = 0; head < op_.heads; ++head) {
        const int64_t from = head / (op_.heads / tensor_.kv_heads) * dims;
        const float* const query = q.data() + (static_cast<int64_t>(t) * op_.heads + head) * dims;
        const float* const got = context.data() + (query - q.data());
        std::vector<double> sums(static_cast<size_t>(dims));
        double total = 0;
        for (int64_t p = first; p <= last; ++p) {
          const KvView& view = views_[static_cast<size_t>(rows[t].sequence)];
          const std::vector<float> key = Row(view, view.keys, p);
          const std::vector<float> value = Row(view, view.values, p);
          double score = 0;
          for (int64_t i = 0; i < dims; ++i) {
            score += double{query[i]} * key[static_cast<size_t>(from + i)];
          }
          const double weight = std::exp(kScale * score);
          total += weight;
          for (int64_t i = 0; i < dims; ++i) {
            sums[static_cast<size_t>(i)] += weight * value[static_cast<size_t>(from + i)];
          }
        }
        for (int64_t i = 0; i < dims; ++i) {
          const double want = sums[static_cast<size_t>(i)] / total;
          error += (got[i] - want) * (got[i] - want);
          size += want * want;
        }
      }
    }
    return std::sqrt(error / size);
  }

 private:
  std::vector<float> Row(const KvView& view, const std::byte* rows, int64_t position) const {
    std::vector<float> row(static_cast<size_t>(view.width));
    const auto slot = static_cast<size_t>(position % view.capacity);
    DequantizeRow(view.type, rows + slot * RowBytes(view.type, view.width), row.data(), view.width);
    return row;
  }

  std::mt19937_64 random_{11};
  std::normal_distribution<float> normal_;
  Attention op_;
  CacheTensor tensor_;
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<KvView> views_;
  std::vector<std::span<const KvView>> caches_;
};

std::vector<StepRow> Rows(int32_t first, int32_t count, int32_t sequence = 0, int32_t step = 1) {
  std::vector<StepRow> rows;
  for (int32_t i = 0; i < count; ++i) rows.push_back({0, first + i * step, sequence, true});
  return rows;
}

TEST(NpuPrefillAttention, IsASoftmaxOverCachesOfEveryType) {
  for (const Device& device : kArrays) {
    ArrayProducts array(device, MakeEmulatedBackend(device.generation));
    for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
      // A ring that went round, its window shorter than it is; and a whole context, from a
      // position on.
      for (const int64_t window : {50, 0}) {
        OneAttention one(8, 2, 32, window, window > 0 ? 90 : 200, type, 1);
        const std::vector<StepRow> rows = Rows(window > 0 ? 300 : 120, 37);
        const std::vector<float> q = one.Random(37 * one.width());
        std::vector<float> context;
        ASSERT_TRUE(one.Run(array, rows, q, context));
        EXPECT_LT(one.ErrorOf(rows, q, context), 0.006) << DTypeName(type) << " " << window;
      }
    }
    EXPECT_EQ(array.counts().calls, 6U);
    EXPECT_EQ(array.counts().switches, 1U);
    EXPECT_GT(array.counts().macs, 6U * 37 * 8 * 50 * 64 - 1);
    EXPECT_GT(array.counts().modelled_seconds, 6e-4);
  }
}

TEST(NpuPrefillAttention, RowsMayBeOfSeveralSequencesAndApart) {
  OneAttention one(4, 1, 48, 40, 100, DType::kF16, 2);
  std::vector<StepRow> rows = Rows(80, 20, 1, 3);
  const std::vector<StepRow> others = Rows(17, 25);
  rows.insert(rows.end(), others.begin(), others.end());
  const std::vector<float> q = one.Random(45 * one.width());
  ArrayProducts array(kArrays[0], MakeEmulatedBackend(kArrays[0].generation));
  std::vector<float> context;
  ASSERT_TRUE(one.Run(array, rows, q, context));
  EXPECT_LT(one.ErrorOf(rows, q, context), 0.006);
  EXPECT_EQ(array.counts().calls, 2U);
}

TEST(NpuPrefillAttention, LeavesToTheHostWhatItCannotDo) {
  ArrayProducts array(kArrays[1], MakeEmulatedBackend(kArrays[1].generation));
  std::vector<float> context;
  const auto left = [&](OneAttention& one, const std::vector<StepRow>& rows,
                        const std::vector<float>& q) {
    EXPECT_FALSE(one.Run(array, rows, q, context));
    EXPECT_EQ(context, std::vector<float>(q.size(), -77));
  };
  OneAttention one(2, 1, 32, 0, 100, DType::kF32, 2);
  left(one, Rows(0, 16), one.Random(16 * one.width()));
  // Enough rows together, too few of one sequence.
  std::vector<StepRow> rows = Rows(0, 30);
  rows.push_back({0, 0, 1, true});
  left(one, rows, one.Random(31 * one.width()));

  std::vector<float> q = one.Random(20 * one.width());
  q[100] = NAN;
  left(one, Rows(5, 20), q);
  q[100] = 1e6F;  // a score that no fixed point has
  left(one, Rows(5, 20), q);
  q[100] = 1;
  EXPECT_TRUE(one.Run(array, Rows(5, 20), q, context));
  const float infinite = INFINITY;
  std::memcpy(one.view(0).values + 7 * 32 * sizeof(float), &infinite, sizeof infinite);
  left(one, Rows(5, 20), q);

  OneAttention wide(2, 1, 257, 0, 100, DType::kF32, 1);
  left(wide, Rows(0, 20), wide.Random(20 * wide.width()));
  EXPECT_EQ(array.counts().calls, 1U);
}

}  // namespace
}  // namespace tandem::npu::test
