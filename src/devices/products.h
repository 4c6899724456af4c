// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How one device lends another its ops: a host device runs them and asks for their products
// elsewhere. What a device of matrix products and attention alone needs, and no
// other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "devices/device.h"
#include "formats/weight_view.h"

namespace tandem {

/// y[t, r] = dot(weights row r, x row t): one of some that share their x.
struct Product {
  WeightView weights;
  float* y = nullptr;  ///< [rows of x, weights.rows], `y_stride` apart.
  int64_t y_stride = 0;
  bool done = false;
};

/// An Attention op in a step: q and context [rows, heads * head_dim].
struct AttentionCall {
  const Attention& op;
  const CacheTensor& tensor;
  std::span<const StepRow> rows;
  const float* q = nullptr;
  /// By sequence and cache, as Bindings has them. The keys and values of the rows are there.
  std::span<const std::span<const KvView>> caches;
  float* context = nullptr;
};

/// y[t] = down (gelu(g[t]) * u[t]), g[t] = gate x[t], u[t] = up x[t] or given: a layer's MLP, or a
/// per-layer mix, without their norms. A sparse layer's gates are max(0, g - (mean(g) + cut *
/// deviation(g))), as GatedMlp has them.
struct GatedCall {
  WeightView gate;  ///< [F, D]
  WeightView up;    ///< [F, D]; none, without data, where u is given.
  WeightView down;  ///< [N, F]
  const float* x = nullptr;
  int64_t x_stride = 0;
  int64_t rows = 0;
  const float* u = nullptr;       ///< [rows, F], dense; null: up's.
  float* y = nullptr;             ///< [rows, N], dense.
  std::optional<float> cut = {};  ///< Of a sparse layer; not where u is given.
};

/// An AttentionOut and the GatedMlp behind it, which reads its h.
struct OutMlpCall {
  const AttentionOut& out;
  const GatedMlp& mlp;
  const float* context = nullptr;  ///< [rows, inputs of the output], dense.
  const float* base = nullptr;     ///< [rows, D]: what the output's norm is added to, before `mix`.
  int64_t rows = 0;
  float* o = nullptr;  ///< [rows, D]: the output's products, from which the host makes h.
  /// [rows, D]: down's products of an x whose rows lack their RMSNorm's factor in up, so that a
  /// row's result is this times mix / sqrt(mean(h^2) + epsilon).
  float* y = nullptr;
};

/// Multiplies in the host's stead what it can. One thread at a time; the caller owns all memory.
class ProductEngine {
 public:
  virtual ~ProductEngine() = default;
  /// x [rows, weights.cols] with a stride. Marks those it has made as done: the host makes the
  /// others. Throws Error where the engine is lost.
  virtual void Multiply(const float* x, int64_t x_stride, int64_t rows,
                        std::span<Product> products) = 0;
  /// Whether it has; if not, the host does.
  virtual bool Attend(const AttentionCall& /*call*/) { return false; }
  /// Likewise; if not, its products are offered one by one.
  virtual bool Gated(const GatedCall& /*call*/) { return false; }
  /// Rows that it makes both ops of as one at most.
  virtual int64_t OutAndMlpRows() const { return 0; }
  /// Likewise both; if not, they are offered one by one.
  virtual bool OutAndMlp(const OutMlpCall& /*call*/) { return false; }
};

/// A device that runs every op, its products elsewhere where they are taken.
class HostDevice : public Device {
 public:
  /// As Compile. `engine` must outlive the segment; products are offered in the groups of
  /// ProductGroups().
  virtual std::unique_ptr<Segment> CompileWith(const Program& program, OpRange range,
                                               const ShapeClass& shape, ProductEngine& engine) = 0;
};

}  // namespace tandem
