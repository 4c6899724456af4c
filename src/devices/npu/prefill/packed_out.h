// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A product's weights in the array's layout where norms and an MLP may follow in the same list:
// results are in the order of the MLP's inputs (norm_plan.h). Made once from
// views of the model; owns its memory, which must not outlive the backend. Immutable: any number of
// threads may read it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/gemm/norm_pack.h"
#include "devices/npu/prefill/product_plan.h"

namespace tandem::npu {

class PackedOut {
 public:
  /// `apart`: the MLP's. Results of rows with what is no number are none. Throws Error kResource
  /// without memory.
  PackedOut(const ProductPart& part, std::span<const int32_t> apart, ArrayBackend& backend);

  const ProductPart& part() const { return part_; }
  ArrayBuffer& buffer() const { return *buffer_; }
  NormWeights weights() const;
  std::span<const int32_t> order() const { return order_; }
  /// Of rows whose inputs are at most `most_input`, and their base: what no value of an MLP's x is
  /// beyond, before they get their factors; nothing where results or what the norms are over could
  /// be large, whose squares are added up in float, or where something is no number.
  std::optional<double> MostOf(double most_input, std::span<const float> base) const;

 private:
  ProductPart part_;
  std::vector<int32_t> order_;
  std::unique_ptr<ArrayBuffer> buffer_;
  double most_weight_ = 0;  ///< No number where one is none.
};

}  // namespace tandem::npu
