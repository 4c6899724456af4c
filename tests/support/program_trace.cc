// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/program_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace tandem::testing {

Trace TraceProgram(const Program& program, Device& device, const std::vector<int32_t>& ids) {
  const auto count = static_cast<int64_t>(ids.size());
  std::vector<std::vector<float>> buffers;
  std::vector<float*> pointers;
  for (const Value& value : program.values) {
    buffers.emplace_back(static_cast<size_t>(count * value.planes * value.width), NAN);
    pointers.push_back(buffers.back().data());
  }
  std::vector<std::vector<float>> kv;
  std::vector<KvView> caches;
  for (const CacheTensor& cache : program.caches) {
    const int64_t capacity = cache.window > 0 ? cache.window - 1 + count : count;
    kv.emplace_back(static_cast<size_t>(2 * capacity * cache.width()), NAN);
    auto* data = reinterpret_cast<std::byte*>(kv.back().data());
    caches.push_back({DType::kF32, capacity, cache.width(), data,
                      data + static_cast<size_t>(capacity * cache.width()) * sizeof(float)});
  }
  std::vector<StepRow> rows;
  for (int32_t t = 0; t < count; ++t) rows.push_back({ids[static_cast<size_t>(t)], t, 0, true});
  const std::span<const KvView> views = caches;
  Trace trace;
  for (size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    const auto segment = device.Compile(program, {i, i + 1}, {count, count});
    segment->Submit({pointers, {&views, 1}}, rows).Wait();
    std::vector<double>& flat = trace[{std::string(OpName(op.body)), op.layer}];
    flat.clear();
    for (const ValueId id : UseOf(op.body).writes) {
      const auto& buffer = buffers[static_cast<size_t>(id)];
      flat.insert(flat.end(), buffer.begin(), buffer.end());
    }
  }
  return trace;
}

std::string FirstDifference(const Program& program, const Trace& trace, const Trace& reference,
                            double tolerance) {
  for (size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    const std::pair<std::string, int> key{OpName(op.body), op.layer};
    const auto expected = reference.find(key);
    if (expected == reference.end()) continue;
    const auto got = trace.find(key);
    const std::string name = fmt::format("op {}: {}, layer {}", i, key.first, key.second);
    if (got == trace.end()) return name + ": not run";
    const std::vector<double>& a = got->second;
    const std::vector<double>& b = expected->second;
    if (a.size() != b.size())
      return fmt::format("{}: {} values, want {}", name, a.size(), b.size());
    double scale = 1e-6;
    for (const double value : b) scale = std::max(scale, std::fabs(value));
    size_t worst = 0;
    double error = -1;
    for (size_t j = 0; j < a.size(); ++j) {
      const double difference = std::isfinite(a[j]) ? std::fabs(a[j] - b[j]) : INFINITY;
      if (difference > error) {
        error = difference;
        worst = j;
      }
    }
    if (error > tolerance * scale) {
      return fmt::format(
          "{}: off by {:.3g} (of {:.3g}) at element {}: {} instead of {}; first: {} {}", name,
          error, scale, worst, a[worst], b[worst], a[0], b[0]);
    }
  }
  return {};
}

}  // namespace tandem::testing
