// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace tandem::npu {

/// Counts results of a matrix that are wrong, and keeps the first.
class Differences {
 public:
  explicit Differences(int64_t columns) : columns_(columns) {}

  void Add(size_t index, double got, double want) {
    if (count_++ > 0) return;
    const auto at = static_cast<int64_t>(index);
    first_ = fmt::format("the first at [{},{}]: {:.9g}, not {:.9g}", at / columns_, at % columns_,
                         got, want);
  }
  /// "3 of 4096, the first at [0,7]: 17, not 19"; empty without any.
  std::string Text(size_t all) const {
    return count_ == 0 ? "" : fmt::format("{} of {}, {}", count_, all, first_);
  }

 private:
  int64_t columns_;
  size_t count_ = 0;
  std::string first_;
};

}  // namespace tandem::npu
