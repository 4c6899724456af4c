// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What cores do with rows between the runs of a list: their sums, a norm's halves, cut gates, each
// against doubles.
#include "devices/npu/kernels/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "devices/npu/kernel_call.h"
#include "devices/npu/kernels/registry.h"
#include "devices/npu/kernels/row_tile.h"

namespace tandem::npu::test {
namespace {

using native::bfloat16;

template <typename... Buffers>
void Call(const std::string& name, const Buffers*... buffers) {
  CallKernel(name, {BytesOf(buffers)...});
}

float FloatOf(uint16_t bits) {
  bfloat16 value;
  value.bits = bits;
  return static_cast<float>(value);
}

/// Place of (row, column) in a tile of rows.
size_t PlaceOf(int row, int column, int r, int blocks = kTileN / 8) {
  return static_cast<size_t>(((row / r * blocks + column / 8) * r + row % r) * 8 + column % 8);
}

constexpr std::pair<const char*, MicroShape> kGenerations[] = {{"_npu1", kMicroI8Npu1},
                                                               {"_npu2", kMicroI8Npu2}};

/// A tile of rows of normal values around `mean`, as a core leaves it.
std::unique_ptr<RowTile> Leave(const char* suffix, int rows, uint32_t kind, float mean,
                               std::mt19937& random) {
  std::normal_distribution<float> normal(mean);
  std::vector<bfloat16> values(size_t{kTileM} * kTileN);
  for (bfloat16& value : values) value = bfloat16(normal(random));
  ActivationTileHeader a;
  a.rows = static_cast<uint32_t>(rows);
  WeightTileHeader b;
  b.leaves = kind;
  auto tile = std::make_unique<RowTile>();
  CallWithB(std::string("rows_leave") + suffix, {BytesOf(&a)}, BytesOf(&b),
            {BytesOf(values.data()), BytesOf(tile.get())});
  EXPECT_EQ(std::memcmp(tile->values, values.data(), static_cast<size_t>(rows) * kTileN * 2), 0);
  return tile;
}

TEST(NpuRowKernels, TilesOfRowsBringTheirSums) {
  std::mt19937 random(1);
  for (const auto& [suffix, micro] : kGenerations) {
    for (const int rows : {RowGranule(micro), kTileM}) {
      const auto tile = Leave(suffix, rows, kIsGate | IsForColumn(3), 0.5F, random);
      EXPECT_EQ(tile->header.rows, kIsGate | IsForColumn(3));
      EXPECT_EQ(tile->header.rows_of_others, static_cast<uint32_t>(rows));
      EXPECT_EQ(tile->own.header.rows, kIsRowSums);
      for (int row = 0; row < rows; ++row) {
        double sum = 0;
        double square = 0;
        for (int i = 0; i < kTileN; ++i) {
          const double value = FloatOf(tile->values[PlaceOf(row, i, micro.r)]);
          sum += value;
          square += value * value;
        }
        EXPECT_NEAR(tile->own.sums[row], sum, 1e-5 * 64) << row;
        EXPECT_NEAR(tile->own.squares[row], square, 1e-5 * square) << row;
      }
    }
  }
}

/// Sums of `count` tiles as tiles of A, and what the core makes of them.
RowFactors FactorsOf(const std::vector<std::unique_ptr<RowTile>>& tiles, bool cuts, float addend) {
  RowFactors factors;
  std::memset(&factors, 0xFF, sizeof factors);
  const auto most = static_cast<size_t>(cuts ? kSumsOfTile : kSquaresOfTile);
  const size_t bytes = cuts ? kBothSumBytes : kSquareBytes;
  for (size_t begin = 0; begin < tiles.size(); begin += most) {
    std::vector<std::byte> a(kTileABytes);
    std::memcpy(a.data(), &tiles[0]->own.header, kActivationHeaderBytes);
    RowSumHeader header;
    for (size_t i = begin; i < std::min(begin + most, tiles.size()); ++i, ++header.tiles) {
      std::memcpy(a.data() + kActivationHeaderBytes + (i - begin) * bytes, tiles[i]->own.squares,
                  bytes);
    }
    header.flags = (cuts ? kCuts : 0) | (begin == 0 ? kFirstRowSums : 0) |
                   (begin + most >= tiles.size() ? kLastRowSums : 0);
    header.share = 1.0F / static_cast<float>(kTileN * tiles.size());
    header.addend = addend;
    CallWithB("rows_sum", {a.data()}, BytesOf(&header), {BytesOf(&factors)});
  }
  return factors;
}

// More tiles than one of A has room for.
TEST(NpuRowKernels, SumsOfAllColumnsBecomeCutsAndFactors) {
  std::mt19937 random(2);
  for (const auto& [suffix, micro] : kGenerations) {
    constexpr int kCount = kSquaresOfTile + 5;
    const int rows = kTileM;
    std::vector<std::unique_ptr<RowTile>> tiles;
    for (int i = 0; i < kCount; ++i) {
      tiles.push_back(Leave(suffix, rows, kIsGate, 0.25F, random));
    }
    RowFactors cuts = FactorsOf(tiles, true, 1.625F);
    RowFactors norms = FactorsOf(tiles, false, 0.125F);
    std::vector<bfloat16> gate(size_t{kTileM} * kTileN);
    Call(std::string("rows_cut") + suffix, tiles[1].get(), &cuts, gate.data());
    for (int row = 0; row < rows; ++row) {
      double sum = 0;
      double square = 0;
      for (const auto& tile : tiles) {
        for (int i = 0; i < kTileN; ++i) {
          const double value = FloatOf(tile->values[PlaceOf(row, i, micro.r)]);
          sum += value;
          square += value * value;
        }
      }
      const double mean = sum / (kCount * kTileN);
      const double mean_square = square / (kCount * kTileN);
      const double cut = mean + 1.625 * std::sqrt(mean_square - mean * mean);
      ASSERT_NEAR(cuts.squares[row], cut, 1e-5 * cut);
      ASSERT_NEAR(norms.squares[row], 1 / std::sqrt(mean_square + 0.125), 1e-5);
      for (int i = 0; i < kTileN; ++i) {
        const size_t at = PlaceOf(row, i, micro.r);
        const double above = std::max(FloatOf(tiles[1]->values[at]) - cut, 0.0);
        ASSERT_NEAR(static_cast<float>(gate[at]), above, above / 256 + 1e-4);
      }
    }
  }
}

// Rows that are all the same have no deviation, and none is above the cut.
TEST(NpuRowKernels, RowsWithoutDeviationAreCut) {
  auto tile = std::make_unique<RowTile>();
  const std::vector<bfloat16> values(size_t{kTileM} * kTileN, bfloat16(-3.0F));
  ActivationTileHeader a;
  a.rows = kTileM;
  WeightTileHeader b;
  CallWithB("rows_leave_npu1", {BytesOf(&a)}, BytesOf(&b),
            {BytesOf(values.data()), BytesOf(tile.get())});
  std::vector<std::unique_ptr<RowTile>> tiles;
  tiles.push_back(std::move(tile));
  RowFactors cuts = FactorsOf(tiles, true, 1.5F);
  std::vector<bfloat16> gate(size_t{kTileM} * kTileN, bfloat16(7.0F));
  Call("rows_cut_npu1", tiles[0].get(), &cuts, gate.data());
  for (const bfloat16 value : gate) ASSERT_LE(static_cast<float>(value), 1e-3F);
}

/// Numbers in bfloat16.
template <size_t N>
void Fill(uint16_t (&values)[N], float size, std::mt19937& random) {
  std::normal_distribution<float> normal(0, size);
  for (uint16_t& value : values) value = bfloat16(normal(random)).bits;
}

/// A norm's tile of A, of two tiles of rows, its B, and what comes of them in double.
struct NormCase {
  NormCase(const char* name, int of_rows, int r, std::mt19937& random)
      : suffix(name),
        rows(of_rows),
        micro(r),
        a(kTileABytes),
        b(2),
        want(Size()),
        slack(Size()),
        squares(Rows()) {
    auto& header = *reinterpret_cast<ActivationTileHeader*>(a.data());
    header.rows = kIsNorms | IsForColumn(0) | kLeavesNormed;
    header.rows_of_others = static_cast<uint32_t>(rows);
    header.piece_rows = static_cast<uint32_t>(rows <= 8 ? 8 : rows <= 16 ? 16 : 32);
    header.core_row = 1;
    for (int row = 0; row < rows; ++row) {
      factors.squares[row] = std::exp2(static_cast<float>(row % 3 - 1)) * 1.1F;
    }
    Fill(columns.post, 1, random);
    Fill(columns.pre, 1, random);
    // The last pieces, of which base has the second core row.
    const auto piece = static_cast<size_t>(header.piece_rows) * kTileN;
    columns.tile = kTileM / header.piece_rows / 2 - 1;
    auto* const all = reinterpret_cast<uint16_t*>(a.data() + kActivationHeaderBytes);
    for (size_t half = 0; half < 2; ++half) {
      b[half].resize(kTileBBytes);
      auto& base = *reinterpret_cast<NormBase*>(b[half].data());
      base.half = static_cast<uint32_t>(half);
      base.core_rows = 2;
      uint16_t* const values = all + (2 * columns.tile + half) * piece;
      auto* const added = reinterpret_cast<uint16_t*>(b[half].data() + sizeof base) + piece;
      std::normal_distribution<float> normal;
      for (size_t i = 0; i < static_cast<size_t>(rows) * kTileN; ++i) {
        values[i] = bfloat16(normal(random)).bits;
        added[i] = bfloat16(4 * normal(random)).bits;
      }
      for (int row = 0; row < rows; ++row) {
        for (int i = 0; i < kTileN; ++i) {
          const size_t at = PlaceOf(row, i, micro);
          const size_t column = half * kTileN + static_cast<size_t>(i);
          const double by_rows = static_cast<double>(FloatOf(values[at])) * factors.squares[row] *
                                 FloatOf(columns.post[column]);
          const double y = FloatOf(added[at]) + by_rows;
          const double weight = FloatOf(columns.pre[column]);
          squares[static_cast<size_t>(row)] += y * y;
          want[static_cast<size_t>(row) * kGatedColumns + column] = y * weight;
          // What is added is rounded twice, its factor, and both sums.
          slack[static_cast<size_t>(row) * kGatedColumns + column] =
              (std::abs(y) + 2 * std::abs(by_rows)) * std::abs(weight) / 128;
        }
      }
    }
  }
  size_t Rows() const { return static_cast<size_t>(rows); }
  size_t Size() const { return Rows() * kGatedColumns; }

