// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory of activation rows in 8 bits. Grows and stays.
#pragma once

#include <cstdint>
#include <vector>

#include "devices/cpu/isa_kernels.h"

namespace tandem::cpu {

class Int8Buffer {
 public:
  /// Room for `rows` rows of `cols` values in groups of `group`. What was there is lost.
  void Resize(int64_t rows, int64_t cols, int group) {
    rows_ = {nullptr, nullptr, rows, cols, group, rows == 1 ? 1 : kTileRows};
    const int64_t padded = (rows + rows_.tile - 1) / rows_.tile * rows_.tile;
    const auto values = static_cast<size_t>(padded * cols);
    if (q_.size() < values) q_.resize(values);
    if (groups_.size() < values / static_cast<size_t>(group)) {
      groups_.resize(values / static_cast<size_t>(group));
    }
    rows_.q = q_.data();
    rows_.groups = groups_.data();
  }
  /// Fills row `t` from x [cols]. Rows may be filled by several threads at once.
  void Set(const IsaKernels& kernels, int64_t t, const float* x) {
    kernels.quantize(x, rows_.cols, rows_.group, rows_.tile, q_.data() + At(t, 0),
                     groups_.data() + GroupAt(t, 0));
  }
  /// rest = x - what row `t` holds of it [cols]; no numbers where the group holds none.
  void Rest(int64_t t, const float* x, float* rest) const {
    const int8_t* q = q_.data() + At(t, 0);
    const Int8Group* group = groups_.data() + GroupAt(t, 0);
    for (int64_t c = 0; c < rows_.cols; group += rows_.tile) {
      for (const int64_t end = c + rows_.group; c < end; c += 4, q += 4 * rows_.tile) {
        for (int i = 0; i < 4; ++i) rest[c + i] = x[c + i] - group->scale * q[i];
      }
    }
  }
  const Int8Rows& rows() const { return rows_; }
  int8_t Value(int64_t t, int64_t column) const { return q_[static_cast<size_t>(At(t, column))]; }
  const Int8Group& Group(int64_t t, int64_t group) const {
    return groups_[static_cast<size_t>(GroupAt(t, group))];
  }

 private:
  int64_t At(int64_t t, int64_t column) const {
    const int64_t tile = rows_.tile;
    return ((t / tile * (rows_.cols / 4) + column / 4) * tile + t % tile) * 4 + column % 4;
  }
  int64_t GroupAt(int64_t t, int64_t group) const {
    const int64_t tile = rows_.tile;
    return (t / tile * (rows_.cols / rows_.group) + group) * tile + t % tile;
  }

  Int8Rows rows_;
  std::vector<int8_t> q_;
  std::vector<Int8Group> groups_;
};

}  // namespace tandem::cpu
