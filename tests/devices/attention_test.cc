// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The Attention op of the CPU on every level and type of keys, against a softmax in double; and
// that a row has the same bits whatever runs beside it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "devices/cpu/cpu_device.h"

namespace tandem {
namespace {

struct Shape {
  int heads;
  int kv_heads;
  int head_dim;
  int64_t window;    ///< 0 = all positions.
  int64_t capacity;  ///< Slots of the ring, or of the whole context.
};

// One Attention op over caches of random content, positions [0, end) of which have been written.
class OneOp {
 public:
  OneOp(const Shape& shape, DType type, int sequences, uint64_t seed)
      : shape_(shape), type_(type), random_(seed) {
    const int64_t q_width = int64_t{shape.heads} * shape.head_dim;
    const ValueId q = program_.AddValue("q", RowSet::kAll, 1, q_width);
    const ValueId context = program_.AddValue("context", RowSet::kAll, 1, q_width);
    program_.caches.push_back({"kv", 0, shape.kv_heads, shape.head_dim, shape.window});
    Op op;
    op.body = Attention{q, 0, shape.heads, shape.window, 0.4f, context};
    program_.ops.push_back(op);
    const int64_t width = program_.caches[0].width();
    const size_t row = RowBytes(type, width);
    for (int s = 0; s < sequences; ++s) {
      for (auto* bytes : {&keys_.emplace_back(), &values_.emplace_back()}) {
        bytes->resize(static_cast<size_t>(shape.capacity) * row);
        for (int64_t slot = 0; slot < shape.capacity; ++slot) {
          const std::vector<float> values = Random(width, 1.5f);
          QuantizeRow(type, values.data(), bytes->data() + static_cast<size_t>(slot) * row, width);
        }
      }
    }
    for (size_t s = 0; s < keys_.size(); ++s) {
      views_.push_back({{type, shape.capacity, width, keys_[s].data(), values_[s].data()}});
    }
  }

  std::vector<float> RandomQueries(size_t rows) {
    return Random(static_cast<int64_t>(rows) * QWidth(), 1);
  }
  int64_t QWidth() const { return int64_t{shape_.heads} * shape_.head_dim; }

  std::vector<float> Run(cpu::Isa isa, int threads, const std::vector<StepRow>& rows,
                         std::vector<float> q) const {
    const auto device = MakeCpuDevice(threads, isa);
    const auto count = static_cast<int64_t>(rows.size());
    const auto segment = device->Compile(program_, {0, 1}, {count, count});
    std::vector<float> context(q.size(), NAN);
    float* const buffers[] = {q.data(), context.data()};
    std::vector<std::span<const KvView>> caches(views_.begin(), views_.end());
    segment->Submit({buffers, caches}, rows).Wait();
    return context;
  }

  std::vector<double> Expected(const StepRow& row, const float* q) const {
    const int64_t dims = shape_.head_dim;
    const int64_t first =
        shape_.window > 0 ? std::max<int64_t>(0, row.position - shape_.window + 1) : 0;
    std::vector<double> context;
    for (int head = 0; head < shape_.heads; ++head) {
      const int64_t kv_head = head / (shape_.heads / shape_.kv_heads);
      std::vector<double> scores, sums(static_cast<size_t>(dims));
      for (int64_t p = first; p <= row.position; ++p) {
        const std::vector<float> key = Slot(keys_, row.sequence, p);
        double score = 0;
        for (int64_t i = 0; i < dims; ++i) {
          score += double{q[head * dims + i]} * key[static_cast<size_t>(kv_head * dims + i)];
        }
        scores.push_back(0.4 * score);
      }
      const double highest = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (int64_t p = first; p <= row.position; ++p) {
        const double weight = std::exp(scores[static_cast<size_t>(p - first)] - highest);
        const std::vector<float> value = Slot(values_, row.sequence, p);
        total += weight;
        for (int64_t i = 0; i < dims; ++i) {
          sums[static_cast<size_t>(i)] += weight * value[static_cast<size_t>(kv_head * dims + i)];
        }
      }
      for (const double sum : sums) context.push_back(sum / total);
    }
    return context;
  }

