// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Speed of the CPU kernels: unpacking of every weight type, and products of 2048 x 2048 matrices
// with 1 and 64 rows. Counters: float/s out of DequantizeRow, MAC/s of MatMul.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/thread_team.h"
#include "devices/cpu/kernels.h"
#include "formats/weight_view.h"

namespace tandem {
namespace {

constexpr int64_t kWidth = 2048;

// Rows of a type: quantised waves where it can be written, else bytes that unpack to finite values.
std::vector<std::byte> MakeRows(DType type, int64_t rows) {
  const size_t row_bytes = RowBytes(type, kWidth);
  std::vector<std::byte> bytes(static_cast<size_t>(rows) * row_bytes, std::byte{0x11});
  if (!CanQuantize(type)) return bytes;
  std::vector<float> row(kWidth);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < kWidth; ++i) {
      row[static_cast<size_t>(i)] = std::sin(static_cast<float>(r * 37 + i * 13));
    }
    QuantizeRow(type, row.data(), bytes.data() + static_cast<size_t>(r) * row_bytes, kWidth);
  }
  return bytes;
}

void Dequantize(benchmark::State& state, DType type) {
  const std::vector<std::byte> bytes = MakeRows(type, 1);
  std::vector<float> out(kWidth);
  for (auto _ : state) {
    DequantizeRow(type, bytes.data(), out.data(), kWidth);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.counters["floats"] =
      benchmark::Counter(kWidth, benchmark::Counter::kIsIterationInvariantRate);
}

void MatMul(benchmark::State& state, DType type, int64_t rows) {
  const std::vector<std::byte> bytes = MakeRows(type, kWidth);
  const WeightView weights{type, kWidth, kWidth, RowBytes(type, kWidth), bytes.data()};
  ThreadTeam team;
  std::vector<float> x(static_cast<size_t>(rows * kWidth), 0.5f);
  std::vector<float> y(static_cast<size_t>(rows * kWidth));
  for (auto _ : state) {
    cpu::MatMul(team, weights, x.data(), kWidth, rows, y.data(), kWidth);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  state.counters["MAC"] = benchmark::Counter(static_cast<double>(rows * kWidth * kWidth),
                                             benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  for (const tandem::DType type : tandem::AllDTypes()) {
    const std::string name(tandem::DTypeName(type));
    benchmark::RegisterBenchmark(("dequantize/" + name).c_str(), tandem::Dequantize, type);
    for (const int64_t rows : {1, 64}) {
      const std::string label = "matmul/" + name + "/rows:" + std::to_string(rows);
      benchmark::RegisterBenchmark(label.c_str(), tandem::MatMul, type, rows)->UseRealTime();
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
