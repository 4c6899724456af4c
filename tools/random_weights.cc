// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "random_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

namespace tandem {
namespace {

// A million weights: of a run of 64, that many different ones can be taken, so that the rows of a
// matrix are as good as independent. Packing a pool takes a fraction of a second in the slowest
// type.
constexpr int64_t kPoolElements = int64_t{1} << 20;
// The longest block is 256; shorter runs would cost more time than the copying itself.
constexpr int64_t kRunElements = 64;
// Bytes in flight: enough rows for every thread.
constexpr size_t kBufferBytes = size_t{32} << 20;

// The stream of one row (or of the pool).
RandomStream StreamOf(uint64_t seed, uint64_t tensor, int64_t row) {
  RandomStream mixed(seed * 0x2545f4914f6cdd1d + tensor);
  return RandomStream(mixed.Next() ^ static_cast<uint64_t>(row) * 0x9e3779b97f4a7c15);
}

// Fills a row with runs of whole blocks.
void SewRow(DType type, int64_t cols, std::span<const std::byte> pool, RandomStream stream,
            std::byte* target) {
  const auto block = static_cast<size_t>(BlockBytes(type));
  const int64_t blocks = cols / BlockElements(type);
  const int64_t run = std::max<int64_t>(1, kRunElements / BlockElements(type));
  const auto pool_blocks = static_cast<int64_t>(pool.size() / block);
  for (int64_t done = 0; done < blocks; done += run) {
    const int64_t count = std::min(run, blocks - done);
    const int64_t first = stream.Below(pool_blocks - count + 1);
    std::memcpy(target + static_cast<size_t>(done) * block,
                pool.data() + static_cast<size_t>(first) * block,
                static_cast<size_t>(count) * block);
  }
}

}  // namespace

uint64_t RandomStream::Next() {
  state_ += 0x9e3779b97f4a7c15;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

int64_t RandomStream::Below(int64_t bound) {
  return static_cast<int64_t>((Next() >> 32) * static_cast<uint64_t>(bound) >> 32);
}

float RandomStream::Normal() {
  const uint64_t bits = Next();
  int64_t sum = 0;
  for (int shift = 0; shift < 64; shift += 16) sum += static_cast<int64_t>(bits >> shift & 0xffff);
  // Four uniform values in [0, 65535]: mean and deviation of their sum.
  constexpr float kMean = 2.0f * 65535.0f;
  constexpr float kDeviation = 37837.2f;
  return (static_cast<float>(sum) - kMean) / kDeviation;
}

const RandomWeights::Pool& RandomWeights::PoolOf(DType type, float deviation) {
  const auto [it, missing] = pools_.try_emplace({type, deviation});
  Pool& pool = it->second;
  if (!missing) return pool;
  constexpr int64_t kRow = 4096;
  const size_t row_bytes = RowBytes(type, kRow);
  pool.resize(kPoolElements / kRow * row_bytes);
  team_.ParallelFor(kPoolElements / kRow, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> values(kRow);
    for (int64_t row = begin; row < end; ++row) {
      RandomStream stream = StreamOf(seed_, 0, row);
      for (float& value : values) value = deviation * stream.Normal();
      QuantizeRow(type, values.data(), pool.data() + static_cast<size_t>(row) * row_bytes, kRow);
    }
  });
  return pool;
}

void RandomWeights::Write(DType type, int64_t rows, int64_t cols, int64_t filled, float deviation,
                          GgufWriter& writer) {
  const uint64_t tensor = ++tensors_;
  const Pool& pool = PoolOf(type, deviation);
  const size_t row_bytes = RowBytes(type, cols);
  const auto most = static_cast<int64_t>(std::max<size_t>(1, kBufferBytes / row_bytes));
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t count = std::min(most, rows - first);
    packed_.resize(static_cast<size_t>(count) * row_bytes);
    team_.ParallelFor(count, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        std::byte* target = packed_.data() + static_cast<size_t>(i) * row_bytes;
        if (first + i < filled) {
          SewRow(type, cols, pool, StreamOf(seed_, tensor, first + i), target);
        } else {
          std::memset(target, 0, row_bytes);
        }
      }
    });
    writer.WriteTensorData(packed_);
  }
}

}  // namespace tandem