  /// Both halves, and the tile that is left of them.
  void Run() {
    AttentionState held;
    CallWithB("rows_columns", {}, BytesOf(&columns), {BytesOf(&held)});
    for (const auto& tile : b) {
      CallWithB(
          std::string("rows_norm") + suffix, {BytesOf(a.data())}, BytesOf(tile.data()),
          {BytesOf(&held), BytesOf(&factors), BytesOf(&first), BytesOf(&second), sums.data()});
    }
    Call(std::string("gated_join") + suffix, a.data(), &first, &second, sums.data());
  }
  const NormedTile& left() const { return *reinterpret_cast<const NormedTile*>(sums.data()); }
  double At(int row, int i, double& step) const {
    const auto& header = *reinterpret_cast<const ActivationTileHeader*>(left().tile);
    step = std::ldexp(1.0, header.exponents[row]);
    const auto* const values =
        reinterpret_cast<const int8_t*>(left().tile + kActivationHeaderBytes);
    return values[PlaceOf(row, i, micro, kGatedColumns / 8)] * step;
  }

  const char* suffix;
  int rows, micro;
  std::vector<uint8_t> a;
  std::vector<std::vector<uint8_t>> b;
  NormColumns columns;
  RowFactors factors = {};
  GatedHalf first = {}, second = {};
  std::vector<std::byte> sums = std::vector<std::byte>(kTileSumBytes, std::byte{0xFF});
  std::vector<double> want, slack, squares;
};

// Both halves of a tile: bytes are y x pre, and the rows' squares those of y.
TEST(NpuRowKernels, NormsAddAndLeaveBytes) {
  std::mt19937 random(3);
  for (const auto& [suffix, micro] : kGenerations) {
    for (const int rows : {RowGranule(micro), 24, kNormRows}) {
      if (rows % RowGranule(micro) != 0) continue;
      NormCase norm(suffix, rows, micro.r, random);
      norm.Run();
      const auto& header = *reinterpret_cast<const ActivationTileHeader*>(norm.left().tile);
      ASSERT_EQ(header.rows, static_cast<uint32_t>(rows));
      ASSERT_EQ(header.has_factors, 1U);
      ASSERT_EQ(norm.left().own.header.rows, kIsRowSums);
      for (int row = 0; row < rows; ++row) {
        const double square = norm.squares[static_cast<size_t>(row)];
        EXPECT_NEAR(norm.left().own.squares[row], square, 0.005 * square) << row;
        double step = 0;
        double most = 0;
        for (int i = 0; i < kGatedColumns; ++i) {
          const double value = norm.want[static_cast<size_t>(row * kGatedColumns + i)];
          most = std::max(most, std::abs(value));
          // Half a step, of a half with a smaller one half of that before.
          const double got = norm.At(row, i, step);
          ASSERT_NEAR(got, value,
                      0.75 * step + norm.slack[static_cast<size_t>(row * kGatedColumns + i)])
              << row << " " << i;
        }
        EXPECT_LE(step, most / 62);
      }
    }
  }
}

// What bytes leave over, whatever steps their halves had: both together are seven bits closer.
TEST(NpuRowKernels, RestsAreWhatBytesLeaveOver) {
  std::mt19937 random(5);
  for (const auto& [suffix, micro] : kGenerations) {
    NormCase norm(suffix, kNormRows, micro.r, random);
    // The second half's are an eighth: bytes of it are rounded twice.
    for (int i = kTileN; i < kGatedColumns; ++i) {
      norm.columns.pre[i] = bfloat16(FloatOf(norm.columns.pre[i]) / 8).bits;
    }
    norm.Run();
    std::vector<double> bytes(norm.Size());
    double step = 0;
    for (int row = 0; row < kNormRows; ++row) {
      for (int i = 0; i < kGatedColumns; ++i) {
        bytes[static_cast<size_t>(row * kGatedColumns + i)] = norm.At(row, i, step);
      }
    }
    Call("rows_steps", &norm.first, &norm.second, &norm.factors);
    norm.columns.rest = 1;
    norm.Run();
    for (int row = 0; row < kNormRows; ++row) {
      for (int i = 0; i < kGatedColumns; ++i) {
        const auto at = static_cast<size_t>(row * kGatedColumns + i);
        const double want = norm.want[at] / (i < kTileN ? 1 : 8);
        const double rest = norm.At(row, i, step);
        ASSERT_NEAR(bytes[at] + rest, want, 0.75 * step + norm.slack[at] / (i < kTileN ? 1 : 8))
            << row << " " << i;
        ASSERT_LE(step, std::abs(bytes[at]) / 8 + 1) << row;
      }
    }
  }
}

// Base of other core rows is left alone.
TEST(NpuRowKernels, NormsTakeTheirOwnCoreRowsBase) {
  std::mt19937 random(6);
  NormCase norm("_npu1", 8, kMicroI8Npu1.r, random);
  AttentionState held;
  CallWithB("rows_columns", {}, BytesOf(&norm.columns), {BytesOf(&held)});
  for (const uint32_t first : {2U, 3U, 0xFFFFFFFFU}) {
    auto& base = *reinterpret_cast<NormBase*>(norm.b[0].data());
    base.first_core_row = first;
    base.core_rows = first == 0xFFFFFFFFU ? 1 : 2;
    norm.first.exponents[0] = 77;
    CallWithB("rows_norm_npu1", {BytesOf(norm.a.data())}, BytesOf(norm.b[0].data()),
              {BytesOf(&held), BytesOf(&norm.factors), BytesOf(&norm.first), BytesOf(&norm.second),
               norm.sums.data()});
    EXPECT_EQ(norm.first.exponents[0], 77) << first;
  }
}

// What lacks its factors gets them where the gate is held.
TEST(NpuRowKernels, HeldGatesGetTheirRowsFactors) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (const auto& [suffix, micro] : kGenerations) {
    ActivationTileHeader a;
    a.rows = kTileM;
    std::vector<float> sums(size_t{kTileM} * kTileN);
    for (float& sum : sums) sum = normal(random);
    std::vector<bfloat16> scales(sizeof(AttentionState) / 2, bfloat16(0.5F));
    RowFactors factors = {};
    for (int row = 0; row < kTileM; ++row) factors.squares[row] = std::exp2(float(row % 7) - 3);
    std::vector<bfloat16> gate[2];
    for (uint32_t has = 0; has < 2; ++has) {
      a.has_factors = has;
      gate[has].resize(size_t{kTileM} * kTileN);
      Call(std::string("gated_hold") + suffix, &a, sums.data(), scales.data(), &factors,
           gate[has].data());
    }
    for (int row = 0; row < kTileM; ++row) {
      for (int i = 0; i < kTileN; ++i) {
        const size_t at = PlaceOf(row, i, micro.r);
        ASSERT_EQ(static_cast<float>(gate[1][at]),
                  static_cast<float>(gate[0][at]) * factors.squares[row]);
      }
    }
  }
}

}  // namespace
}  // namespace tandem::npu::test
