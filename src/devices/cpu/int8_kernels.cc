// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of quantised weights and 8-bit activations. Compiled once per instruction set, with
// TANDEM_ISA naming the namespace; uses nothing of the standard library that the linker could merge
// across levels.
//
// Sixteen weight rows go together, turned so that a register holds four neighbouring columns of
// each row: a lane then adds up one row, and scales are applied to lanes. One activation row is
// multiplied as the weights are taken apart, which happens in registers. For several, 256 columns
// of the weights are unpacked to memory first and stay in L1 while every activation row passes by.
// Both ways do the same arithmetic in the same order.
#include "devices/cpu/int8_products.h"
#include "devices/cpu/isa_tables.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// A sink that multiplies a block by one activation row.
template <typename Format>
struct BlockProducts {
  static constexpr int kGroups = Format::kColumns / Format::kGroup;
  using B = Bytes<Format, false>;

  const int8_t* x;  ///< Of the block's first column.
  Ints16 sum[kGroups];
  Floats16 scale[kGroups];
  Floats16 min[kGroups];

  TANDEM_LANES void Start(BlockProducts& p, const Int8Group* groups) {
    ForEach<kGroups>([&](auto g) __attribute__((always_inline)) {
      p.sum[g.value] = B::FirstSum(groups[g.value]);
    });
  }
  __attribute__((always_inline)) void Put(int cell, Bytes64 v) {
    const int group = cell / (Format::kGroup / 4);
    sum[group] = B::Add(sum[group], B::Prepare(v), FourBytes(x + 4 * cell));
  }
  __attribute__((always_inline)) void Scale(int group, Floats16 value) { scale[group] = value; }
  __attribute__((always_inline)) void Min(int group, Floats16 value) { min[group] = value; }
};

/// Columns that are unpacked to memory at a time: the super-block of the K types.
constexpr int kUnitColumns = 256;

// Up to 256 columns of sixteen rows, unpacked.
struct Unit {
  alignas(64) uint8_t bytes[kUnitColumns / 4][kRows][4];  ///< By four columns, then by row.
  alignas(64) float scale[kUnitColumns / 16][kRows];      ///< By group.
  alignas(64) float min[kUnitColumns / 16][kRows];
};

// A sink that writes a block to a unit.
template <typename Format>
struct BlockWriter {
  Unit& unit;
  int cell;   ///< First of the block.
  int group;  ///< First of the block.

  __attribute__((always_inline)) void Put(int at, Bytes64 v) {
    v = Bytes<Format, true>::Prepare(v);
    __builtin_memcpy(unit.bytes[cell + at], &v, 64);
  }
  __attribute__((always_inline)) void Scale(int at, Floats16 value) {
    StoreFloats(value, unit.scale[group + at]);
  }
  __attribute__((always_inline)) void Min(int at, Floats16 value) {
    StoreFloats(value, unit.min[group + at]);
  }
};

// One unit for T activation rows of a tile. x and groups point at the unit's first column of the
// first row; y [T, kRows] with rows of a panel between.
template <int T, typename Format>
TANDEM_LANES void Tile(const Unit& unit, int columns, const int8_t* x, const Int8Group* groups,
                       float* y) {
  constexpr int kGroup = Format::kGroup;
  using B = Bytes<Format, true>;
  Floats16 total[T];
  for (int t = 0; t < T; ++t) total[t] = LoadFloats(y + t * kPanelRows);
  for (int g = 0; g < columns / kGroup; ++g, groups += kTileRows) {
    Ints16 sum[T];
    for (int t = 0; t < T; ++t) sum[t] = B::FirstSum(groups[t]);
    for (int j = 0; j < kGroup / 4; ++j, x += 4 * kTileRows) {
      Bytes64 w;
      __builtin_memcpy(&w, unit.bytes[g * kGroup / 4 + j], 64);
      for (int t = 0; t < T; ++t) sum[t] = B::Add(sum[t], w, FourBytes(x + 4 * t));
    }
    const Floats16 scale = LoadFloats(unit.scale[g]), min = LoadFloats(unit.min[g]);
    for (int t = 0; t < T; ++t) {
      total[t] = Join<Format::kMin>(total[t], sum[t], groups[t], scale, min);
    }
  }
  for (int t = 0; t < T; ++t) StoreFloats(total[t], y + t * kPanelRows);
}

// Sixteen weight rows, and where the next sixteen lie, to be asked for in time.
struct Panel {
  const std::byte* rows[kRows];
  const std::byte* next;  ///< nullptr when it is not known.

