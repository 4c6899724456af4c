// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A Program is one model's forward pass as an ordered list of ops over named values. It is built
// once per model by a model folder, placed on devices, and never changed after that: any number of
// threads may read it. It owns neither weights nor buffers.
//
// Values are registers: a name is written again in the next layer, and ops run in program order.
// A step runs the ops for its rows; rows come in two sets. Ops of RowSet::kWanted run for the rows
// whose logits are asked for, which makes a prompt cheap: nothing after the last layer that owns
// keys and values runs for the other tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "program/op.h"

namespace tandem {

/// A float32 activation buffer [planes, rows of its set, width].
struct Value {
  std::string name;
  RowSet rows = RowSet::kAll;
  int64_t planes = 1;
  int64_t width = 0;
};

/// Keys and values of one layer that owns them: each position has [kv_heads, head_dim] of both, K
/// after norm and RoPE, V after its norm.
struct CacheTensor {
  std::string name;
  int layer = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int64_t window = 0;  ///< Positions an attention over it may look back, itself included; 0 = all.

  /// Elements of K (or V) per position.
  int64_t width() const { return static_cast<int64_t>(kv_heads) * head_dim; }
};

struct Program {
  std::string name;
  std::vector<Value> values;
  std::vector<CacheTensor> caches;
  std::vector<Op> ops;
  ValueId logits = kNoId;  ///< [1, wanted rows, V]
  int64_t vocab_rows = 0;  ///< V

  ValueId AddValue(std::string value_name, RowSet rows, int64_t planes, int64_t width);
};

/// Checks what devices rely on: ids in range, values written before they are read and of the row
/// set the op runs for, shapes of values, matrices and norms that agree, caches written before they
/// are read. Throws Error kInternal that names the op.
void Verify(const Program& program);

/// One line per op, for people: index, rows, layer, name, values with shapes, bytes of weights.
std::string Print(const Program& program);

/// Bytes of matrices that one decoded token streams from memory (embedding look-ups left out).
uint64_t MatrixBytesPerToken(const Program& program);

}  // namespace tandem
