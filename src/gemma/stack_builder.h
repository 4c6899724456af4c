// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the Program builders of the family share: the ops that are the same sentence in each model.
// The order of operations is each builder's own.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "gemma/params.h"
#include "gemma/weights.h"
#include "program/program.h"

namespace tandem::gemma {

/// Which rows of a step a Program is for. Both give the same numbers for a wanted row.
enum class Rows {
  kAllWanted,   ///< Decode, verification, scoring: every row's logits.
  kSomeWanted,  ///< Prefill: the other rows only fill the caches, so they run the layers that own
                ///< keys and values, and of the last of these no more than its K and V.
};

class StackBuilder {
 protected:
  /// `name` is the model's; `params` must outlive this.
  StackBuilder(const std::string& name, const StackParams& params, Rows rows);

  LayerKind Kind(int layer) const { return stack_.kinds[static_cast<size_t>(layer)]; }
  /// Positions that a layer's attention looks back, 0 = all.
  int64_t Window(int layer) const { return Kind(layer) == LayerKind::kSliding ? stack_.window : 0; }
  RowSet FirstRows() const { return rows_ == Rows::kAllWanted ? RowSet::kWanted : RowSet::kAll; }

  template <typename Body>
  void Emit(RowSet rows, Body body, int layer = kNoId) {
    program_.ops.push_back({std::move(body), rows, layer});
  }
  /// A value of a row set; where a Program has both sets, those of the wanted rows are named so.
  ValueId Add(const char* name, RowSet rows, int64_t planes, int64_t width);
  /// A cache for the keys and values of `layer`.
  CacheId AddCache(int layer);

  /// x = the scaled embedding of each token.
  void Embed(RowSet rows, const WeightView& table, ValueId x);
  /// The projections of a layer: q unless it is kNoId, keys and values unless `cache` is.
  QkvProject Qkv(const BlockWeights& block, int layer, ValueId normed, ValueId q,
                 CacheId cache) const;
  void Mlp(RowSet rows, const BlockWeights& block, int layer, ValueId h, ValueId out,
           const float* sparsity_multiplier = nullptr);
  /// Final norm of x into `normed`, and the logits.
  void Head(RowSet rows, ValueId x, ValueId normed, std::span<const float> norm,
            const WeightView& table);
  /// The verified Program.
  Program Finish();

  const Rows rows_;
  Program program_;

 private:
  const StackParams& stack_;
};

}  // namespace tandem::gemma