  Panel(const WeightView& w, const int64_t* index, int count) {
    for (int r = 0; r < kRows; ++r) {
      rows[r] = w.data + static_cast<size_t>(index[r < count ? r : count - 1]) * w.row_stride;
    }
    const bool run = index[count - 1] - index[0] == count - 1;
    next = run ? rows[0] + kRows * w.row_stride : nullptr;
  }
  // The share of the next rows that belongs to `bytes` bytes of each row at `at`.
  __attribute__((always_inline)) void Prefetch(size_t at, size_t bytes) const {
    if (next == nullptr) return;
    const std::byte* from = next + kRows * at;
    for (size_t i = 0; i < kRows * bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
  }
};

template <typename Format>
void MultiplyOne(const Panel& panel, const Int8Rows& x, float (&out)[kRows]) {
  constexpr int kGroups = Format::kColumns / Format::kGroup;
  Floats16 total = {};
  const int64_t blocks = x.cols / Format::kColumns;
  for (int64_t b = 0; b < blocks; ++b) {
    const size_t at = static_cast<size_t>(b) * Format::kBytes;
    panel.Prefetch(at, Format::kBytes);
    const Int8Group* groups = x.groups + b * kGroups;
    BlockProducts<Format> products;
    products.x = x.q + b * Format::kColumns;
    BlockProducts<Format>::Start(products, groups);
    Format::Unpack(panel.rows, at, products);
    ForEach<kGroups>([&](auto g) __attribute__((always_inline)) {
      total = Join<Format::kMin>(total, products.sum[g.value], groups[g.value],
                                 products.scale[g.value], products.min[g.value]);
    });
  }
  StoreFloats(total, out);
}

// Activation rows that pass by an unpacked unit: their sums stay near.
constexpr int64_t kBatch = 128;
static_assert(kBatch % kTileRows == 0);

// Rows of a tile that share a loaded weight register. Eight sums, eight totals and the rest fit 32
// registers.
#if defined(__AVX512F__)
constexpr int kTogether = 8;
#else
constexpr int kTogether = 2;
#endif

template <typename Format>
TANDEM_LANES void UnpackUnit(const Panel& panel, int64_t column, int columns, bool prefetch,
                             Unit& unit) {
  for (int c = 0; c < columns; c += Format::kColumns) {
    const size_t at = static_cast<size_t>((column + c) / Format::kColumns) * Format::kBytes;
    if (prefetch) panel.Prefetch(at, Format::kBytes);
    BlockWriter<Format> writer{unit, c / 4, c / Format::kGroup};
    Format::Unpack(panel.rows, at, writer);
  }
}

// Rows [first, first + batch) of x, where first begins a tile: sums [batch, kPanelRows]. The
// columns of a tile are read from memory once for both panels.
template <typename Format>
void MultiplyBatch(const Panel* panels, int panel_count, const Int8Rows& x, int64_t first,
                   int64_t batch, float (&sums)[kBatch][kPanelRows]) {
  Unit units[kPanelRows / kRows];
  __builtin_memset(sums, 0, static_cast<size_t>(batch) * sizeof sums[0]);
  for (int64_t column = 0; column < x.cols; column += kUnitColumns) {
    const int64_t left = x.cols - column;
    const int columns = static_cast<int>(left < kUnitColumns ? left : kUnitColumns);
    for (int p = 0; p < panel_count; ++p) {
      UnpackUnit<Format>(panels[p], column, columns, first == 0 && p + 1 == panel_count, units[p]);
    }
    for (int64_t t = 0; t < batch; t += kTileRows) {
      const int64_t tile = (first + t) / kTileRows * kTileRows;
      const int8_t* q = x.q + tile * x.cols + column * kTileRows;
      const Int8Group* groups =
          x.groups + tile * (x.cols / Format::kGroup) + column / Format::kGroup * kTileRows;
      const int rows = static_cast<int>(batch - t < kTileRows ? batch - t : kTileRows);
      for (int p = 0; p < panel_count; ++p) {
        int row = 0;
        const auto some = [&](auto together) __attribute__((always_inline)) {
          for (; row + together.value <= rows; row += together.value) {
            Tile<together.value, Format>(units[p], columns, q + 4 * row, groups + row,
                                         sums[t + row] + kRows * p);
          }
        };
        some(Index<kTogether>());
        if constexpr (kTogether > 4) some(Index<4>());
        if constexpr (kTogether > 2) some(Index<2>());
        some(Index<1>());
      }
    }
  }
}

template <typename Format>
void Multiply(const WeightView& w, const int64_t* index, int count, const Int8Rows& x, float* y,
              int64_t y_stride) {
  const int split = count < kRows ? count : kRows;
  const Panel panels[2] = {Panel(w, index, split), Panel(w, index + count - split, split)};
  const int panel_count = count > kRows ? 2 : 1;
  if (x.tile == 1) {
    alignas(64) float out[kRows];
    MultiplyOne<Format>(panels[0], x, out);
    StoreRow(out, split, y);
    if (panel_count == 1) return;
    MultiplyOne<Format>(panels[1], x, out);
    StoreRow(out, split, y + count - split);
    return;
  }
  alignas(64) float sums[kBatch][kPanelRows];
  for (int64_t first = 0; first < x.rows; first += kBatch) {
    const int64_t batch = x.rows - first < kBatch ? x.rows - first : kBatch;
    MultiplyBatch<Format>(panels, panel_count, x, first, batch, sums);
    for (int64_t t = 0; t < batch; ++t) {
      float* target = y + (first + t) * y_stride;
      StoreRow(sums[t], split, target);
      if (panel_count == 2) StoreRow(sums[t] + kRows, split, target + count - split);
    }
  }
}

}  // namespace

