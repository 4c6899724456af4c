// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/multiplier.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "devices/cpu/kernels.h"

namespace tandem::cpu {
namespace {

// Products that one thread takes at least: waking it must pay. kThreadWork is the scalar figure;
// that these kernels do ten times as much in that time is assumed, not measured.
constexpr int64_t kFastThreadWork = 10 * kThreadWork;

int64_t Grain(int64_t cols, int64_t rows) {
  const int64_t panel = kPanelRows * cols * rows;
  return kPanelRows * std::max<int64_t>(1, (kFastThreadWork + panel - 1) / panel);
}

bool IsRun(const int64_t* index, int count) { return index[count - 1] - index[0] == count - 1; }

}  // namespace

Multiplier::Multiplier(ThreadTeam& team, Isa isa)
    : team_(team),
      kernels_(isa == Isa::kReference ? nullptr : &KernelsOf(isa)),
      panels_(static_cast<size_t>(team.size())) {}

void Multiplier::Run(const WeightView& w, const float* x, int64_t x_stride, int64_t rows, float* y,
                     int64_t y_stride, std::span<const uint8_t> skip) {
  if (kernels_ == nullptr) return MatMul(team_, w, x, x_stride, rows, y, y_stride, skip);
  if (rows == 0) return;
  const std::span<const int64_t> index = skip.empty() ? AllRows(w.rows) : LiveRows(skip);
  if (!skip.empty()) {
    for (int64_t t = 0; t < rows; ++t) std::fill_n(y + t * y_stride, w.rows, 0.0f);
  }
  // The kernels take activations by 32; other widths are those of small test models.
  const int group = w.cols % 32 == 0 ? kernels_->group_of(w.type) : 0;
  if (group != 0) {
    RunInt8(w, index, Quantize(x, x_stride, rows, w.cols, group), y, y_stride);
  } else {
    RunFloat(w, index, x, x_stride, rows, y, y_stride);
  }
}

std::span<const int64_t> Multiplier::AllRows(int64_t count) {
  const auto size = static_cast<size_t>(count);
  if (all_rows_.size() < size) {
    all_rows_.resize(size);
    std::iota(all_rows_.begin(), all_rows_.end(), int64_t{0});
  }
  return std::span(all_rows_).first(size);
}

std::span<const int64_t> Multiplier::LiveRows(std::span<const uint8_t> skip) {
  live_rows_.clear();
  for (size_t r = 0; r < skip.size(); ++r) {
    if (skip[r] == 0) live_rows_.push_back(static_cast<int64_t>(r));
  }
  return live_rows_;
}

Int8Rows Multiplier::Quantize(const float* x, int64_t x_stride, int64_t rows, int64_t cols,
                              int group) {
  const int64_t groups = cols / group;
  if (bytes_.size() < static_cast<size_t>(rows * cols)) {
    bytes_.resize(static_cast<size_t>(rows * cols));
  }
  if (groups_.size() < static_cast<size_t>(rows * groups)) {
    groups_.resize(static_cast<size_t>(rows * groups));
  }
  const int64_t grain = std::max<int64_t>(1, 4 * kThreadWork / cols);
  team_.ParallelFor(rows, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_->quantize(x + t * x_stride, cols, group, bytes_.data() + t * cols,
                         groups_.data() + t * groups);
    }
  });
  return {bytes_.data(), groups_.data(), rows, cols, group};
}

void Multiplier::RunInt8(const WeightView& w, std::span<const int64_t> rows_of_w, const Int8Rows& x,
                         float* y, int64_t y_stride) {
  const auto total = static_cast<int64_t>(rows_of_w.size());
  team_.ParallelFor(total, Grain(w.cols, x.rows), [&](int64_t begin, int64_t end, int worker) {
    std::vector<float>& gathered = panels_[static_cast<size_t>(worker)];
    for (int64_t r = begin; r < end; r += kPanelRows) {
      const int count = static_cast<int>(std::min<int64_t>(kPanelRows, end - r));
      const int64_t* index = rows_of_w.data() + r;
      if (IsRun(index, count)) {
        kernels_->multiply_int8(w, index, count, x, y + index[0], y_stride);
        continue;
      }
      gathered.resize(static_cast<size_t>(x.rows * kPanelRows));
      kernels_->multiply_int8(w, index, count, x, gathered.data(), kPanelRows);
      for (int64_t t = 0; t < x.rows; ++t) {
        for (int i = 0; i < count; ++i) {
          y[t * y_stride + index[i]] = gathered[static_cast<size_t>(t * kPanelRows + i)];
        }
      }
    }
  });
}

void Multiplier::RunFloat(const WeightView& w, std::span<const int64_t> rows_of_w, const float* x,
                          int64_t x_stride, int64_t rows, float* y, int64_t y_stride) {
  const auto unpack = [&](int64_t row, float* target) {
    switch (w.type) {
      case DType::kF16: return kernels_->unpack_half(w.Row(row), target, w.cols);
      case DType::kBF16: return kernels_->unpack_bf16(w.Row(row), target, w.cols);
      default: return w.ReadRow(row, target);
    }
  };
  const auto total = static_cast<int64_t>(rows_of_w.size());
  team_.ParallelFor(total, Grain(w.cols, rows), [&](int64_t begin, int64_t end, int worker) {
    std::vector<float>& scratch = panels_[static_cast<size_t>(worker)];
    scratch.resize(static_cast<size_t>(kPanelRows * (w.cols + rows)));
    float* panel = scratch.data();
    float* sums = panel + kPanelRows * w.cols;
    for (int64_t r = begin; r < end; r += kPanelRows) {
      const int count = static_cast<int>(std::min<int64_t>(kPanelRows, end - r));
      const int64_t* index = rows_of_w.data() + r;
      for (int i = 0; i < count; ++i) unpack(index[i], panel + i * w.cols);
      kernels_->multiply_float(panel, w.cols, count, x, x_stride, rows, sums, kPanelRows);
      for (int64_t t = 0; t < rows; ++t) {
        for (int i = 0; i < count; ++i) y[t * y_stride + index[i]] = sums[t * kPanelRows + i];
      }
    }
  });
}

}  // namespace tandem::cpu
