// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/roofline.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/thread_team.h"
#include "devices/cpu/isa_kernels.h"

namespace tandem::cpu {
namespace {

using Clock = std::chrono::steady_clock;
using PeakLoop = int64_t (*)(int64_t rounds, float* sink);

// A thread's share of the memory that is read is a multiple of this.
constexpr size_t kReadPiece = size_t{1} << 20;

double SecondsOf(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void MeasureReading(ThreadTeam& team, const PeakLoops& loops, const RooflineOptions& options,
                    Roofline& roofline) {
  const size_t pieces = std::max<size_t>(1, options.read_bytes / kReadPiece);
  const size_t bytes = pieces * kReadPiece;
  // Not filled by its allocation: threads touch first what they will read.
  const std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[bytes]);
  if (memory == nullptr) {
    throw Error(ErrorKind::kResource,
                fmt::format("no memory to measure the machine with: {} MB", bytes / 1000000),
                "close other programs");
  }
  const auto for_shares = [&](const std::function<void(std::byte*, size_t, int)>& body) {
    team.ParallelFor(static_cast<int64_t>(pieces), 1, [&](int64_t begin, int64_t end, int worker) {
      body(memory.get() + static_cast<size_t>(begin) * kReadPiece,
           static_cast<size_t>(end - begin) * kReadPiece, worker);
    });
  };
  for_shares([](std::byte* share, size_t size, int) { std::memset(share, 1, size); });
  std::vector<uint64_t> sums(static_cast<size_t>(team.size()));
  std::vector<double> rates;
  for (int pass = 0; pass < options.passes; ++pass) {
    const double seconds = SecondsOf([&] {
      for_shares([&](std::byte* share, size_t size, int worker) {
        sums[static_cast<size_t>(worker)] += loops.read_sum(share, static_cast<int64_t>(size));
      });
    });
    rates.push_back(static_cast<double>(bytes) / seconds * 1e-9);
  }
  const uint64_t expected =
      0x0101010101010101u * (bytes / 8) * static_cast<uint64_t>(options.passes);
  if (std::accumulate(sums.begin(), sums.end(), uint64_t{0}) != expected) {
    throw Error(ErrorKind::kInternal, "memory does not hold what was written to it");
  }
  roofline.read_gb_s = *std::max_element(rates.begin(), rates.end());
  roofline.read_median_gb_s = Median(rates);
}

double MeasurePeak(ThreadTeam& team, PeakLoop loop, const RooflineOptions& options) {
  // As many rounds as one thread needs for the time of a pass.
  int64_t rounds = 1000;
  float sink = 0;
  while (SecondsOf([&] { loop(rounds, &sink); }) < options.peak_seconds) rounds *= 2;
  std::vector<float> sinks(static_cast<size_t>(team.size()));
  std::vector<int64_t> done(sinks.size());
  double best = 0;
  for (int pass = 0; pass < options.passes; ++pass) {
    const double seconds = SecondsOf([&] {
      team.ParallelFor(team.size(), 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) {
          const auto share = static_cast<size_t>(i);
          done[share] = loop(rounds, &sinks[share]);
        }
      });
    });
    const int64_t all = std::accumulate(done.begin(), done.end(), int64_t{0});
    best = std::max(best, static_cast<double>(all) / seconds * 1e-9);
  }
  return best;
}

}  // namespace

Roofline MeasureRoofline(int threads, Isa isa, const RooflineOptions& options) {
  ThreadTeam team(threads);
  const PeakLoops& loops = PeakLoopsOf(isa);
  Roofline roofline;
  roofline.threads = team.size();
  roofline.isa = isa;
  roofline.int8_gmac_s = MeasurePeak(team, loops.int8, options);
  roofline.float_gmac_s = MeasurePeak(team, loops.floats, options);
  MeasureReading(team, loops, options, roofline);
  return roofline;
}

bool MultipliesInt8(Isa isa, const WeightView& weights) {
  return isa != Isa::kReference && weights.cols % 32 == 0 &&
         KernelsOf(isa).group_of(weights.type) != 0;
}

}  // namespace tandem::cpu
