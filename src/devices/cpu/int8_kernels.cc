// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of quantised weights and 8-bit activations. Compiled once per instruction set, with
// TANDEM_ISA naming the namespace; uses nothing of the standard library that the linker could merge
// across levels.
//
// The rows of a register go together, turned so that it holds four neighbouring columns of each
// row: a lane then adds up one row, and scales are applied to lanes. Few activation rows are
// multiplied as the weights are taken apart, which happens in registers. For more, 256 columns of
// the weights are unpacked to memory first and stay in L1 while every activation row passes by.
// Both ways do the same arithmetic in the same order.
#include "devices/cpu/int8_products.h"
#include "devices/cpu/isa_tables.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// A sink that multiplies a block by T activation rows: one that lies by itself, or the first of a
// tile.
template <int T, typename Format>
struct BlockProducts {
  static constexpr int kGroups = Format::kColumns / Format::kGroup;
  /// From one activation row's column, or group, to its next.
  static constexpr int kStride = T == 1 ? 1 : kTileRows;
  /// Sums of one group, so that one product need not wait for the one before.
  static constexpr int kChains = T == 1 ? 2 : 1;
  using B = Bytes<Format, false>;

  const int8_t* x;          ///< Of the block's first column.
  const Int8Group* groups;  ///< Of the block's first group.
  RowInts sum[kGroups][T][kChains];
  RowFloats scale[kGroups];
  RowFloats min[kGroups];

  __attribute__((always_inline)) void Start() {
    ForEach<kGroups>([&](auto g) __attribute__((always_inline)) {
      for (int t = 0; t < T; ++t) {
        sum[g.value][t][0] = B::FirstSum(groups[g.value * kStride + t]);
        if constexpr (kChains == 2) sum[g.value][t][1] = RowInts{};
      }
    });
  }
  __attribute__((always_inline)) void Put(int cell, RowBytes v) {
    v = B::Prepare(v);
    for (int t = 0; t < T; ++t) {
      RowInts& chain = sum[cell / (Format::kGroup / 4)][t][cell % kChains];
      chain = B::Add(chain, v, FourBytes(x + 4 * (cell * kStride + t)));
    }
  }
  __attribute__((always_inline)) void Scale(int group, RowFloats value) { scale[group] = value; }
  __attribute__((always_inline)) void Min(int group, RowFloats value) { min[group] = value; }
  __attribute__((always_inline)) void JoinTo(RowFloats (&total)[T]) const {
    ForEach<kGroups>([&](auto g) __attribute__((always_inline)) {
      for (int t = 0; t < T; ++t) {
        const RowInts(&chains)[kChains] = sum[g.value][t];
        const RowInts all = kChains == 1 ? chains[0] : B::AddChains(chains[0], chains[kChains - 1]);
        const Int8Group& group = groups[g.value * kStride + t];
        total[t] = Join<Format::kMin>(total[t], B::LastSum(all, group), group, scale[g.value],
                                      min[g.value]);
      }
    });
  }
};

// Up to kUnitColumns columns of a panel, unpacked.
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

  __attribute__((always_inline)) void Put(int at, RowBytes v) {
    v = Bytes<Format, true>::Prepare(v);
    __builtin_memcpy(unit.bytes[cell + at], &v, sizeof v);
  }
  __attribute__((always_inline)) void Scale(int at, RowFloats value) {
    StoreRows(value, unit.scale[group + at]);
  }
  __attribute__((always_inline)) void Min(int at, RowFloats value) {
    StoreRows(value, unit.min[group + at]);
  }
};

