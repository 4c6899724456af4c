// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The Attention op with the heads of Gemma 3n, 4,096 tokens into a context: eight layers in turn,
// so that keys and values do not stay in the second-level cache. Bytes are those of the positions
// looked at, items multiply-adds.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "devices/cpu/cpu_device.h"

namespace tandem {
namespace {

constexpr int kHeads = 8;
constexpr int kKvHeads = 2;
constexpr int kHeadDim = 256;
constexpr int kLayers = 8;
constexpr int32_t kDepth = 4096;
constexpr int64_t kRing = 1024;

void Attend(benchmark::State& state, cpu::Isa isa, DType type, int64_t window, int64_t rows,
            int threads) {
  Program program;
  const ValueId q = program.AddValue("q", RowSet::kAll, 1, kHeads * kHeadDim);
  const ValueId context = program.AddValue("context", RowSet::kAll, 1, kHeads * kHeadDim);
  program.caches.push_back({"kv", 0, kKvHeads, kHeadDim, window});
  Op op;
  op.body = Attention{q, 0, kHeads, window, 1, context};
  program.ops.push_back(op);
  const int64_t width = program.caches[0].width();
  const int64_t capacity = window > 0 ? kRing : kDepth + rows;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> row(static_cast<size_t>(width));
  std::vector<std::vector<std::byte>> memory;
  for (int i = 0; i < 2 * kLayers; ++i) {
    auto& bytes = memory.emplace_back(static_cast<size_t>(capacity) * RowBytes(type, width));
    for (float& x : row) x = normal(random);
    for (int64_t slot = 0; slot < capacity; ++slot) {
      row[static_cast<size_t>(slot % width)] = normal(random);
      QuantizeRow(type, row.data(),
                  bytes.data() + static_cast<size_t>(slot) * RowBytes(type, width), width);
    }
  }
  const auto device = MakeCpuDevice(threads, isa);
  const auto segment = device->Compile(program, {0, 1}, {rows, rows});
  std::vector<float> queries(static_cast<size_t>(rows * kHeads * kHeadDim));
  for (float& x : queries) x = 0.1f * normal(random);
  std::vector<float> out(queries.size());
  float* const buffers[] = {queries.data(), out.data()};
  std::vector<StepRow> step;
  for (int64_t i = 0; i < rows; ++i) step.push_back({0, kDepth + static_cast<int32_t>(i), 0, true});
  size_t layer = 0;
  for (auto _ : state) {
    const KvView view{type, capacity, width, memory[2 * layer].data(),
                      memory[2 * layer + 1].data()};
    const std::span<const KvView> caches[] = {{&view, 1}};
    segment->Submit({buffers, caches}, step).Wait();
    layer = (layer + 1) % kLayers;
  }
  const int64_t positions = window > 0 ? window : kDepth;
  const int64_t done = static_cast<int64_t>(state.iterations()) * positions;
  state.SetBytesProcessed(done * 2 * static_cast<int64_t>(RowBytes(type, width)));
  state.SetItemsProcessed(done * rows * 2 * kHeads * kHeadDim);
}

void RegisterAll() {
  for (const cpu::Isa isa : cpu::AvailableIsas()) {
    if (isa == cpu::Isa::kReference) continue;
    for (const DType type : {DType::kF16, DType::kQ8_0}) {
      for (const int64_t window : {0, 512}) {
        for (const int64_t rows : {1, 8, 128}) {
          for (const int threads : {1, 2}) {
            const std::string name =
                "attention/" + std::string(DTypeName(type)) + "/window:" + std::to_string(window) +
                "/rows:" + std::to_string(rows) + "/threads:" + std::to_string(threads) + "/" +
                std::string(cpu::IsaName(isa));
            benchmark::RegisterBenchmark(name.c_str(), Attend, isa, type, window, rows, threads)
                ->UseRealTime()
                ->Unit(benchmark::kMicrosecond);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  tandem::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