 private:
  std::vector<float> Random(int64_t n, float size) {
    std::normal_distribution<float> normal(0, size);
    std::vector<float> x(static_cast<size_t>(n));
    for (float& value : x) value = normal(random_);
    return x;
  }
  std::vector<float> Slot(const std::vector<std::vector<std::byte>>& bytes, int32_t sequence,
                          int64_t position) const {
    const int64_t width = program_.caches[0].width();
    std::vector<float> row(static_cast<size_t>(width));
    DequantizeRow(type_,
                  bytes[static_cast<size_t>(sequence)].data() +
                      static_cast<size_t>(position % shape_.capacity) * RowBytes(type_, width),
                  row.data(), width);
    return row;
  }

  Shape shape_;
  DType type_;
  std::mt19937_64 random_;
  Program program_;
  std::vector<std::vector<std::byte>> keys_, values_;
  std::vector<std::vector<KvView>> views_;
};

class AttentionOp : public testing::TestWithParam<cpu::Isa> {};

// Rows [first, first + count) of sequence 0, then some of sequence 1.
std::vector<StepRow> Rows(int32_t first, int32_t count, int32_t others) {
  std::vector<StepRow> rows;
  for (int32_t i = 0; i < count; ++i) rows.push_back({0, first + i, 0, true});
  for (int32_t i = 0; i < others; ++i) rows.push_back({0, first / 2 + 3 * i, 1, true});
  return rows;
}

TEST_P(AttentionOp, IsASoftmaxWhateverTheShapeAndTheCompany) {
  // Grouped heads as Gemma's, one head each, odd sizes; whole contexts and rings, windows that are
  // shorter and longer than a block and that begin inside one.
  const Shape shapes[] = {{8, 2, 256, 0, 1200}, {8, 2, 64, 512, 700}, {4, 4, 32, 16, 96},
                          {2, 1, 32, 0, 300},   {6, 2, 96, 100, 400}, {36, 1, 32, 300, 400},
                          {4, 2, 18, 0, 600},   {3, 3, 8, 257, 300}};
  uint64_t seed = 1;
  for (const Shape& shape : shapes) {
    for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
      if (type == DType::kQ8_0 && shape.head_dim % 32 != 0) continue;
      OneOp one(shape, type, 2, ++seed);
      // Where the whole context is kept the last position is its last slot; rings went round.
      const int32_t end = shape.window == 0 ? static_cast<int32_t>(shape.capacity) : 1111;
      for (const auto& [first, count] :
           {std::pair{0, 3}, {end - 1, 1}, {end - 5, 5}, {end - 37, 37}}) {
        const std::vector<StepRow> rows = Rows(first, count, 3);
        const std::vector<float> q = one.RandomQueries(rows.size());
        const std::vector<float> got = one.Run(GetParam(), 1, rows, q);
        const int64_t width = one.QWidth();
        for (size_t t = 0; t < rows.size(); ++t) {
          const float* row_q = q.data() + static_cast<int64_t>(t) * width;
          const std::vector<float> row(got.begin() + static_cast<int64_t>(t) * width,
                                       got.begin() + static_cast<int64_t>(t + 1) * width);
          if (t == 0 || t + 1 == rows.size() || t == rows.size() / 2) {
            const std::vector<double> expected = one.Expected(rows[t], row_q);
            for (size_t i = 0; i < row.size(); ++i) {
              ASSERT_NEAR(row[i], expected[i], 3e-5) << fmt::format(
                  "{} heads of {}, window {}, row {} at {}, {}", shape.heads, shape.head_dim,
                  shape.window, t, rows[t].position, DTypeName(type));
            }
            const std::vector<float> alone(row_q, row_q + width);
            EXPECT_EQ(one.Run(GetParam(), 1, {rows[t]}, alone), row) << "alone";
            EXPECT_EQ(one.Run(GetParam(), 3, {rows[t]}, alone), row) << "alone, by three threads";
          }
        }
        EXPECT_EQ(one.Run(GetParam(), 3, rows, q), got) << "three threads";
      }
    }
  }
}

std::string LevelName(const testing::TestParamInfo<cpu::Isa>& info) {
  return std::string(cpu::IsaName(info.param));
}
INSTANTIATE_TEST_SUITE_P(Levels, AttentionOp, testing::ValuesIn(cpu::AvailableIsas()), LevelName);

}  // namespace
}  // namespace tandem
