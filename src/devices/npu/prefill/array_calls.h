// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the calls of ArrayProducts share. Internal to prefill.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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

}  // namespace tandem::npu
