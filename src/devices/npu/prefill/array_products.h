// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products and attention on the array: packed weights, streams by shape, and counts. Owns the
// packed weights, which are known by the address of what they were made from. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/prefill/array_attention.h"
#include "devices/npu/prefill/array_calls.h"
#include "devices/npu/prefill/byte_rows.h"
#include "devices/npu/prefill/packed_gated.h"
#include "devices/npu/prefill/packed_out.h"
#include "devices/npu/prefill/packed_weights.h"
#include "devices/products.h"

namespace tandem::npu {

class ArrayProducts : public ProductEngine {
 public:
  /// `precise`: activations in front of quantised weights have two parts of 8 bits, not one.
  ArrayProducts(const Device& device, std::unique_ptr<ArrayBackend> backend, bool precise = false)
      : device_(device), backend_(std::move(backend)), parts_(precise ? 2 : 1) {}

  /// Packs what is not packed yet. Throws as PackedWeights.
  void Add(const ProductPlan& plan, const std::function<void(uint64_t, uint64_t)>& progress);

  void Multiply(const float* x, int64_t x_stride, int64_t rows,
                std::span<Product> products) override;
  /// As ArrayAttention, in the configuration of the products before.
  bool Attend(const AttentionCall& call) override;

  /// Gate, up, GELU and down as one list, where the part was packed as such, a sparse layer's with
  /// the cut of its gates; not with two parts for activations, nor for rows that hold what is no
  /// number or could leave what a core can say. Factors that are given go the way of up, by an
  /// identity matrix, in two parts.
  bool Gated(const GatedCall& call) override;

  /// The output, its norm, the MLP's and the MLP as one list, where both were packed for that and
  /// there are no more rows than a norm takes; on the terms of Gated.
  bool OutAndMlp(const OutMlpCall& call) override;
  int64_t OutAndMlpRows() const override;

  const ArrayBackend& backend() const { return *backend_; }
  const std::set<PartKey>& held() const { return held_; }
  uint64_t bytes() const { return bytes_; }
  /// Of everything so far.
  const ArrayCounts& counts() const { return counts_; }

 private:
  /// A shape's stream, on the context of its type, and time.
  struct Prepared {
    GemmPlan plan;
    std::unique_ptr<ArrayProgram> program;
    std::vector<size_t> marks;  ///< The last word of each column's results.
    double seconds = 0;
  };
  /// The same of the runs of a list.
  struct PreparedGated {
    struct Run {
      std::unique_ptr<ArrayProgram> program;
      std::vector<size_t> marks;
    };
    GatedPlan plan;
    int64_t memory_bytes = 0;  ///< Of A, and of gates that are cut behind it.
    std::vector<Run> runs;
    double seconds = 0;
  };
  /// A product with norms behind, or that alone.
  struct PreparedOut {
    NormPlan plan;
    std::unique_ptr<ArrayProgram> out, norm;
    std::vector<size_t> marks, norm_marks;
    double seconds = 0;
    double dispatch_seconds = 0;  ///< Of that.
  };
  using ShapeKey = std::tuple<GemmType, int64_t, int64_t, int64_t>;

  const Prepared& Prepare(const GemmConfig& config, const GemmShape& shape);
  /// `norm`: what makes its x in the same list; null: the host.
  const PreparedGated& PrepareGated(const ProductPart& part, int64_t rows,
                                    const NormPlan* norm = nullptr);
  void PrepareRuns(const ProductPart& part, int64_t rows, const NormPlan* norm,
                   PreparedGated& prepared);
  PreparedOut& PrepareOut(const ProductPart& part, int64_t rows, bool with_norm);
  /// Adds the runs of an MLP or a mix, whose A begins `memory`; results come to c_.
  void AddRuns(const PreparedGated& prepared, const PackedGated& weights, ArrayBuffer& memory,
               RunList& list);
  const PackedGated* FindGated(const GatedCall& call) const;
  /// Whether the matrices of a part are among these: then found_ are their products.
  bool Find(const ProductPart& part, std::span<Product> products);
  /// Multiplies with the weights of a part; found_ get the results.
  void Run(const PackedWeights& weights, const float* x, int64_t x_stride, int64_t rows);
  void RunOut(const PackedOut& weights, const float* x, int64_t x_stride, int64_t rows,
              Product& product);
  /// The inputs apart of a list that is held or to be packed.
  std::span<const int32_t> ApartOf(const ProductPlan& plan, const MatrixKeys& mlp) const;
  /// What the host brings to a list with norms; whether the core can say all that comes of it.
  bool PackOut(const NormPlan& plan, const OutMlpCall& call, const PackedOut& out,
               const PackedGated& mlp);
  /// Down's results out of c.
  void HandOutDown(const GatedPlan& plan, const PackedGated& weights, float* y);
  /// write(row, first column, columns, y) for each row of each of found_.
  template <typename Write>
  void HandOut(const ProductPart& part, int64_t rows, const Write& write);
  /// A call of the array.
  void Count(const GemmConfig& config, uint64_t runs, int64_t macs, double seconds);
  /// Rounds the inputs of a part to bytes of one part, those that it sets apart as such; their
  /// factors.
  std::span<const float> SetInputs(const ProductPart& part, const ByteRows::Values& values);
  /// A of a gated product, packed; whether the core can say all that comes of it.
  bool PackGated(const GatedPlan& plan, const GatedCall& call, const PackedGated& weights,
                 std::span<std::byte> a);

  ArrayContext& ContextOf(const GemmConfig& config);
  /// At least so many bytes of the array's memory.
  ArrayBuffer& Grown(std::unique_ptr<ArrayBuffer>& buffer, int64_t bytes);
  void Configure(const GemmConfig& config);
  class Runner;

  Device device_;
  std::unique_ptr<ArrayBackend> backend_;  ///< Outlives what it made.
  int64_t parts_;                          ///< Rows of A for one of 8-bit activations.
  std::map<GemmType, std::unique_ptr<ArrayContext>> contexts_;
  ArrayAttention attention_;
  std::multimap<MatrixKey, std::unique_ptr<PackedWeights>> packed_;  ///< By their first matrix.
  std::map<MatrixKeys, std::unique_ptr<PackedGated>> gated_;
  std::map<MatrixKey, std::unique_ptr<PackedOut>> outs_;
  std::set<PartKey> held_;
  uint64_t bytes_ = 0;
  std::map<ShapeKey, Prepared> prepared_;
  std::map<std::pair<GemmType, std::vector<int64_t>>, PreparedGated> prepared_gated_;
  std::map<std::pair<GemmType, std::vector<int64_t>>, PreparedOut> prepared_out_;
  std::optional<GemmConfig> configured_;
  ArrayCounts counts_;
  // Of the product at hand.
  std::vector<Product*> found_;
  std::unique_ptr<ArrayBuffer> a_, b_, c_;           ///< b_: of attention, and h.
  std::unique_ptr<ArrayBuffer> rooms_, norm_b_, x_;  ///< Of products with norms behind.
  ByteRows bytes_of_rows_;
  std::vector<uint16_t> halves_;
  std::vector<float> results_;
};

}  // namespace tandem::npu
