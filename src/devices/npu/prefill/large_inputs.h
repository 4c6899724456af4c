// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is done about inputs of products that are many times larger than the others in every row,
// whatever the text: each would take the bits of the 127 beside it in its tile. Those of products
// are set apart; neurons of lists, whose bytes are the array's, are divided by a power of two, and
// the weights behind them multiplied with it. Weights do not tell which inputs: the model is run.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "devices/npu/prefill/product_plan.h"
#include "devices/npu/timing/gemm_time.h"
#include "devices/products.h"

namespace tandem::npu {

/// Fills `apart` and `divisors` of the parts that set inputs apart and are not held: runs the ops
/// of `range`, from the Program's first one on, on the host for some rows of made-up tokens, the
/// same ones every time, and goes by the sizes of inputs in them. Takes memory for that step
/// meanwhile. Throws Error as Device::Compile and Fence::Wait.
void EaseOutliers(ProductPlan& plan, const std::set<PartKey>& held, HostDevice& host,
                  const Program& program, OpRange range, const ShapeClass& shape);

/// The inputs with the largest mean squares, as many as a tile has or there are; whole blocks of 32
/// where weights come in such (i4), by their largest. Sorted.
std::vector<int32_t> LargestInputs(std::span<const double> squares, GemmType type);

/// For each neuron the power of two nearest to the square root of its size, relative to that of
/// all, or 1: half of what makes it large goes over to its weights, which have bits to spare (as
/// SmoothQuant shares it, arXiv 2211.10438). In i4, where weights behind come in blocks of 32, one
/// for each block, by its root mean square.
std::vector<float> DivisorsOf(std::span<const double> squares, GemmType type);

}  // namespace tandem::npu
