// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Speed of every kernel of the CPU on one thread, on each level of instructions that this processor
// has: products of 2048 x 2048 matrices and rows, and loops over rows. Names end in the level, so
// that --benchmark_filter=avx512 or int8/q4_0 picks some. bytes_per_second counts what a kernel
// reads and writes once (of a product the weights), items_per_second multiply-adds, or values where
// there are none.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "core/thread_team.h"
#include "devices/cpu/int8_buffer.h"
#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/kernels.h"
#include "formats/weight_view.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kWidth = 2048;
constexpr int64_t kHeadDim = 256;
constexpr int64_t kRowCounts[] = {1, 4, 32, 128};

std::vector<float> Waves(int64_t count) {
  std::vector<float> x(static_cast<size_t>(count));
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i) * 13);
  return x;
}

/// A matrix of a type: quantised waves where it can be written, else bytes that unpack to finite
/// values.
struct Matrix {
  explicit Matrix(DType type)
      : bytes(static_cast<size_t>(kWidth) * RowBytes(type, kWidth), std::byte{0x11}),
        view{type, kWidth, kWidth, RowBytes(type, kWidth), bytes.data()} {
    if (!CanQuantize(type)) return;
    for (int64_t r = 0; r < kWidth; ++r) {
      QuantizeRow(type, Waves(kWidth + r).data() + r,
                  bytes.data() + static_cast<size_t>(r) * view.row_stride, kWidth);
    }
  }
  std::vector<std::byte> bytes;
  WeightView view;
};

void SetCounters(benchmark::State& state, int64_t items, int64_t bytes) {
  state.SetItemsProcessed(state.iterations() * items);
  state.SetBytesProcessed(state.iterations() * bytes);
}

/// Runs `body` and counts `items` and `bytes` for each time.
template <typename Body>
void Repeat(benchmark::State& state, int64_t items, int64_t bytes, Body body) {
  for (auto _ : state) {
    body();
    benchmark::ClobberMemory();
  }
  SetCounters(state, items, bytes);
}

std::vector<int64_t> AllRows() {
  std::vector<int64_t> index(kWidth);
  std::iota(index.begin(), index.end(), int64_t{0});
  return index;
}

void Int8(benchmark::State& state, const IsaKernels& kernels, DType type, int64_t rows) {
  const Matrix matrix(type);
  const int group = kernels.group_of(type);
  const std::vector<int64_t> index = AllRows();
  const std::vector<float> x = Waves(rows * kWidth);
  Int8Buffer buffer;
  buffer.Resize(rows, kWidth, group);
  for (int64_t t = 0; t < rows; ++t) buffer.Set(kernels, t, x.data() + t * kWidth);
  std::vector<float> y(x.size());
  Repeat(state, rows * kWidth * kWidth, static_cast<int64_t>(matrix.bytes.size()), [&] {
    for (int64_t r = 0; r < kWidth; r += kPanelRows) {
      kernels.multiply_int8(matrix.view, index.data() + r, kPanelRows, buffer.rows(), y.data() + r,
                            kWidth);
    }
  });
}

void Float(benchmark::State& state, const IsaKernels& kernels, DType type, int64_t rows) {
  const Matrix matrix(type);
  const std::vector<int64_t> index = AllRows();
  const std::vector<float> x = Waves(rows * kWidth);
  std::vector<float> y(x.size());
  Repeat(state, rows * kWidth * kWidth, static_cast<int64_t>(matrix.bytes.size()), [&] {
    for (int64_t r = 0; r < kWidth; r += kPanelRows) {
      kernels.multiply_float(matrix.view, index.data() + r, kPanelRows, x.data(), kWidth, rows,
                             y.data() + r, kWidth);
    }
  });
}

/// One row by itself (tile 1), or into its place among others.
void Quantize(benchmark::State& state, const IsaKernels& kernels, int group, int64_t rows) {
  const std::vector<float> x = Waves(kWidth);
  Int8Buffer buffer;
  buffer.Resize(rows, kWidth, group);
  Repeat(state, kWidth, kWidth * 5, [&] { buffer.Set(kernels, rows - 1, x.data()); });
}

