// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the calls of ArrayProducts share. Internal to prefill.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "devices/npu/arrays/array_backend.h"

namespace tandem::npu {

/// Shapes whose streams are kept: prompts end in steps of any length.
inline constexpr size_t kMostPrepared = 512;

/// What no float is that an array computes: a quiet number that is none, with a payload.
inline constexpr uint32_t kNoFloat = 0xFFC0DEAD;

/// The first `size` of a buffer that has as many.
template <typename T>
std::span<T> Resized(std::vector<T>& buffer, int64_t size) {
  const auto count = static_cast<size_t>(size);
  if (buffer.size() < count) buffer.resize(count);
  return std::span(buffer).first(count);
}

/// The runs of a call, each with its A, B and C.
class RunList {
 public:
  void Add(ArrayProgram& program, std::span<const size_t> marks, const ArrayArgument& a,
           const ArrayArgument& b, const ArrayArgument& c) {
    const auto& arguments = arguments_.emplace_back(std::array{a, b, c});
    runs_.push_back({&program, arguments, marks, kNoFloat});
  }
  std::span<const ArrayRun> runs() const { return runs_; }

 private:
  std::deque<std::array<ArrayArgument, 3>> arguments_;
  std::vector<ArrayRun> runs_;
};

}  // namespace tandem::npu
