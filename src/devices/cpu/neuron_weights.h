// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights by inputs. The `down` matrix of a sparse feed-forward layer meets activations of which
// nineteen in twenty are zero: stored by output rows, as files have it, all of it must be read;
// stored by inputs, what belongs to dead neurons need not be. The numbers are the file's own, codes
// and scales, so that products are the same bits.
//
// Four inputs go together, which is what an instruction multiplies: one live neuron brings three
// others along.
#pragma once

#include <cstddef>
#include <cstdint>

#include "devices/cpu/isa_kernels.h"
#include "formats/weight_view.h"

namespace tandem::cpu {

/// How the codes and scales of a type are kept.
struct NeuronFormat {
  int group = 32;       ///< Inputs with one scale.
  bool nibbles = true;  ///< Codes below 16: the second sixteen rows of a panel are the high ones.
  bool halves = true;   ///< Scales are IEEE halves as in the file; otherwise floats.
  bool min = false;     ///< Whether there are minimums, floats.

  /// Of four inputs and a panel's rows.
  constexpr int64_t CellBytes() const { return nibbles ? 64 : 128; }
  constexpr int64_t ScaleBytes() const { return halves ? 2 : 4; }
};

/// Of a type that has 8-bit products.
constexpr NeuronFormat NeuronFormatOf(DType type) {
  switch (type) {
    case DType::kQ4_1: return {32, true, true, true};
    case DType::kQ5_0: return {32, false, true, false};
    case DType::kQ5_1: return {32, false, true, true};
    case DType::kQ8_0:
    case DType::kIQ4_NL: return {32, false, true, false};
    case DType::kIQ4_XS: return {32, false, false, false};
    case DType::kQ4_K: return {32, true, false, true};
    case DType::kQ5_K: return {32, false, false, true};
    case DType::kQ2_K: return {16, true, false, true};
    case DType::kQ3_K: return {16, true, false, false};
    case DType::kQ6_K: return {16, false, false, false};
    default: return {};
  }
}

/// Rows are padded to whole panels. Owned by NeuronMajor (neuron_major.h).
///   codes  [cols / 4, panels, CellBytes]
///   scales [cols / group, panels, kPanelRows]
///   mins   the same, or null
struct NeuronWeights {
  DType type = DType::kQ4_0;
  int64_t cols = 0;
  int64_t panels = 0;
  std::byte* codes = nullptr;
  std::byte* scales = nullptr;
  float* mins = nullptr;
};

/// Four neighbouring inputs that are not all zero, in 8 bits.
struct LiveFour {
  int32_t index;
  int32_t x;
};

/// A group that has some: fours [first, end) of LiveInputs.
struct LiveGroup {
  int32_t index;
  int32_t first;
  int32_t end;
  Int8Group x;
};

/// What is not zero of one activation row, in order.
struct LiveInputs {
  const LiveGroup* groups = nullptr;
  int64_t group_count = 0;
  const LiveFour* fours = nullptr;
};

}  // namespace tandem::cpu
