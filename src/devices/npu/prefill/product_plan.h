// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which products of a Program go to the array, in which type, within how many bytes. Pure
// functions; thread-safe.
//
// A call takes the matrices that share an input and a type, side by side. Weights in floats are
// multiplied as bf16, quantised ones as i4 where they are Q4_0 and nearly all are, else as i8. The
// array is configured for one type; changing that costs as much as many products, so products of
// another type are taken only where enough of them come in a row.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "devices/device.h"
#include "devices/npu/gemm/gated_plan.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/gemm/norm_plan.h"
#include "devices/npu/timing/gated_time.h"
#include "program/program.h"

namespace tandem::npu {

/// Fewer rows stay with the host: it leaves out dead neurons then, and what a call takes on the
/// array is the weights' way there, whether for one row or for a few dozen.
inline constexpr int64_t kLeastRows = 17;
/// Matrices narrower than this, to either side, stay with the host: mostly padding to the array, at
/// the price of a call. Not the ranks of LAuReL, nor gates that narrow.
inline constexpr int64_t kLeastSide = 128;

/// What tells matrices apart: where they lie, and how much of that they are.
struct MatrixKey {
  const std::byte* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  auto operator<=>(const MatrixKey&) const = default;
};
using MatrixKeys = std::vector<MatrixKey>;
MatrixKeys KeysOf(const std::vector<WeightView>& matrices);

/// What follows a product: RMSNorms and an MLP, with which it is one list for short prompts
/// (norm_plan.h). Its results leave in bfloat16, then.
struct NormBehind {
  std::span<const float> post;  ///< [n]
  float post_epsilon = 0;
  std::span<const float> pre;  ///< [n]
  float pre_epsilon = 0;       ///< Over the square of what both are mixed by.
  bool sets_apart = false;     ///< Whether the MLP does.
  MatrixKeys mlp;
};

/// What one call multiplies: matrices side by side, or an MLP or per-layer mix as a list of two
/// runs, or of three where gates are cut.
struct ProductPart {
  GemmConfig config;
  /// [n of each, k], side by side; gated: gate, up [F, k] and down [n, F], or gate and down.
  std::vector<WeightView> matrices;
  bool gated = false;  ///< A list.
  int64_t k = 0;
  int64_t n = 0;
  /// Whether the sums over k have a tile more, for inputs that are much larger than others in every
  /// row (large_inputs.h); which ones, once they are known. Of a list: gate's and up's sums.
  bool sets_apart = false;
  std::vector<int32_t> apart;
  /// Of a list: powers of two that its neurons are divided by, and down's weights multiplied with;
  /// empty: 1.
  std::vector<float> divisors;
  std::optional<float> cut;  ///< Of a list: gates are cut so many deviations above their mean.
  std::optional<NormBehind> norm;  ///< Of one matrix. Those apart are the MLP's.
  uint64_t bytes = 0;              ///< Packed, their scales included.

  /// Of a list: whether the factors of GELU are given, not products.
  bool gives_up() const { return matrices.size() == 2; }
};
using PartKey = std::pair<GemmType, MatrixKeys>;
PartKey KeyOf(const ProductPart& part);
/// Weights of all its matrices.
int64_t WeightsOf(const ProductPart& part);
/// What the array sums over: k, and in whole tiles where inputs are set apart.
int64_t SumOf(const ProductPart& part);
/// A product's with a norm behind.
NormShape NormShapeOf(const ProductPart& part, int64_t m);
/// A list's products for m rows; to the model of time.
GatedShape GatedShapeOf(const ProductPart& part, int64_t m);
GatedCase GatedCaseOf(const ProductPart& part, int64_t m);

struct PlanOptions {
  Device device;
  uint64_t budget = 0;  ///< Bytes of packed weights.
  int64_t least_side = kLeastSide;
  /// Activations in bytes have two parts. Else MLPs and per-layer mixes are lists where their types
  /// allow it, and products whose inputs have outliers set them apart.
  bool precise = false;
  /// Parts that are packed already and cost nothing more. May be null.
  const std::set<PartKey>* held = nullptr;
};

/// Products that stay with the host, by reason.
struct LeftOut {
  int narrow = 0;
  int large = 0;          ///< Beyond what a stream can say.
  int type = 0;           ///< Of another type than most, too few in a row.
  int budget = 0;         ///< Would not fit.
  uint64_t smallest = 0;  ///< Bytes of the smallest of those.

  /// "24 narrower than 128, 3 beyond the budget"; empty where there is none.
  std::string Text(int64_t least_side) const;
};

struct ProductPlan {
  std::vector<ProductPart> parts;  ///< In the Program's order.
  LeftOut left;
  uint64_t bytes = 0;      ///< What the parts take beyond those that are held.
  int64_t multiplied = 0;  ///< Weights of the parts,
  int64_t all = 0;         ///< and of all products that run for enough rows.
};

/// How many rows an op runs for in steps of that shape, at most.
inline int64_t RowsOf(const Op& op, const ShapeClass& shape) {
  return op.rows == RowSet::kAll ? shape.rows : shape.wanted;
}

/// Of the ops in `range` that run for kLeastRows or more in steps of that shape.
ProductPlan PlanProducts(const Program& program, OpRange range, const ShapeClass& shape,
                         const PlanOptions& options);

}  // namespace tandem::npu