// Units of P panels for T activation rows of a tile. x and groups point at the units' first column
// of the first row; y [T, kPanelRows].
template <int T, int P, typename Format>
TANDEM_LANES void Tile(const Unit* units, int columns, const int8_t* x, const Int8Group* groups,
                       float* y) {
  constexpr int kGroup = Format::kGroup;
  using B = Bytes<Format, true>;
  RowFloats total[T][P];
  for (int t = 0; t < T; ++t) {
    for (int p = 0; p < P; ++p) total[t][p] = LoadRows(y + t * kPanelRows + p * kRows);
  }
  for (int g = 0; g < columns / kGroup; ++g, groups += kTileRows) {
    RowInts sum[T][P];
    for (int t = 0; t < T; ++t) {
      for (int p = 0; p < P; ++p) sum[t][p] = B::FirstSum(groups[t]);
    }
    for (int j = 0; j < kGroup / 4; ++j, x += 4 * kTileRows) {
      RowBytes w[P];
      for (int p = 0; p < P; ++p) {
        __builtin_memcpy(&w[p], units[p].bytes[g * kGroup / 4 + j], sizeof w[p]);
      }
      for (int t = 0; t < T; ++t) {
        const int32_t four = FourBytes(x + 4 * t);
        for (int p = 0; p < P; ++p) sum[t][p] = B::Add(sum[t][p], w[p], four);
      }
    }
    for (int p = 0; p < P; ++p) {
      const RowFloats scale = LoadRows(units[p].scale[g]), min = LoadRows(units[p].min[g]);
      for (int t = 0; t < T; ++t) {
        total[t][p] = Join<Format::kMin>(total[t][p], B::LastSum(sum[t][p], groups[t]), groups[t],
                                         scale, min);
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int p = 0; p < P; ++p) StoreRows(total[t][p], y + t * kPanelRows + p * kRows);
  }
}

// kRows weight rows.
class Panel {
 public:
  Panel() = default;
  Panel(const WeightView& w, const int64_t* index, int count)
      : data_(w.data), stride_(w.row_stride), index_(index), count_(count) {
    run_ = count == kRows && index[count - 1] - index[0] == count - 1;
  }

  // `bytes` bytes of each row from `at`. Rows without a constant distance, and too few of them, are
  // copied to `copy` first.
  struct Copy {
    static constexpr size_t kBytes = 320;  ///< Of kUnitColumns columns of any format, and more.
    std::byte rows[kRows][kBytes];
  };
  TANDEM_LANES Rows At(const Panel& panel, size_t at, size_t bytes, Copy& copy) {
    if (panel.run_) return Rows::At(panel.Row(0) + at, panel.stride_);
    for (int r = 0; r < kRows; ++r) {
      const std::byte* from = panel.Row(r < panel.count_ ? r : panel.count_ - 1) + at;
      __builtin_memcpy(copy.rows[r], from, bytes);
    }
    return Rows::At(copy.rows[0], Copy::kBytes);
  }
  // Of as many rows that follow `rows` further on, the share that belongs to `bytes` bytes of each
  // row at `at`. Nothing when it is not known which rows those are.
  __attribute__((always_inline)) void Prefetch(int rows, size_t at, size_t bytes) const {
    if (!run_) return;
    const std::byte* from = Row(0) + static_cast<size_t>(rows) * stride_ + kRows * at;
    // All the way: on Zen 5 into the second level alone is slower by 3 % (Q4_0) to 15 % (Q4_K,
    // Q6_K), on Intel the same.
    for (size_t i = 0; i < kRows * bytes; i += 64) __builtin_prefetch(from + i, 0, 3);
  }

 private:
  __attribute__((always_inline)) const std::byte* Row(int r) const {
    return data_ + static_cast<size_t>(index_[r]) * stride_;
  }

  const std::byte* data_ = nullptr;
  size_t stride_ = 0;
  const int64_t* index_ = nullptr;
  int count_ = 0;
  bool run_ = false;  ///< Whether there are kRows of them, one behind the other.
};

// The panels of up to kPanelRows weight rows.
struct Panels {
  static constexpr int kMost = kPanelRows / kRows;
  Panel panel[kMost];
  int first[kMost];  ///< Row of the result.
  int rows[kMost];
  int count = 0;

  Panels(const WeightView& w, const int64_t* index, int rows_of_w) {
    for (int from = 0; from < rows_of_w; from += kRows, ++count) {
      rows[count] = rows_of_w - from < kRows ? rows_of_w - from : kRows;
      first[count] = from;
      panel[count] = Panel(w, index + from, rows[count]);
    }
  }
};

// Where a column that begins a block is in its row.
template <typename Format>
constexpr size_t OffsetOf(int64_t column) {
  return static_cast<size_t>(column / Format::kColumns) * Format::kBytes;
}

// T activation rows, as BlockProducts has them.
template <int T, typename Format>
__attribute__((noinline)) void MultiplyFew(const Panel& panel, const Int8Rows& x,
                                           float (&out)[T][kRows]) {
  using Products = BlockProducts<T, Format>;
  static_assert(OffsetOf<Format>(kUnitColumns) <= Panel::Copy::kBytes);
  RowFloats total[T] = {};
  Products products;
  products.x = x.q;
  products.groups = x.groups;
  // Heads are fetched a unit ahead: a load soon after narrower stores would wait for them.
  Panel::Copy copies[2];
  Heads<Format> heads[2];
  const auto blocks_at = [&](int64_t column) __attribute__((always_inline)) {
    const int64_t left = x.cols - column;
    return static_cast<int>(left < kUnitColumns ? left : kUnitColumns) / Format::kColumns;
  };
  const auto rows_at = [&](int64_t column, int side) __attribute__((always_inline)) {
    return Panel::At(panel, OffsetOf<Format>(column),
                     static_cast<size_t>(blocks_at(column)) * Format::kBytes, copies[side]);
  };
  Rows rows = rows_at(0, 0);
  Heads<Format>::Fetch(rows, 0, blocks_at(0), heads[0]);
  int side = 0;
  for (int64_t column = 0; column < x.cols; column += kUnitColumns, side ^= 1) {
    const int blocks = blocks_at(column);
    const int64_t next_column = column + kUnitColumns;
    const int next_blocks = next_column < x.cols ? blocks_at(next_column) : 0;
    const Rows next_rows = next_blocks == 0 ? rows : rows_at(next_column, side ^ 1);
    const size_t at = OffsetOf<Format>(column);
    for (int b = 0; b < blocks; ++b) {
      panel.Prefetch(kRows, at + static_cast<size_t>(b) * Format::kBytes, Format::kBytes);
      products.Start();
      Format::Unpack(rows, heads[side], b, products);
      products.JoinTo(total);
      products.x += Format::kColumns * Products::kStride;
      products.groups += Products::kGroups * Products::kStride;
      if (b < next_blocks) Heads<Format>::Fetch(next_rows, b, b + 1, heads[side ^ 1]);
    }
    rows = next_rows;
  }
  for (int t = 0; t < T; ++t) StoreRows(total[t], out[t]);
}

template <int T, typename Format>
void MultiplyFew(const Panels& panels, const Int8Rows& x, float* y, int64_t y_stride) {
  alignas(64) float out[T][kRows];
  for (int p = 0; p < panels.count; ++p) {
    MultiplyFew<T, Format>(panels.panel[p], x, out);
    for (int64_t t = 0; t < x.rows; ++t) {
      StorePanel(out[t], panels.rows[p], y + t * y_stride + panels.first[p]);
    }
  }
}

// Activation rows that pass by an unpacked unit: their sums stay near.
constexpr int64_t kBatch = 128;
static_assert(kBatch % kTileRows == 0);

// Activation rows of a tile, and panels, that are multiplied together: sums, totals and the rest
// fit the registers, 32 of them or 16, and each loaded activation serves all panels.
#if defined(__AVX512F__)
constexpr int kTogether = 4, kPanelsTogether = 2;
#elif defined(__AVX2__)
constexpr int kTogether = 4, kPanelsTogether = 1;
#else
constexpr int kTogether = 2, kPanelsTogether = 1;
#endif

template <typename Format>
TANDEM_LANES void UnpackUnit(const Panel& panel, int64_t column, int columns, bool prefetch,
                             Unit& unit) {
  Panel::Copy copy;
  Heads<Format> heads;
  const size_t at = OffsetOf<Format>(column);
  const int blocks = columns / Format::kColumns;
  const Rows rows = Panel::At(panel, at, static_cast<size_t>(blocks) * Format::kBytes, copy);
  Heads<Format>::Fetch(rows, 0, blocks, heads);
  for (int b = 0; b < blocks; ++b) {
    if (prefetch)
      panel.Prefetch(kPanelRows, at + static_cast<size_t>(b) * Format::kBytes, Format::kBytes);
    BlockWriter<Format> writer{unit, b * Format::kColumns / 4,
                               b * Format::kColumns / Format::kGroup};
    Format::Unpack(rows, heads, b, writer);
  }
}

// Rows [begin, begin + batch) of x, where begin starts a tile: sums [batch, kPanelRows]. The
// columns of a tile are read from memory once for all panels.
template <typename Format>
void MultiplyBatch(const Panels& panels, const Int8Rows& x, int64_t begin, int64_t batch,
                   float (&sums)[kBatch][kPanelRows]) {
  Unit units[Panels::kMost];
  __builtin_memset(sums, 0, static_cast<size_t>(batch) * sizeof sums[0]);
  for (int64_t column = 0; column < x.cols; column += kUnitColumns) {
    const int64_t left = x.cols - column;
    const int columns = static_cast<int>(left < kUnitColumns ? left : kUnitColumns);
    for (int p = 0; p < panels.count; ++p) {
      UnpackUnit<Format>(panels.panel[p], column, columns, begin == 0, units[p]);
    }
    for (int64_t t = 0; t < batch; t += kTileRows) {
      const int64_t tile = (begin + t) / kTileRows * kTileRows;
      const int8_t* q = x.q + tile * x.cols + column * kTileRows;
      const Int8Group* groups =
          x.groups + tile * (x.cols / Format::kGroup) + column / Format::kGroup * kTileRows;
      const int rows = static_cast<int>(batch - t < kTileRows ? batch - t : kTileRows);
      const auto tiles = [&](int p, auto together) __attribute__((always_inline)) {
        int row = 0;
        const auto some = [&](auto count) __attribute__((always_inline)) {
          for (; row + count.value <= rows; row += count.value) {
            Tile<count.value, together.value, Format>(units + p, columns, q + 4 * row, groups + row,
                                                      sums[t + row] + kRows * p);
          }
        };
        some(Index<kTogether>());
        if constexpr (kTogether > 2) some(Index<2>());
        some(Index<1>());
      };
      int p = 0;
      for (; p + kPanelsTogether <= panels.count; p += kPanelsTogether) {
        tiles(p, Index<kPanelsTogether>());
      }
      if constexpr (kPanelsTogether > 1) {
        for (; p < panels.count; ++p) tiles(p, Index<1>());
      }
    }
  }
}

template <typename Format>
void Multiply(const WeightView& w, const int64_t* index, int count, const Int8Rows& x, float* y,
              int64_t y_stride) {
  const Panels panels(w, index, count);
  if (x.tile == 1) return MultiplyFew<1, Format>(panels, x, y, y_stride);
  if (x.rows <= 2) return MultiplyFew<2, Format>(panels, x, y, y_stride);
  if (x.rows <= 4) return MultiplyFew<4, Format>(panels, x, y, y_stride);
  alignas(64) float sums[kBatch][kPanelRows];
  for (int64_t begin = 0; begin < x.rows; begin += kBatch) {
    const int64_t batch = x.rows - begin < kBatch ? x.rows - begin : kBatch;
    MultiplyBatch<Format>(panels, x, begin, batch, sums);
    for (int64_t t = 0; t < batch; ++t) {
      for (int p = 0; p < panels.count; ++p) {
        StorePanel(sums[t] + kRows * p, panels.rows[p],
                   y + (begin + t) * y_stride + panels.first[p]);
      }
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
