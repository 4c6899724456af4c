// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products that leave out inputs which are zero, from a copy of the weights that lies by inputs
// (NeuronWeights). Compiled once per instruction set, with TANDEM_ISA naming the namespace; uses
// nothing of the standard library that the linker could merge across levels.
//
// What is left out would have added an integer zero to its group, or zero to the total, so the bits
// are those of MultiplyInt8.
#include "devices/cpu/int8_products.h"
#include "devices/cpu/isa_tables.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

/// Registers that hold a panel's rows.
constexpr int kParts = kPanelRows / kRows;
// With nibbles the first half of a panel are the low ones.
static_assert(kParts % 2 == 0);

/// Groups of live neurons that are asked for ahead: enough work to cover the memory's latency.
constexpr int kAhead = 2;

// A block of 32 rows, unpacked.
template <typename Format>
struct UnpackedBlock {
  static constexpr int kCells = Format::kColumns / 4, kGroups = Format::kColumns / Format::kGroup;

  alignas(64) uint8_t bytes[kCells][kParts][4 * kRows];
  alignas(64) float scale[kGroups][kPanelRows];
  alignas(64) float min[kGroups][kPanelRows];
};

// A sink that writes kRows rows of it.
template <typename Format>
struct PartWriter {
  UnpackedBlock<Format>& block;
  int part;

  __attribute__((always_inline)) void Put(int cell, RowBytes v) {
    __builtin_memcpy(block.bytes[cell][part], &v, sizeof v);
  }
  __attribute__((always_inline)) void Scale(int group, RowFloats value) {
    StoreRows(value, block.scale[group] + kRows * part);
  }
  __attribute__((always_inline)) void Min(int group, RowFloats value) {
    StoreRows(value, block.min[group] + kRows * part);
  }
};

bool AllFinite(const float (&row)[kPanelRows]) {
  uint32_t wrong = 0;
  for (const float value : row) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, 4);
    wrong |= static_cast<uint32_t>((bits & 0x7f800000u) == 0x7f800000u);
  }
  return wrong == 0;
}

template <typename Format, DType kType>
struct Neurons {
  static constexpr NeuronFormat kFormat = NeuronFormatOf(kType);
  static constexpr int64_t kCellBytes = kFormat.CellBytes();
  static constexpr int64_t kScaleBytes = kFormat.ScaleBytes();
  static_assert(kFormat.group == Format::kGroup && kFormat.min == Format::kMin);

  TANDEM_LANES std::byte* Cell(const NeuronWeights& w, int64_t four, int64_t panel) {
    return w.codes + (four * w.panels + panel) * kCellBytes;
  }
  TANDEM_LANES std::byte* Scales(const NeuronWeights& w, int64_t group, int64_t panel) {
    return w.scales + (group * w.panels + panel) * kPanelRows * kScaleBytes;
  }
  TANDEM_LANES float* Mins(const NeuronWeights& w, int64_t group, int64_t panel) {
    return w.mins + (group * w.panels + panel) * kPanelRows;
  }

  static bool Pack(const WeightView& w, int64_t panel, const NeuronWeights& to) {
    UnpackedBlock<Format> block;
    std::byte stored[kPanelRows][Format::kBytes];
    Heads<Format> heads;
    bool finite = true;
    for (int64_t b = 0; b < w.cols / Format::kColumns; ++b) {
      for (int r = 0; r < kPanelRows; ++r) {
        const int64_t row = panel * kPanelRows + r;
        __builtin_memcpy(stored[r],
                         w.data +
                             static_cast<size_t>(row < w.rows ? row : w.rows - 1) * w.row_stride +
                             static_cast<size_t>(b) * Format::kBytes,
                         Format::kBytes);
      }
      for (int part = 0; part < kParts; ++part) {
        const Rows rows = Rows::At(stored[part * kRows], Format::kBytes);
        Heads<Format>::Fetch(rows, 0, 1, heads);
        PartWriter<Format> writer{block, part};
        Format::Unpack(rows, heads, 0, writer);
      }
      for (int cell = 0; cell < block.kCells; ++cell) {
        std::byte* target = Cell(to, b * block.kCells + cell, panel);
        uint8_t bytes[4 * kPanelRows];
        __builtin_memcpy(bytes, block.bytes[cell], sizeof bytes);
        if constexpr (kFormat.nibbles) {
          for (int i = 0; i < 2 * kPanelRows; ++i) {
            bytes[i] = static_cast<uint8_t>(bytes[i] | bytes[2 * kPanelRows + i] << 4);
          }
        }
        __builtin_memcpy(target, bytes, static_cast<size_t>(kCellBytes));
      }
      for (int g = 0; g < block.kGroups; ++g) {
        const int64_t group = b * block.kGroups + g;
        std::byte* target = Scales(to, group, panel);
        finite = finite && AllFinite(block.scale[g]);
        if constexpr (kFormat.halves) {
          uint16_t scales[kPanelRows];
          for (int r = 0; r < kPanelRows; r += kRows) {
            StoreRowHalves(LoadRows(block.scale[g] + r), scales + r);
          }
          __builtin_memcpy(target, scales, sizeof scales);
        } else {
          __builtin_memcpy(target, block.scale[g], sizeof block.scale[g]);
        }
        if constexpr (kFormat.min) {
          finite = finite && AllFinite(block.min[g]);
          __builtin_memcpy(Mins(to, group, panel), block.min[g], sizeof block.min[g]);
        }
      }
    }
    return finite;
  }

