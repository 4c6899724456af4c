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

/// What the bytes of inputs apart leave over of x.
class Apart {
 public:
  Apart(const NormTile& norm, const RowFactors& factors) : norm_(norm), factors_(factors) {}
  void Begin(int row) {
    for (int half = 0; half < 2; ++half) {
      const auto* const steps = reinterpret_cast<const bfloat16*>(factors_.steps[half]) + row;
      const auto eight = [&](int i) { return aie::broadcast<bfloat16, 8>(steps[i]); };
      units_[half] = FloatSums(aie::concat(eight(0), eight(1), eight(2), eight(3)));
    }
    // Both halves' bytes are brought to the larger step.
    joined_ = FloatSums(aie::max(units_[0].to_vector<float>(), units_[1].to_vector<float>()));
  }
  Brains LeftOver(const Brains& x, int block) const {
    FloatSums left = FloatSums(x);
    const auto marks = aie::unpack(aie::load_v<16>(norm_.apart + block / 2 * 16));
    for (int half = 0; half < 2; ++half) {
      const auto zeros = aie::broadcast<int16_t, 16>(0);
      const auto signs = half == 0 ? marks : aie::sub(zeros, marks);
      // 127 is 1 as bfloat16, where its exponent is.
      const auto ones = aie::vector_cast<bfloat16>(aie::upshift(aie::max(signs, zeros), 7));
      const auto eight = ones.template extract<8>(static_cast<unsigned>(block % 2));
      const Brains once = Rounded(x, units_[half]);
      left = aie::msc(left, Rounded(once, joined_), aie::concat(eight, eight, eight, eight));
    }
    return left.to_vector<bfloat16>();
  }

 private:
  static Brains Rounded(const Brains& x, const FloatSums& unit) {
    return aie::sub(aie::add(FloatSums(x), unit), unit).to_vector<bfloat16>();
  }

  const NormTile& norm_;
  const RowFactors& factors_;
  FloatSums units_[2];
  FloatSums joined_;
};

/// A half of a tile of A: y = base + rows x factor x post, of which y x pre, less what inputs apart
/// have elsewhere, becomes bytes, each row with its own exponent, as MultiplyGate has h; and the
/// squares of y are added to those of the rows, or are their first.
template <int R>
void NormRows(const RowTile& tile, int rows, const NormTile& norm, const RowFactors& factors,
              bool first, bfloat16* half, RowSums* own) {
  SetModes();
  if (rows > kNormRows) rows = kNormRows;
  if (first) StartSums(own, rows);
  int8_t exponents[kNormRows];
  Shorts most = AllShorts(0);
  Brains of_rows;
  FloatSums squares;
  Apart apart(norm, factors);
  ForRowGroups<R>(
      rows,
      [&](int row) {
        apart.Begin(row);
        most = AllShorts(0);
        of_rows = OfFourRows(factors.squares + row).to_vector<bfloat16>();
        // A sum of floats begins with the first half's: scalars have no float's addition.
        auto before = aie::zeros<float, kGatedLanes>();
        for (int i = 0; i < kGatedRows && !first; ++i) {
          before[static_cast<unsigned>(8 * i)] = own->squares[row + i];
        }
        squares = FloatSums(before);
      },
      [&](int at, int block) {
        const Brains weighted =
            aie::mul(LoadRows(tile.values, at), ColumnsOf(norm.post, block)).to_vector<bfloat16>();
        const Brains y =
            aie::mac(FloatSums(LoadRows(norm.base, at)), weighted, of_rows).to_vector<bfloat16>();
        squares = aie::mac(squares, y, y);
        const Brains whole = aie::mul(y, ColumnsOf(norm.pre, block)).to_vector<bfloat16>();
        const Brains x = apart.LeftOver(whole, block);
        aie::store_v(half + at, x);
        most = aie::max(most, SizesOf(x));
      },
      [&](int row) {
        SetExponents(most, exponents + row);
        StoreRowTotals(squares, own->squares + row);
      });
  BytesOfRows<R>(half, rows, exponents);
}

}  // namespace tandem::npu::kernels
