// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The CPU's kernels on weights of any bytes and activations of any bits: every level of
// instructions gives the same bits as every other, and, where weights have no minimum and no float
// overflows, the sum of the products that the unpacked weights and the 8-bit activations say.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "devices/cpu/int8_buffer.h"
#include "devices/cpu/isa_kernels.h"
#include "formats/dtype.h"
#include "fuzz.h"

namespace tandem::fuzz {
namespace {

using cpu::Int8Buffer;
using cpu::Isa;
using cpu::IsaKernels;

constexpr DType kTypes[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,   DType::kQ5_1,
                            DType::kQ8_0, DType::kQ2_K, DType::kQ3_K,   DType::kQ4_K,
                            DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS};

bool HasMinimum(DType type) {
  return type == DType::kQ4_1 || type == DType::kQ5_1 || type == DType::kQ2_K ||
         type == DType::kQ4_K || type == DType::kQ5_K;
}

// The input, over and over.
class Source {
 public:
  Source(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t Next() { return size_ == 0 ? 0 : data_[at_++ % size_]; }
  void Fill(void* target, size_t size) {
    for (size_t i = 0; i < size; ++i) static_cast<uint8_t*>(target)[i] = Next();
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

struct Problem {
  std::vector<std::byte> bytes;
  WeightView weights;
  int64_t tokens = 0;
  std::vector<float> x;
};

struct Result {
  Int8Buffer x;
  std::vector<int8_t> q;  ///< [tokens, cols]
  std::vector<float> y;
};

bool Same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

Result Solve(const IsaKernels& kernels, const Problem& problem) {
  const WeightView& w = problem.weights;
  const int group = kernels.group_of(w.type);
  Result result;
  result.x.Resize(problem.tokens, w.cols, group);
  for (int64_t t = 0; t < problem.tokens; ++t) {
    result.x.Set(kernels, t, problem.x.data() + t * w.cols);
    for (int64_t c = 0; c < w.cols; ++c) result.q.push_back(result.x.Value(t, c));
  }
  result.y.resize(static_cast<size_t>(problem.tokens * w.rows));
  for (int64_t r = 0; r < w.rows; r += cpu::kPanelRows) {
    const auto count = static_cast<int>(std::min<int64_t>(cpu::kPanelRows, w.rows - r));
    int64_t index[cpu::kPanelRows];
    for (int i = 0; i < count; ++i) index[i] = r + i;
    kernels.multiply_int8(w, index, count, result.x.rows(), result.y.data() + r, w.rows);
  }
  return result;
}

void CheckSums(const Problem& problem, const Result& result) {
  const WeightView& w = problem.weights;
  const int64_t group = result.x.rows().group;
  std::vector<float> row(static_cast<size_t>(w.cols));
  for (int64_t r = 0; r < w.rows; ++r) {
    w.ReadRow(r, row.data());
    for (int64_t t = 0; t < problem.tokens; ++t) {
      double sum = 0, size = 0, largest_scale = 0;
      for (int64_t c = 0; c < w.cols; ++c) {
        const double scale = result.x.Group(t, c / group).scale;
        const double activation = result.x.Value(t, c) * scale;
        largest_scale = std::max(largest_scale, scale);
        sum += activation * row[static_cast<size_t>(c)];
        size += std::abs(activation * row[static_cast<size_t>(c)]);
      }
      // NaN included. Beyond, a scale of weights times one of activations could overflow.
      if (!(size < 1e30) || largest_scale > 1e30) continue;
      const float got = result.y[static_cast<size_t>(t * w.rows + r)];
      Check(std::abs(got - sum) <= 1e-5 * size + 1e-30, "products add up");
    }
  }
}

}  // namespace
}  // namespace tandem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  Source bytes(data, size);
  Problem problem;
  const DType type = kTypes[bytes.Next() % std::size(kTypes)];
  const int64_t rows = 1 + bytes.Next() % 40;
  problem.tokens = 1 + bytes.Next() % 20;
  const int64_t cols = BlockElements(type) * (1 + bytes.Next() % (512 / BlockElements(type)));
  problem.bytes.resize(static_cast<size_t>(rows) * RowBytes(type, cols));
  bytes.Fill(problem.bytes.data(), problem.bytes.size());
  problem.weights = {type, rows, cols, RowBytes(type, cols), problem.bytes.data()};
  problem.x.resize(static_cast<size_t>(problem.tokens * cols));
  const bool any_bits = bytes.Next() % 4 == 0;
  for (float& x : problem.x) {
    if (any_bits) {
      bytes.Fill(&x, sizeof x);
    } else {
      x = static_cast<float>(bytes.Next() - 128) / static_cast<float>(1 + bytes.Next());
    }
  }
  std::vector<Result> results;
  for (const cpu::Isa isa : cpu::AvailableIsas()) {
    if (isa != cpu::Isa::kReference) results.push_back(Solve(cpu::KernelsOf(isa), problem));
  }
  for (const Result& result : results) {
    Check(result.q == results[0].q, "activations are the same on all levels");
    for (size_t i = 0; i < result.y.size(); ++i) {
      Check(Same(result.y[i], results[0].y[i]), "products are the same on all levels");
    }
  }
  // With a minimum, a weight is the difference of two parts that may be far larger than itself.
  if (!HasMinimum(type)) CheckSums(problem, results[0]);
  return 0;
}