/// Keys or values of 512 positions of one head, and the queries that share them.
struct AttentionData {
  static constexpr int64_t kPositions = 512;
  static constexpr int kQueries = 4;
  explicit AttentionData(DType type)
      : bytes(static_cast<size_t>(kPositions) * RowBytes(type, kHeadDim)) {
    const std::vector<float> rows = Waves(kPositions * kHeadDim);
    QuantizeRow(type, rows.data(), bytes.data(), kPositions * kHeadDim);
    view = {type, bytes.data(), static_cast<int64_t>(RowBytes(type, kHeadDim)), kPositions,
            kHeadDim};
  }
  std::vector<std::byte> bytes;
  KvRows view;
  std::vector<float> q = Waves(kQueries * kHeadDim);
  std::vector<float> scores = Waves(kQueries * kPositions);
};

void Scores(benchmark::State& state, const RowKernels& kernels, DType type) {
  AttentionData data(type);
  Repeat(state, AttentionData::kQueries * AttentionData::kPositions * kHeadDim,
         static_cast<int64_t>(data.bytes.size()), [&] {
           kernels.scores(data.q.data(), kHeadDim, AttentionData::kQueries, data.view, 1,
                          data.scores.data(), AttentionData::kPositions);
         });
}

void AddValues(benchmark::State& state, const RowKernels& kernels, DType type) {
  AttentionData data(type);
  std::vector<float> out(data.q.size());
  Repeat(state, AttentionData::kQueries * AttentionData::kPositions * kHeadDim,
         static_cast<int64_t>(data.bytes.size()), [&] {
           std::fill(out.begin(), out.end(), 0.0f);
           kernels.add_values(data.scores.data(), AttentionData::kPositions,
                              AttentionData::kQueries, data.view, out.data(), kHeadDim);
         });
}

/// A loop over rows of kWidth values: x is only read, y has room for four of them.
struct RowLoop {
  const char* name;
  int64_t values_moved;  ///< Floats read and written.
  int64_t items;
  std::function<void(const RowKernels&, const float* x, float* y)> run;
};

const std::vector<RowLoop>& RowLoops() {
  constexpr int64_t n = kWidth;
  static const std::vector<RowLoop> loops = {
      {"rms_norm", 3 * n, n,
       [](const RowKernels& k, const float* x, float* y) { k.rms_norm(x, x, 1e-6f, n, y); }},
      {"add", 3 * n, n, [](const RowKernels& k, const float* x, float* y) { k.add(x, n, y); }},
      {"add_mix", 4 * n, n,
       [](const RowKernels& k, const float* x, float* y) { k.add_mix(x, x, 0.5f, n, y); }},
      {"scale", 3 * n, n,
       [](const RowKernels& k, const float* x, float* y) { k.scale(x, x, 0.5f, n, y); }},
      {"dot", 2 * n, n,
       [](const RowKernels& k, const float* x, float* y) { y[0] = k.dot(x, x + n, n); }},
      {"to_half", n + n / 2, n,
       [](const RowKernels& k, const float* x, float* y) {
         k.to_half(x, n, reinterpret_cast<uint16_t*>(y));
       }},
      {"exp_sum", 2 * n, n,
       [](const RowKernels& k, const float*, float* y) { y[0] = k.exp_sum(1, n, y) * 1e-4f; }},
      {"gelu_times", 3 * n, n,
       [](const RowKernels& k, const float* x, float* y) { k.gelu_times(x, n, y); }},
      {"soft_cap", 2 * n, n,
       [](const RowKernels& k, const float*, float* y) { k.soft_cap(30, n, y); }},
      {"cut_below", 2 * n, n,
       [](const RowKernels& k, const float*, float* y) { k.cut_below(1.6f, n, y); }},
      {"rotate", 3 * n, 2 * n,
       [](const RowKernels& k, const float* x, float* y) { k.rotate(x, x + n / 2, n / 2, y); }},
      {"predict", 8 * n, 16 * n,
       [](const RowKernels& k, const float* x, float* y) { k.predict(x, n, 4, x, n, y); }},
      {"correct", 4 * n, n,
       [](const RowKernels& k, const float* x, float* y) { k.correct(0.5f, x, x, x, n, y); }},
  };
  return loops;
}

