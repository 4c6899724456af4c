// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of quantised weights and 8-bit activations. Compiled once per instruction set, with
// TANDEM_ISA naming the namespace; uses nothing of the standard library that the linker could merge
// across levels.
//
// Sixteen weight rows go together. A unit of 256 columns of them is unpacked to bytes and turned so
// that a register holds four neighbouring columns of each row: a lane then adds up one row, and
// scales are applied to lanes. The unit stays in L1 while every activation row passes by.
#include "devices/cpu/isa_tables.h"
#include "devices/cpu/unpack.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

TANDEM_LANES Ints16 SplatInt(int32_t x) { return x - Ints16{}; }

// sum[r] += the four bytes of row r times the four of x.
TANDEM_LANES Ints16 AddProducts(Ints16 sum, const uint8_t (&w)[kRows][4], int32_t x) {
#if defined(__AVX512VNNI__)
  return (Ints16)_mm512_dpbusd_epi32((__m512i)sum, _mm512_load_si512(w), _mm512_set1_epi32(x));
#elif defined(__AVX2__)
  // |w| is unsigned, and x takes w's sign. Two products of at most 128 * 127 fit 16 bits.
  const __m256i xs = _mm256_set1_epi32(x);
  __m256i part[2], weights[2];
  __builtin_memcpy(part, &sum, 64);
  __builtin_memcpy(weights, w, 64);
  for (int i = 0; i < 2; ++i) {
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(weights[i]), _mm256_sign_epi8(xs, weights[i]));
    part[i] = _mm256_add_epi32(part[i], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  __builtin_memcpy(&sum, part, 64);
  return sum;
#else
  int8_t bytes[4];
  __builtin_memcpy(bytes, &x, 4);
  for (int i = 0; i < kRows; ++i) {
    int32_t lane = 0;
    for (int j = 0; j < 4; ++j) lane += static_cast<int8_t>(w[i][j]) * bytes[j];
    sum[i] += lane;
  }
  return sum;
#endif
}

// One unit for T activation rows. x and groups point at the unit's first column of the first row.
template <int T, int kGroup, bool kMin>
TANDEM_LANES void Tile(const Unit& unit, int columns, const int8_t* x, int64_t x_stride,
                       const Int8Group* groups, int64_t groups_stride, float* y, int64_t y_stride) {
  Floats16 total[T];
  for (int t = 0; t < T; ++t) total[t] = LoadFloats(y + t * y_stride);
  for (int g = 0; g < columns / kGroup; ++g) {
    Ints16 sum[T];
    for (int t = 0; t < T; ++t) {
      sum[t] = SplatInt(kBias == 0 ? 0 : groups[t * groups_stride + g].offset);
    }
    for (int j = 0; j < kGroup / 4; ++j) {
      for (int t = 0; t < T; ++t) {
        int32_t four;
        __builtin_memcpy(&four, x + t * x_stride + g * kGroup + 4 * j, 4);
        sum[t] = AddProducts(sum[t], unit.bytes[g * kGroup / 4 + j], four);
      }
    }
    const Floats16 scale = LoadFloats(unit.scale[g]);
    for (int t = 0; t < T; ++t) {
      const Int8Group& group = groups[t * groups_stride + g];
      total[t] = FusedMulAdd(ToFloats(sum[t]), scale * Splat(group.scale), total[t]);
      if constexpr (kMin) {
        total[t] = FusedMulAdd(LoadFloats(unit.min[g]), Splat(group.sum), total[t]);
      }
    }
  }
  for (int t = 0; t < T; ++t) StoreFloats(total[t], y + t * y_stride);
}

// Rows that share a loaded weight register. Eight sums, eight totals and the rest fit 32 registers.
#if defined(__AVX512F__)
constexpr int kTile = 8;
#else
constexpr int kTile = 2;
#endif

// The panel's sums, [rows, kRows], for rows that fit beside the unit in L1 and L2.
constexpr int64_t kBatch = 64;

using UnpackFunction = void (*)(RowPointers, int, Unit&);

template <UnpackFunction kUnpack, size_t kBlockBytes, int kBlock, int kGroup, bool kMin>
void Multiply(const WeightView& w, const int64_t* index, int count, const Int8Rows& x, float* y,
              int64_t y_stride) {
  Unit unit;
  alignas(64) float sums[kBatch][kRows];
  const std::byte* rows[kRows];
  for (int r = 0; r < kRows; ++r) {
    rows[r] = w.data + static_cast<size_t>(index[r < count ? r : count - 1]) * w.row_stride;
  }
  for (int64_t first = 0; first < x.rows; first += kBatch) {
    const int64_t batch = x.rows - first < kBatch ? x.rows - first : kBatch;
    __builtin_memset(sums, 0, static_cast<size_t>(batch) * sizeof sums[0]);
    for (int64_t column = 0; column < x.cols; column += kUnitColumns) {
      const int64_t left = x.cols - column;
      const int columns = static_cast<int>(left < kUnitColumns ? left : kUnitColumns);
      const size_t offset = static_cast<size_t>(column / kBlock) * kBlockBytes;
      const std::byte* blocks[kRows];
      for (int r = 0; r < kRows; ++r) blocks[r] = rows[r] + offset;
      kUnpack(blocks, columns, unit);
      const int64_t groups_stride = x.cols / kGroup;
      const int8_t* q = x.q + first * x.cols + column;
      const Int8Group* groups = x.groups + first * groups_stride + column / kGroup;
      int64_t t = 0;
      for (; t + kTile <= batch; t += kTile) {
        Tile<kTile, kGroup, kMin>(unit, columns, q + t * x.cols, x.cols, groups + t * groups_stride,
                                  groups_stride, sums[t], kRows);
      }
      for (; t < batch; ++t) {
        Tile<1, kGroup, kMin>(unit, columns, q + t * x.cols, x.cols, groups + t * groups_stride,
                              groups_stride, sums[t], kRows);
      }
    }
    for (int64_t t = 0; t < batch; ++t) {
      __builtin_memcpy(y + (first + t) * y_stride, sums[t],
                       static_cast<size_t>(count) * sizeof(float));
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
  using namespace quant;
  switch (w.type) {
    case DType::kQ4_0:
      return Multiply<UnpackQ4<Q4_0Block, false>, sizeof(Q4_0Block), 32, 32, false>(w, index, count,
                                                                                    x, y, y_stride);
    case DType::kQ4_1:
      return Multiply<UnpackQ4<Q4_1Block, true>, sizeof(Q4_1Block), 32, 32, true>(w, index, count,
                                                                                  x, y, y_stride);
    case DType::kQ5_0:
      return Multiply<UnpackQ5<Q5_0Block, false>, sizeof(Q5_0Block), 32, 32, false>(w, index, count,
                                                                                    x, y, y_stride);
    case DType::kQ5_1:
      return Multiply<UnpackQ5<Q5_1Block, true>, sizeof(Q5_1Block), 32, 32, true>(w, index, count,
                                                                                  x, y, y_stride);
    case DType::kQ8_0:
      return Multiply<UnpackQ8_0, sizeof(Q8_0Block), 32, 32, false>(w, index, count, x, y,
                                                                    y_stride);
    case DType::kIQ4_NL:
      return Multiply<UnpackIq4Nl, sizeof(Iq4NlBlock), 32, 32, false>(w, index, count, x, y,
                                                                      y_stride);
    case DType::kIQ4_XS:
      return Multiply<UnpackIq4Xs, sizeof(Iq4XsBlock), 256, 32, false>(w, index, count, x, y,
                                                                       y_stride);
    case DType::kQ4_K:
      return Multiply<UnpackQ4K, sizeof(Q4KBlock), 256, 32, true>(w, index, count, x, y, y_stride);
    case DType::kQ5_K:
      return Multiply<UnpackQ5K, sizeof(Q5KBlock), 256, 32, true>(w, index, count, x, y, y_stride);
    case DType::kQ2_K:
      return Multiply<UnpackQ2K, sizeof(Q2KBlock), 256, 16, true>(w, index, count, x, y, y_stride);
    case DType::kQ3_K:
      return Multiply<UnpackQ3K, sizeof(Q3KBlock), 256, 16, false>(w, index, count, x, y, y_stride);
    case DType::kQ6_K:
      return Multiply<UnpackQ6K, sizeof(Q6KBlock), 256, 16, false>(w, index, count, x, y, y_stride);
    default: return;
  }
}

void Quantize(const float* x, int64_t cols, int group, int8_t* q, Int8Group* groups) {
  const Floats16 magic = Splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  for (int64_t c = 0; c < cols; c += 32, groups += 32 / group) {
    const Floats16 a = LoadFloats(x + c), b = LoadFloats(x + c + 16);
    const Floats16 abs_a = Select(a < Floats16{}, -a, a), abs_b = Select(b < Floats16{}, -b, b);
    const Floats16 most = Select(abs_a > abs_b, abs_a, abs_b);
    const Floats16 check = a * Splat(0.0f) + b * Splat(0.0f);  // NaN where a value is not finite
    float highest = 0, nan = 0;
    for (int i = 0; i < 16; ++i) {
      highest = most[i] > highest ? most[i] : highest;
      nan += check[i];
    }
    const float scale = highest / 127.0f + nan;
    // Rows that hold nothing, or no number, are zeros: below 1e-30 the inverse could overflow.
    const bool zeros = !(nan == 0) || highest < 1e-30f;
    const float inverse = zeros ? 0.0f : 127.0f / highest;
    int32_t sums[2] = {0, 0};
    for (int half = 0; half < 2; ++half) {
      const Floats16 v = zeros ? Floats16{} : half == 0 ? a : b;
      const Ints16 whole = __builtin_convertvector((v * Splat(inverse) + magic) - magic, Ints16);
      for (int i = 0; i < 16; ++i) {
        q[c + 16 * half + i] = static_cast<int8_t>(whole[i]);
        sums[half] += whole[i];
      }
    }
    if (group == 32) {
      const int32_t sum = sums[0] + sums[1];
      groups[0] = {scale, scale * static_cast<float>(sum), -128 * sum};
    } else {
      for (int half = 0; half < 2; ++half) {
        groups[half] = {scale, scale * static_cast<float>(sums[half]), -128 * sums[half]};
      }
    }
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
