// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of what lies between the runs of a list where a number of each row is needed
// (row_tile.h): RMSNorm with what is added in front of it, and the cut of sparse gates. The same
// source is for AIE compilers and for this machine, like gemm_kernels.h.
//
// No core has all of a row. So each sums its own 64 columns; all read the sums of all; and where a
// row lacks no more than a factor, the next run's products do without it, and their results get it.
#pragma once

#include <cstdint>

#include "devices/npu/kernels/aie.h"
#include "devices/npu/kernels/gated_kernels.h"
#include "devices/npu/kernels/row_tile.h"

namespace tandem::npu::kernels {

/// The sums of each eight lanes, in the first of them.
inline void StoreRowTotals(const FloatSums& sums, float* rows) {
  const auto lanes = sums.to_vector<float>();
  for (unsigned part = 0; part < 2; ++part) {
    Floats half = lanes.extract<16>(part);
    for (const unsigned by : {4U, 2U, 1U})
      half = aie::add(half, aie::shuffle_down_rotate(half, by));
    rows[2 * part] = half[0];
    rows[2 * part + 1] = half[8];
  }
}

/// A number for each of four rows, eight times.
inline FloatSums OfFourRows(const float* four) {
  const auto eight = [&](int row) { return aie::broadcast<float, 8>(four[row]); };
  return FloatSums(aie::concat(eight(0), eight(1), eight(2), eight(3)));
}

/// Eight columns' numbers, for each of four rows.
inline Brains ColumnsOf(const uint16_t* columns, int block) {
  const auto eight = aie::load_v<8>(reinterpret_cast<const bfloat16*>(columns) + 8 * block);
  return aie::concat(eight, eight, eight, eight);
}

inline Brains LoadRows(const uint16_t* values, int at) {
  return aie::load_v<kGatedLanes>(reinterpret_cast<const bfloat16*>(values) + at);
}

inline void StartSums(RowSums* own, int rows) {
  own->header = ActivationTileHeader();
  own->header.rows = kIsRowSums;
  own->header.rows_of_others = static_cast<uint32_t>(rows);
}

/// Results in bfloat16 leave as a tile of rows; `kind`: the first word of its header.
template <int R>
void LeaveRows(const bfloat16* values, int rows, uint32_t kind, RowTile* out) {
  SetModes();
  out->header = ActivationTileHeader();
  out->header.rows = kind;
  out->header.rows_of_others = static_cast<uint32_t>(rows);
  StartSums(&out->own, rows);
  const Brains ones = aie::broadcast<bfloat16, kGatedLanes>(bfloat16(1.0F));
  FloatSums squares;
  FloatSums sums;
  ForRowGroups<R>(
      rows, [&](int /*row*/) { squares = sums = FloatSums(aie::zeros<float, kGatedLanes>()); },
      [&](int at, int /*block*/) {
        const Brains value = aie::load_v<kGatedLanes>(values + at);
        aie::store_v(reinterpret_cast<bfloat16*>(out->values) + at, value);
        squares = aie::mac(squares, value, value);
        sums = aie::mac(sums, value, ones);
      },
      [&](int row) {
        StoreRowTotals(squares, out->own.squares + row);
        StoreRowTotals(sums, out->own.sums + row);
      });
}

/// Adds up the sums in a tile of A; after the last one there is a number for each row: of a norm
/// 1 / sqrt(mean square + epsilon), of a cut mean + addend x deviation.
inline void AddRowSums(const uint8_t* a, const RowSumHeader& header, RowFactors* factors) {
  SetModes();
  const bool cuts = (header.flags & kCuts) != 0;
  const auto most = static_cast<uint32_t>(cuts ? kSumsOfTile : kSquaresOfTile);
  const auto tiles = static_cast<int>(header.tiles < most ? header.tiles : most);
  const int stride = cuts ? 2 * kTileM : kTileM;
  const auto* const values = reinterpret_cast<const float*>(a + kActivationHeaderBytes);
  constexpr int kLanes = 16;
  for (int row = 0; row < kTileM; row += kLanes) {
    const bool first = (header.flags & kFirstRowSums) != 0;
    Floats squares =
        first ? aie::zeros<float, kLanes>() : aie::load_v<kLanes>(factors->squares + row);
    Floats sums = first ? aie::zeros<float, kLanes>() : aie::load_v<kLanes>(factors->sums + row);
    for (int tile = 0; tile < tiles; ++tile) {
      const float* const at = values + tile * stride + row;
      squares = aie::add(squares, aie::load_v<kLanes>(at));
      if (cuts) sums = aie::add(sums, aie::load_v<kLanes>(at + kTileM));
    }
    if ((header.flags & kLastRowSums) != 0) {
      const auto all = [](float value) { return aie::broadcast<float, kLanes>(value); };
      const auto times = [](const Floats& x, const Floats& y) {
        return aie::mul(x, y).to_vector<float>();
      };
      const Floats mean_square = times(squares, all(header.share));
      if (cuts) {
        // What rounding leaves of a deviation that is none has an inverse, too.
        constexpr float kLeast = 1e-30F;
        const Floats mean = times(sums, all(header.share));
        const Floats variance = aie::max(aie::sub(mean_square, times(mean, mean)), all(kLeast));
        const Floats deviation = times(variance, aie::invsqrt(variance));
        squares = aie::add(mean, times(deviation, all(header.addend)));
      } else {
        squares = aie::invsqrt(aie::add(mean_square, all(header.addend)));
      }
    }
    aie::store_v(factors->squares + row, squares);
    aie::store_v(factors->sums + row, sums);
  }
}

/// Rows in bfloat16, times their factors.
template <int R>
void ScaleRows(bfloat16* values, int rows, const RowFactors& factors) {
  SetModes();
  Brains of_rows;
  ForRowGroups<R>(
      rows, [&](int row) { of_rows = OfFourRows(factors.squares + row).to_vector<bfloat16>(); },
      [&](int at, int /*block*/) {
        const Brains value = aie::load_v<kGatedLanes>(values + at);
        aie::store_v(values + at, aie::mul(value, of_rows).to_vector<bfloat16>());
      },
      kNothingForRows);
}

/// gate = max(rows - cut, 0), in bfloat16.
template <int R>
void CutGates(const RowTile& tile, int rows, const RowFactors& cuts, bfloat16* gate) {
  SetModes();
  FloatSums cut;
  ForRowGroups<R>(
      rows, [&](int row) { cut = OfFourRows(cuts.squares + row); },
      [&](int at, int /*block*/) {
        const FloatSums above = aie::sub(FloatSums(LoadRows(tile.values, at)), cut);
        const Shorts bits = aie::vector_cast<int16_t>(above.to_vector<bfloat16>());
        aie::store_v(gate + at, aie::vector_cast<bfloat16>(aie::max(bits, AllShorts(0))));
      },
      kNothingForRows);
}

/// Steps of the bytes of inputs apart, of both halves of their tile.
inline void KeepSteps(const GatedHalf* first, const GatedHalf* second, RowFactors* factors) {
  constexpr int kMantissa = 7;  // bits of bfloat16's
  for (int half = 0; half < 2; ++half) {
    const int8_t* const exponents = (half == 0 ? first : second)->exponents;
    for (int row = 0; row < kTileM; ++row) {
      const int bits = ((127 + kFloatExponent + exponents[row]) << kMantissa) | 0x40;
      factors->steps[half][row] = static_cast<uint16_t>(bits);
    }
  }
}

/// What the bytes of inputs apart leave over of x, of a half.
class Rest {
 public:
  Rest(const RowFactors& factors, uint32_t half) : factors_(factors), half_(half) {}
  void Begin(int row) {
    const Brains own = StepsOf(half_, row);
    const Brains other = StepsOf(1 - half_, row);
    step_ = FloatSums(own);
    // Both halves' bytes are brought to the larger step.
    const Shorts larger =
        aie::max(aie::vector_cast<int16_t>(own), aie::vector_cast<int16_t>(other));
    joined_ = FloatSums(aie::vector_cast<bfloat16>(larger));
  }
  Brains Of(const Brains& x) const {
    const Brains bytes = Rounded(Rounded(x, step_), joined_);
    return aie::sub(FloatSums(x), FloatSums(bytes)).to_vector<bfloat16>();
  }