void RunRowLoop(benchmark::State& state, const RowKernels& kernels, const RowLoop& loop) {
  const std::vector<float> x = Waves(4 * kWidth);
  std::vector<float> y = x;
  Repeat(state, loop.items, loop.values_moved * 4, [&] {
    // A result that went in again and again would end in tiny numbers, which are slow.
    std::copy_n(x.data(), kWidth, y.data());
    loop.run(kernels, x.data(), y.data());
  });
}

void Peak(benchmark::State& state, int64_t (*loop)(int64_t, float*)) {
  float sink = 0;
  int64_t done = 0;
  for (auto _ : state) {
    done += loop(1000, &sink);
    benchmark::DoNotOptimize(sink);
  }
  state.SetItemsProcessed(done);
}

void ReadSum(benchmark::State& state, const PeakLoops& loops) {
  constexpr int64_t kBytes = int64_t{256} << 20;
  const std::vector<std::byte> memory(kBytes, std::byte{1});
  for (auto _ : state) benchmark::DoNotOptimize(loops.read_sum(memory.data(), kBytes));
  SetCounters(state, kBytes / 8, kBytes);
}

void Dequantize(benchmark::State& state, DType type) {
  const Matrix matrix(type);
  std::vector<float> out(kWidth);
  Repeat(state, kWidth, static_cast<int64_t>(matrix.view.RowDataBytes()),
         [&] { DequantizeRow(type, matrix.bytes.data(), out.data(), kWidth); });
}

/// The reference level, on all threads.
void MatMulOf(benchmark::State& state, DType type, int64_t rows) {
  const Matrix matrix(type);
  ThreadTeam team;
  const std::vector<float> x = Waves(rows * kWidth);
  std::vector<float> y(x.size());
  Repeat(state, rows * kWidth * kWidth, static_cast<int64_t>(matrix.bytes.size()),
         [&] { MatMul(team, matrix.view, x.data(), kWidth, rows, y.data(), kWidth); });
}

template <typename... Arguments>
void Register(const std::string& name, Arguments... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), arguments...);
}

void RegisterProducts(const std::string& level, const IsaKernels& kernels) {
  for (const DType type : AllDTypes()) {
    const bool int8 = kernels.group_of(type) != 0;
    const bool stored = type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
    if (!int8 && !stored) continue;
    for (const int64_t rows : kRowCounts) {
      Register(std::string(int8 ? "int8/" : "float/") + std::string(DTypeName(type)) +
                   "/rows:" + std::to_string(rows) + level,
               int8 ? Int8 : Float, std::cref(kernels), type, rows);
    }
  }
  for (const int group : {16, 32}) {
    for (const int64_t rows : {1, 4}) {
      Register("quantize/group:" + std::to_string(group) + "/rows:" + std::to_string(rows) + level,
               Quantize, std::cref(kernels), group, rows);
    }
  }
}

void RegisterRows(const std::string& level, const RowKernels& kernels) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    const std::string name(DTypeName(type));
    Register("scores/" + name + level, Scores, std::cref(kernels), type);
    Register("add_values/" + name + level, AddValues, std::cref(kernels), type);
  }
  for (const RowLoop& loop : RowLoops()) {
    Register(loop.name + level, RunRowLoop, std::cref(kernels), std::cref(loop));
  }
}

void RegisterAll() {
  for (const Isa isa : AvailableIsas()) {
    const std::string level = "/" + std::string(IsaName(isa));
    RegisterRows(level, RowKernelsOf(isa));
    if (isa == Isa::kReference) continue;
    RegisterProducts(level, KernelsOf(isa));
    const PeakLoops& loops = PeakLoopsOf(isa);
    Register("peak_int8" + level, Peak, loops.int8);
    Register("peak_float" + level, Peak, loops.floats);
    Register("read_sum" + level, ReadSum, std::cref(loops));
  }
  for (const DType type : AllDTypes()) {
    const std::string name(DTypeName(type));
    Register("dequantize/" + name, Dequantize, type);
    for (const int64_t rows : {1, 32}) {
      const std::string label = "matmul/" + name + "/rows:" + std::to_string(rows) + "/reference";
      benchmark::RegisterBenchmark(label.c_str(), MatMulOf, type, rows)->UseRealTime();
    }
  }
}

}  // namespace
}  // namespace tandem::cpu

int main(int argc, char** argv) {
  tandem::cpu::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