int GroupOf(DType type) {
  switch (type) {
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ8_0:
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS: return 32;
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kQ6_K: return 16;
    default: return 0;
  }
}

void MultiplyInt8(const WeightView& w, const int64_t* index, int count, const Int8Rows& x, float* y,
                  int64_t y_stride) {
  switch (w.type) {
    case DType::kQ4_0: return Multiply<Q4_0Format>(w, index, count, x, y, y_stride);
    case DType::kQ4_1: return Multiply<Q4_1Format>(w, index, count, x, y, y_stride);
    case DType::kQ5_0: return Multiply<Q5_0Format>(w, index, count, x, y, y_stride);
    case DType::kQ5_1: return Multiply<Q5_1Format>(w, index, count, x, y, y_stride);
    case DType::kQ8_0: return Multiply<Q8_0Format>(w, index, count, x, y, y_stride);
    case DType::kIQ4_NL: return Multiply<Iq4NlFormat>(w, index, count, x, y, y_stride);
    case DType::kIQ4_XS: return Multiply<Iq4XsFormat>(w, index, count, x, y, y_stride);
    case DType::kQ4_K: return Multiply<Q4KFormat>(w, index, count, x, y, y_stride);
    case DType::kQ5_K: return Multiply<Q5KFormat>(w, index, count, x, y, y_stride);
    case DType::kQ2_K: return Multiply<Q2KFormat>(w, index, count, x, y, y_stride);
    case DType::kQ3_K: return Multiply<Q3KFormat>(w, index, count, x, y, y_stride);
    case DType::kQ6_K: return Multiply<Q6KFormat>(w, index, count, x, y, y_stride);
    default: return;
  }
}

void Quantize(const float* x, int64_t cols, int group, int tile, int8_t* q, Int8Group* groups) {
  using Bytes16 = int8_t __attribute__((vector_size(16)));
  using Words4 = uint32_t __attribute__((vector_size(16)));
  const Floats16 magic = Splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  for (int64_t c = 0; c < cols; c += 32, groups += 32 / group * tile, q += 32 * tile) {
    Floats16 v[2] = {LoadFloats(x + c), LoadFloats(x + c + 16)};
    // Bits of numbers without their sign are ordered as the numbers are; infinities and NaN follow.
    const Ints16 bits[2] = {(Ints16)v[0] & 0x7fffffff, (Ints16)v[1] & 0x7fffffff};
    const auto larger = [](Ints16 a, Ints16 b) __attribute__((always_inline)) {
      return a > b ? a : b;
    };
    const int32_t most = JoinLanes(larger(bits[0], bits[1]), larger);
    float highest;
    __builtin_memcpy(&highest, &most, 4);
    const bool finite = most < 0x7f800000;
    // Rows that hold nothing, or no number, are zeros: below 1e-30 the inverse could overflow.
    const bool zeros = !finite || highest < 1e-30f;
    const float scale = finite ? highest / 127.0f : __builtin_nanf("");
    const float inverse = zeros ? 0.0f : 127.0f / highest;
    int32_t sums[2];
    for (int half = 0; half < 2; ++half) {
      if (zeros) v[half] = Floats16{};
      const Ints16 whole =
          __builtin_convertvector((v[half] * Splat(inverse) + magic) - magic, Ints16);
      const Bytes16 bytes = __builtin_convertvector(whole, Bytes16);
      if (tile == 1) {
        __builtin_memcpy(q + 16 * half, &bytes, 16);
      } else {
        const Words4 fours = (Words4)bytes;
        for (int j = 0; j < 4; ++j) {
          const uint32_t four = fours[j];
          __builtin_memcpy(q + (4 * half + j) * 4 * tile, &four, 4);
        }
      }
      sums[half] = SumLanes(whole);
    }
    if (group == 32) {
      const int32_t sum = sums[0] + sums[1];
      groups[0] = {scale, scale * static_cast<float>(sum), -128 * sum};
    } else {
      for (int half = 0; half < 2; ++half) {
        groups[half * tile] = {scale, scale * static_cast<float>(sums[half]), -128 * sums[half]};
      }
    }
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
