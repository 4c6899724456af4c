// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// An MLP's or a per-layer mix's weights in the array's layout: gate and up as one gated product's,
// or each for itself where gates are cut; down as the next one's; without up, an identity matrix
// for factors in two parts. Made once from views of the model; owns its memory, which must not
// outlive the backend. Immutable: any number of threads may read it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/prefill/product_plan.h"

namespace tandem::npu {

class PackedGated {
 public:
  /// As PackedWeights; the scales of gate and up, which cores multiply with, are bfloat16's. Throws
  /// Error kResource without memory.
  PackedGated(const ProductPart& part, ArrayBackend& backend);

  const ProductPart& part() const { return part_; }
  /// B of each of the list's runs, in their order.
  std::span<const std::unique_ptr<ArrayBuffer>> runs() const { return runs_; }
  /// Of down's results [n].
  std::span<const float> column_scales() const { return column_scales_; }
  /// Whether h of rows whose values are at most `most_x`, and factors at most `most_u` where those
  /// are given, is what the core can say: every weight is a number, and the product of the largest
  /// gate and up that there could be is far below 2^80; of gates that are cut also their squares.
  bool Holds(double most_x, double most_u) const;

 private:
  std::span<std::byte> AddRun(ArrayBackend& backend, int64_t bytes);
  /// Gate and up, each with a packer and where its columns begin there.
  void PackNeurons(ColumnPacker& gates, ColumnPacker& ups, int64_t first_up);
  void PackDown(const GatedPlan& plan, ColumnPacker& packer);

  ProductPart part_;
  std::vector<std::unique_ptr<ArrayBuffer>> runs_;
  std::vector<float> column_scales_;
  double most_gate_ = 0;  ///< The largest weight; no number where one is none.
  double most_up_ = 0;
};

}  // namespace tandem::npu
