// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/multiplier.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numeric>

#include "devices/cpu/kernels.h"

namespace tandem::cpu {
namespace {

// Products, and activations brought to 8 bits, that one thread takes at least: about a microsecond.
constexpr int64_t kProductWork = 1 << 15;
constexpr int64_t kQuantizeWork = 1 << 11;

// Panels of a copy by inputs that one thread takes at least: of each input half a kilobyte then
// lies together.
constexpr int64_t kPanelsTogether = 8;

int64_t Grain(int64_t cols, int64_t rows) {
  const int64_t panel = kPanelRows * cols * rows;
  return kPanelRows * std::max<int64_t>(1, (kProductWork + panel - 1) / panel);
}

bool IsRun(const int64_t* index, int count) { return index[count - 1] - index[0] == count - 1; }

}  // namespace

Multiplier::Multiplier(ThreadTeam& team, Isa isa, bool precise, ProductEngine* engine)
    : team_(team),
      kernels_(isa == Isa::kReference ? nullptr : &KernelsOf(isa)),
      parts_(precise ? 2 : 1),
      engine_(engine),
      panels_(static_cast<size_t>(team.size())) {}

void Multiplier::Load(const float* x, int64_t x_stride, int64_t rows, int64_t cols) {
  x_ = x;
  x_stride_ = x_stride;
  rows_ = rows;
  cols_ = cols;
  for (Quantized& quantized : quantized_) quantized.valid = false;
}

void Multiplier::Run(const WeightView& w, const float* x, int64_t x_stride, int64_t rows, float* y,
                     int64_t y_stride, std::span<const uint8_t> skip) {
  Load(x, x_stride, rows, w.cols);
  Run(w, y, y_stride, skip);
}

void Multiplier::Run(std::span<Product> products) {
  if (engine_ != nullptr && rows_ > 0) engine_->Multiply(x_, x_stride_, rows_, products);
  for (Product& product : products) {
    if (!product.done) RunHere(product.weights, product.y, product.y_stride, {});
    product.done = true;
  }
}

void Multiplier::Run(const WeightView& w, float* y, int64_t y_stride,
                     std::span<const uint8_t> skip) {
  if (!skip.empty()) return RunHere(w, y, y_stride, skip);
  Product product{w, y, y_stride};
  Run({&product, 1});
}

void Multiplier::RunHere(const WeightView& w, float* y, int64_t y_stride,
                         std::span<const uint8_t> skip) {
  assert(w.cols == cols_);
  if (kernels_ == nullptr) return MatMul(team_, w, x_, x_stride_, rows_, y, y_stride, skip);
  if (rows_ == 0) return;
  const std::span<const int64_t> all = AllRows(std::max<int64_t>(w.rows, kPanelRows));
  const std::span<const int64_t> index =
      skip.empty() ? all.first(static_cast<size_t>(w.rows)) : LiveRows(skip);
  if (!skip.empty()) {
    for (int64_t t = 0; t < rows_; ++t) std::fill_n(y + t * y_stride, w.rows, 0.0f);
  }
  // The kernels take activations by 32; other widths are those of small test models.
  const int group = w.cols % 32 == 0 ? kernels_->group_of(w.type) : 0;
  if (group != 0) {
    RunInt8(w, index, QuantizedRows(group), y, y_stride);
  } else {
    RunFloat(w, index, y, y_stride);
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

const Int8Rows& Multiplier::QuantizedRows(int group) {
  Quantized& quantized = quantized_[group == 32 ? 0 : 1];
  if (!quantized.valid) {
    quantized.buffer.Resize(rows_ * parts_, cols_, group);
    GrowPanels(cols_);
    const int64_t grain = kQuantizeWork / (cols_ * parts_) + 1;
    team_.ParallelFor(rows_, grain, [&](int64_t begin, int64_t end, int worker) {
      float* rest = panels_[static_cast<size_t>(worker)].data();
      for (int64_t t = begin; t < end; ++t) QuantizeRow(quantized.buffer, t, rest);
    });
    quantized.valid = true;
  }
  return quantized.buffer.rows();
}

void Multiplier::QuantizeRow(Int8Buffer& buffer, int64_t t, float* rest) const {
  const float* x = x_ + t * x_stride_;
  buffer.Set(*kernels_, t * parts_, x);
  if (parts_ == 1) return;
  buffer.Rest(t * parts_, x, rest);
  buffer.Set(*kernels_, t * parts_ + 1, rest);
}

void Multiplier::GrowPanels(int64_t size) {
  for (std::vector<float>& panel : panels_) {
    if (panel.size() < static_cast<size_t>(size)) panel.resize(static_cast<size_t>(size));
  }
}

void Multiplier::RunInt8(const WeightView& w, std::span<const int64_t> rows_of_w, const Int8Rows& x,
                         float* y, int64_t y_stride) {
  const auto total = static_cast<int64_t>(rows_of_w.size());
  if (total < w.rows || parts_ > 1) GrowPanels(x.rows * kPanelRows);
  team_.ParallelFor(total, Grain(w.cols, x.rows), [&](int64_t begin, int64_t end, int worker) {
    std::vector<float>& gathered = panels_[static_cast<size_t>(worker)];
    for (int64_t r = begin; r < end; r += kPanelRows) {
      const int count = static_cast<int>(std::min<int64_t>(kPanelRows, end - r));
      const int64_t* index = rows_of_w.data() + r;
      if (IsRun(index, count) && parts_ == 1) {
        kernels_->multiply_int8(w, index, count, x, y + index[0], y_stride);
        continue;
      }
      kernels_->multiply_int8(w, index, count, x, gathered.data(), kPanelRows);
      const float* sums = gathered.data();
      for (int64_t t = 0; t < rows_; ++t, sums += parts_ * kPanelRows) {
        for (int i = 0; i < count; ++i) {
          y[t * y_stride + index[i]] = parts_ == 1 ? sums[i] : sums[i] + sums[kPanelRows + i];
        }
      }
    }
  });
}

LiveInputs Multiplier::LiveInputsOf(const Int8Rows& x, int64_t t) {
  live_groups_.clear();
  live_fours_.clear();
  const int64_t fours = x.cols / 4, groups = x.cols / x.group, per_group = x.group / 4;
  const int8_t* q = x.q + (t / x.tile * fours * x.tile + t % x.tile) * 4;
  const Int8Group* group = x.groups + t / x.tile * groups * x.tile + t % x.tile;
  for (int64_t g = 0; g < groups; ++g, group += x.tile) {
    const auto first = static_cast<int32_t>(live_fours_.size());
    for (int64_t i = g * per_group; i < (g + 1) * per_group; ++i, q += 4 * x.tile) {
      int32_t four;
      std::memcpy(&four, q, sizeof four);
      if (four != 0) live_fours_.push_back({static_cast<int32_t>(i), four});
    }
    const auto end = static_cast<int32_t>(live_fours_.size());
    // A group that holds no number has zeros, and a scale which says so.
    if (first != end || std::isnan(group->scale)) {
      live_groups_.push_back({static_cast<int32_t>(g), first, end, *group});
    }
  }
  return {live_groups_.data(), static_cast<int64_t>(live_groups_.size()), live_fours_.data()};
}

void Multiplier::RunLive(NeuronCopies& copies, const WeightView& w, float* y, int64_t y_stride) {
  assert(w.cols == cols_);
  const NeuronWeights* copy = kernels_ == nullptr ? nullptr : copies.Find(team_, *kernels_, w);
  if (copy == nullptr) return Run(w, y, y_stride);
  const Int8Rows& x = QuantizedRows(NeuronFormatOf(w.type).group);
  GrowPanels(copy->panels * kPanelRows);
  for (int64_t t = 0; t < x.rows; ++t) {
    const LiveInputs live = LiveInputsOf(x, t);
    const bool first_part = t % parts_ == 0;
    float* target = y + t / parts_ * y_stride;
    team_.ParallelFor(copy->panels, kPanelsTogether, [&](int64_t begin, int64_t end, int worker) {
      float* sums = panels_[static_cast<size_t>(worker)].data();
      kernels_->multiply_neurons(*copy, live, begin, end, sums);
      const int64_t first = begin * kPanelRows;
      const int64_t count = std::min(end * kPanelRows, w.rows) - first;
      for (int64_t i = 0; i < count; ++i) {
        target[first + i] = first_part ? sums[i] : target[first + i] + sums[i];
      }
    });
  }
}

void Multiplier::RunFloat(const WeightView& w, std::span<const int64_t> rows_of_w, float* y,
                          int64_t y_stride) {
  const bool stored = w.type == DType::kF32 || w.type == DType::kF16 || w.type == DType::kBF16;
  const auto total = static_cast<int64_t>(rows_of_w.size());
  GrowPanels(kPanelRows * (w.cols + rows_));
  team_.ParallelFor(total, Grain(w.cols, rows_), [&](int64_t begin, int64_t end, int worker) {
    float* sums = panels_[static_cast<size_t>(worker)].data();
    float* unpacked = sums + kPanelRows * rows_;
    const WeightView panel{DType::kF32, kPanelRows, w.cols,
                           static_cast<size_t>(w.cols) * sizeof(float),
                           reinterpret_cast<const std::byte*>(unpacked)};
    for (int64_t r = begin; r < end; r += kPanelRows) {
      const int count = static_cast<int>(std::min<int64_t>(kPanelRows, end - r));
      const int64_t* index = rows_of_w.data() + r;
      if (!stored) {
        for (int i = 0; i < count; ++i) w.ReadRow(index[i], unpacked + i * w.cols);
      }
      kernels_->multiply_float(stored ? w : panel, stored ? index : all_rows_.data(), count, x_,
                               x_stride_, rows_, sums, kPanelRows);
      for (int64_t t = 0; t < rows_; ++t) {
        for (int i = 0; i < count; ++i) y[t * y_stride + index[i]] = sums[t * kPanelRows + i];
      }
    }
  });
}

}  // namespace tandem::cpu
