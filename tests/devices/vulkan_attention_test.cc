// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of many rows against a double-precision one: rows of several sequences, at any
// positions, over rings that have wrapped.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <ostream>
#include <random>

#include "core/float_types.h"
#include "devices/vulkan/memory.h"
#include "devices/vulkan/step_plan.h"
#include "support/vulkan_commands.h"
#include "support/vulkan_test.h"

namespace tandem::testing {
namespace {

using vulkan::Access;
using vulkan::Constant;
using vulkan::Slice;
using vulkan::Tensor;

struct Shape {
  int dims, kv_heads, group;
  uint32_t window, capacity;
  bool half;
};

// Which attention, for a test's name.
void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.kv_heads * shape.group << " heads of " << shape.dims << ", window " << shape.window
       << (shape.half ? ", half" : ", float");
}

class VulkanAttention : public ::testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    TANDEM_REQUIRE_VULKAN();
    context_.emplace(VulkanOptions());
    memory_.emplace(*context_);
    pipelines_.emplace(*context_);
  }
  Slice Upload(const void* data, size_t bytes) {
    Slice slice = memory_->device().Take(bytes);
    memory_->Write(slice, 0, {static_cast<const std::byte*>(data), bytes});
    return slice;
  }

  std::optional<vulkan::Context> context_;
  std::optional<vulkan::Memory> memory_;
  std::optional<vulkan::Pipelines> pipelines_;
};

TEST_P(VulkanAttention, TilesAgreeWithDoublePrecision) {
  const Shape shape = GetParam();
  std::mt19937_64 random(static_cast<uint64_t>(shape.dims * 1000 + shape.group));
  std::normal_distribution<float> normal;
  const auto dims = static_cast<size_t>(shape.dims);
  const auto kv_heads = static_cast<size_t>(shape.kv_heads);
  const size_t heads = kv_heads * static_cast<size_t>(shape.group);
  const size_t width = kv_heads * dims;

  // Two sequences; the second begins in the middle of a tile, and the ring has wrapped.
  std::vector<vulkan::RowWords> rows;
  for (uint32_t i = 0; i < 29; ++i) rows.push_back({0, i, 0, i});
  for (uint32_t i = 0; i < 11; ++i) rows.push_back({0, shape.capacity + 37 + i, 1, 29 + i});
  const size_t elements = shape.capacity * width;
  std::vector<std::vector<float>> caches;  // keys, values of each sequence
  std::vector<Slice> slices;
  std::vector<vulkan::CacheWords> words;
  for (int sequence = 0; sequence < 2; ++sequence) {
    vulkan::CacheWords word;
    word.capacity = shape.capacity;
    for (const bool values : {false, true}) {
      std::vector<float> data(elements);
      for (float& x : data) x = HalfToFloat(FloatToHalf(normal(random)));
      std::vector<uint16_t> halves;
      for (const float x : data) halves.push_back(FloatToHalf(x));
      slices.push_back(shape.half ? Upload(halves.data(), elements * 2)
                                  : Upload(data.data(), elements * 4));
      (values ? word.values : word.keys) = slices.back().address();
      caches.push_back(std::move(data));
    }
    words.push_back(word);
  }
  std::vector<float> q(rows.size() * heads * dims);
  for (float& x : q) x = normal(random) * 0.3F;

  const Slice q_slice = Upload(q.data(), q.size() * sizeof(float));
  const Slice row_slice = Upload(rows.data(), rows.size() * sizeof rows[0]);
  const Slice word_slice = Upload(words.data(), words.size() * sizeof words[0]);
  const Slice context_slice = memory_->device().Take(q_slice.size());
  const Slice readback = memory_->readback().Take(q_slice.size());
  const float scale = 0.5F;
  const std::vector<std::byte> zeros(4096);
  const Slice counters = Upload(zeros.data(), zeros.size());
  for (const auto& [splits, lines] : {std::pair{1U, 32U}, {3U, 32U}, {1U, 16U}, {3U, 16U}}) {
    SCOPED_TRACE(::testing::Message() << splits << " splits, " << lines << " lines");
    VulkanCommands commands(*context_, *pipelines_, 1);
    const auto tokens = lines / static_cast<uint32_t>(shape.group);
    const auto count = static_cast<uint32_t>(rows.size());
    const Slice parts = memory_->device().Take((count + tokens) * heads * splits * (dims + 2) * 8);
    commands.recorder().Dispatch(
        vulkan::Kernel::kAttentionTile,
        {128, shape.half ? 1U : 0U, static_cast<uint32_t>(dims), static_cast<uint32_t>(shape.group),
         splits, lines, lines == 16 ? 1U : 0U},
        {Constant(Tensor::Of(q_slice)), Constant(Tensor::Of(row_slice)),
         Constant(Tensor::Of(word_slice)),
         Access{Tensor::Of(context_slice), 0, context_slice.size(), true, false},
         Constant(Tensor::Of(parts)), Constant(Tensor::Of(counters)),
         Constant(Tensor::Of(counters)), Constant(Tensor::Of(counters))},
        {heads, kv_heads, dims, shape.window, 0, 0, 1, scale, count, 5},
        {(count + tokens - 1) / tokens, static_cast<uint32_t>(kv_heads), splits});
    commands.recorder().Copy(Tensor::Of(context_slice), Tensor::Of(readback), readback.size());
    commands.Run();
    std::vector<float> got(q.size());
    std::memcpy(got.data(), readback.mapped(), got.size() * sizeof(float));

    for (size_t t = 0; t < rows.size(); ++t) {
      const std::vector<float>& keys = caches[2 * rows[t].sequence];
      const std::vector<float>& values = caches[2 * rows[t].sequence + 1];
      const uint32_t last = rows[t].position;
      uint32_t first = shape.window > 0 && last + 1 > shape.window ? last + 1 - shape.window : 0;
      for (size_t head = 0; head < heads; ++head) {
        const size_t kv = head / static_cast<size_t>(shape.group) * dims;
        const float* query = q.data() + (t * heads + head) * dims;
        std::vector<double> scores;
        for (uint32_t p = first; p <= last; ++p) {
          const float* key = keys.data() + p % shape.capacity * width + kv;
          double sum = 0;
          for (size_t i = 0; i < dims; ++i) sum += static_cast<double>(query[i]) * key[i];
          scores.push_back(sum * scale);
        }
        const double most = *std::max_element(scores.begin(), scores.end());
        double total = 0;
        for (double& score : scores) total += score = std::exp(score - most);
        for (size_t i = 0; i < dims; ++i) {
          double want = 0;
          for (uint32_t p = first; p <= last; ++p) {
            want += scores[p - first] * values[p % shape.capacity * width + kv + i];
          }
          ASSERT_NEAR(got[(t * heads + head) * dims + i], want / total, 2e-5)
              << "row " << t << ", head " << head << ", dimension " << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, VulkanAttention,
                         ::testing::Values(Shape{256, 2, 4, 50, 150, true},
                                           Shape{256, 1, 4, 0, 300, false},
                                           Shape{64, 2, 2, 3, 64, true},
                                           Shape{128, 1, 3, 0, 200, false},
                                           Shape{64, 3, 1, 70, 130, true}));

}  // namespace
}  // namespace tandem::testing