  TANDEM_LANES RowFloats LoadScales(const std::byte* scales, int part) {
    const std::byte* from = scales + part * kRows * kScaleBytes;
    if constexpr (kFormat.halves) {
      return LoadRowHalves(reinterpret_cast<const uint16_t*>(from));
    } else {
      return LoadRows(reinterpret_cast<const float*>(from));
    }
  }
  // The four inputs' codes for the rows of a part.
  TANDEM_LANES RowBytes LoadCodes(const std::byte* cell, int part) {
    RowBytes codes;
    const int at = part * static_cast<int>(sizeof codes);
    __builtin_memcpy(&codes, cell + (kFormat.nibbles ? at % 64 : at), sizeof codes);
    if constexpr (kFormat.nibbles) codes = (RowBytes)Bits((RowWords)codes, at / 64 * 4, 15);
    return codes;
  }

  TANDEM_LANES void Prefetch(const NeuronWeights& w, const LiveInputs& x, const LiveGroup& group,
                             int64_t panel) {
    for (int q = group.first; q < group.end; ++q) {
      const std::byte* cell = Cell(w, x.fours[q].index, panel);
      for (int64_t i = 0; i < kCellBytes; i += 64) __builtin_prefetch(cell + i, 0, 2);
    }
    const std::byte* scales = Scales(w, group.index, panel);
    for (int64_t i = 0; i < kPanelRows * kScaleBytes; i += 64) {
      __builtin_prefetch(scales + i, 0, 2);
    }
    if constexpr (kFormat.min) {
      const auto* mins = reinterpret_cast<const std::byte*>(Mins(w, group.index, panel));
      for (int64_t i = 0; i < kPanelRows * 4; i += 64) __builtin_prefetch(mins + i, 0, 2);
    }
  }

  static void Multiply(const NeuronWeights& w, const LiveInputs& x, int64_t begin, int64_t end,
                       float* y) {
    using B = Bytes<Format, false>;
    __builtin_memset(y, 0, static_cast<size_t>(end - begin) * kPanelRows * sizeof *y);
    for (int64_t g = 0; g < x.group_count; ++g) {
      const LiveGroup& group = x.groups[g];
      for (int64_t panel = begin; panel < end; ++panel) {
        if (g + kAhead < x.group_count) Prefetch(w, x, x.groups[g + kAhead], panel);
        RowInts sum[kParts];
        for (RowInts& part : sum) part = B::FirstSum(group.x);
        for (int q = group.first; q < group.end; ++q) {
          const LiveFour& four = x.fours[q];
          const std::byte* cell = Cell(w, four.index, panel);
          for (int part = 0; part < kParts; ++part) {
            sum[part] = B::Add(sum[part], B::Prepare(LoadCodes(cell, part)), four.x);
          }
        }
        const std::byte* scales = Scales(w, group.index, panel);
        for (int part = 0; part < kParts; ++part) {
          float* total = y + (panel - begin) * kPanelRows + part * kRows;
          RowFloats min = {};
          if constexpr (kFormat.min) min = LoadRows(Mins(w, group.index, panel) + part * kRows);
          StoreRows(Join<Format::kMin>(LoadRows(total), B::LastSum(sum[part], group.x), group.x,
                                       LoadScales(scales, part), min),
                    total);
        }
      }
    }
  }
};

// f(Neurons<...>()) for weights of `type`, of which GroupOf is not 0.
template <typename Function>
TANDEM_LANES auto ForType(DType type, Function f) {
  switch (type) {
    case DType::kQ4_1: return f(Neurons<Q4_1Format, DType::kQ4_1>());
    case DType::kQ5_0: return f(Neurons<Q5_0Format, DType::kQ5_0>());
    case DType::kQ5_1: return f(Neurons<Q5_1Format, DType::kQ5_1>());
    case DType::kQ8_0: return f(Neurons<Q8_0Format, DType::kQ8_0>());
    case DType::kIQ4_NL: return f(Neurons<Iq4NlFormat, DType::kIQ4_NL>());
    case DType::kIQ4_XS: return f(Neurons<Iq4XsFormat, DType::kIQ4_XS>());
    case DType::kQ4_K: return f(Neurons<Q4KFormat, DType::kQ4_K>());
    case DType::kQ5_K: return f(Neurons<Q5KFormat, DType::kQ5_K>());
    case DType::kQ2_K: return f(Neurons<Q2KFormat, DType::kQ2_K>());
    case DType::kQ3_K: return f(Neurons<Q3KFormat, DType::kQ3_K>());
    case DType::kQ6_K: return f(Neurons<Q6KFormat, DType::kQ6_K>());
    default: return f(Neurons<Q4_0Format, DType::kQ4_0>());
  }
}

}  // namespace

bool PackNeurons(const WeightView& w, int64_t panel, const NeuronWeights& to) {
  return ForType(w.type, [&](auto neurons) { return neurons.Pack(w, panel, to); });
}

void MultiplyNeurons(const NeuronWeights& w, const LiveInputs& x, int64_t begin, int64_t end,
                     float* y) {
  ForType(w.type, [&](auto neurons) { neurons.Multiply(w, x, begin, end, y); });
}

}  // namespace tandem::cpu::TANDEM_ISA
