// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <vector>

#include "devices/vulkan/segment.h"

namespace tandem::vulkan {

/// The rows of one submission, by sequence, until its results are with the host.
struct VulkanSegment::Step {
  struct Sequence {
    KvCopy* copy;
    std::span<const KvView> views;
    int64_t first, end;  ///< Positions of its rows.
  };
  Bindings bindings;
  std::vector<StepRow> rows;
  std::vector<int64_t> wanted;  ///< Numbers of the wanted rows.
  std::vector<Sequence> sequences;
  std::optional<DrawRequest> draw;
  const Recording* recording = nullptr;
  bool finished = false;
  std::exception_ptr error;  ///< Why it never will be.

  bool Follows() const { return draw && draw->follows; }
  int64_t Source(RowSet set, size_t t) const {
    return set == RowSet::kAll ? static_cast<int64_t>(t) : wanted[t];
  }
  const StepRow& Row(RowSet set, size_t t) const {
    return rows[static_cast<size_t>(Source(set, t))];
  }
};

}  // namespace tandem::vulkan