 private:
  Brains StepsOf(uint32_t half, int row) const {
    const auto* const steps = reinterpret_cast<const bfloat16*>(factors_.steps[half]) + row;
    const auto eight = [&](int i) { return aie::broadcast<bfloat16, 8>(steps[i]); };
    return aie::concat(eight(0), eight(1), eight(2), eight(3));
  }
  static Brains Rounded(const Brains& x, const FloatSums& step) {
    return aie::sub(aie::add(FloatSums(x), step), step).to_vector<bfloat16>();
  }

  const RowFactors& factors_;
  uint32_t half_;
  FloatSums step_;
  FloatSums joined_;
};

/// Takes over what a column of the array does with a tile of A.
inline void StartNorm(const uint8_t* b, NormColumns* columns) {
  constexpr size_t kLanes = 64;
  static_assert(sizeof(NormColumns) % kLanes == 0);
  auto* const to = reinterpret_cast<uint8_t*>(columns);
  for (size_t i = 0; i < sizeof(NormColumns); i += kLanes) {
    aie::store_v(to + i, aie::load_v<kLanes>(b + i));
  }
}

/// A half of a tile of A in bytes, each row with its own exponent, as MultiplyGate has h; and the
/// squares of y are those of the rows, or are added to them. `rows`, `base`: pieces of it.
template <int R>
void NormHalf(const bfloat16* rows, const bfloat16* base, int count, const NormColumns& columns,
              const RowFactors& factors, uint32_t half, bfloat16* out, RowSums* own) {
  const uint16_t* const post = columns.post + half * kTileN;
  const uint16_t* const pre = columns.pre + half * kTileN;
  const bool takes_rest = columns.rest != 0;
  int8_t exponents[kNormRows];
  Shorts most = AllShorts(0);
  Brains of_rows;
  FloatSums squares;
  Rest rest(factors, half);
  ForRowGroups<R>(
      count,
      [&](int row) {
        rest.Begin(row);
        most = AllShorts(0);
        of_rows = OfFourRows(factors.squares + row).to_vector<bfloat16>();
        // A sum of floats begins with the first half's: scalars have no float's addition.
        auto before = aie::zeros<float, kGatedLanes>();
        for (int i = 0; i < kGatedRows && half != 0; ++i) {
          before[static_cast<unsigned>(8 * i)] = own->squares[row + i];
        }
        squares = FloatSums(before);
      },
      [&](int at, int block) {
        const Brains weighted =
            aie::mul(aie::load_v<kGatedLanes>(rows + at), ColumnsOf(post, block))
                .to_vector<bfloat16>();
        const Brains y = aie::mac(FloatSums(aie::load_v<kGatedLanes>(base + at)), weighted, of_rows)
                             .to_vector<bfloat16>();
        squares = aie::mac(squares, y, y);
        Brains x = aie::mul(y, ColumnsOf(pre, block)).to_vector<bfloat16>();
        if (takes_rest) x = rest.Of(x);
        aie::store_v(out + at, x);
        most = aie::max(most, SizesOf(x));
      },
      [&](int row) {
        SetExponents(most, exponents + row);
        StoreRowTotals(squares, own->squares + row);
      });
  BytesOfRows<R>(out, count, exponents);
}

/// Of a tile of A the half that a tile of B brings base for, where it does so for this core row.
template <int R>
void NormRows(const uint8_t* a, const uint8_t* b, const NormColumns& columns,
              const RowFactors& factors, GatedHalf* first, GatedHalf* second, RowSums* own) {
  SetModes();
  const auto& header = *reinterpret_cast<const ActivationTileHeader*>(a);
  const auto& base = *reinterpret_cast<const NormBase*>(b);
  const uint32_t at = header.core_row - base.first_core_row;
  if (at >= base.core_rows) return;  // and below the first, which wraps
  constexpr uint32_t kMost = kNormRows;
  const uint32_t of_piece = header.piece_rows < kMost ? header.piece_rows : kMost;
  const uint32_t rows = header.rows_of_others < of_piece ? header.rows_of_others : of_piece;
  const uint32_t half = base.half != 0 ? 1 : 0;
  const uint32_t piece = of_piece * kTileN;
  if (half == 0) StartSums(own, static_cast<int>(rows));
  NormHalf<R>(reinterpret_cast<const bfloat16*>(a + kActivationHeaderBytes) +
                  (2 * columns.tile + half) % (kTileM / of_piece) * piece,
              reinterpret_cast<const bfloat16*>(b + sizeof base) + at % (kTileM / of_piece) * piece,
              static_cast<int>(rows), columns, factors, half,
              reinterpret_cast<bfloat16*>(half == 0 ? first : second), own);
}

}  // namespace tandem::npu::kernels
