// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Queries of several heads against the keys and values that they share. Compiled once per
// instruction set, with TANDEM_ISA naming the namespace; uses nothing of the standard library that
// the linker could merge across levels. A result does not depend on how queries or positions are
// put together.
#include "devices/cpu/attention_kernels.h"

#include "devices/cpu/isa_tables.h"
#include "devices/cpu/sources.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// Rows of a cache as sixteen floats from column i on, a multiple of 16; Tail: the first n of them.
template <typename From>
struct PlainRow {
  TANDEM_LANES Floats16 Load(const std::byte* row, int64_t i) {
    return From::Load(row + i * From::kBytes);
  }
  TANDEM_LANES Floats16 Tail(const std::byte* row, int64_t i, int64_t n) {
    return LoadTail<From>(row + i * From::kBytes, n);
  }
};
using FloatRow = PlainRow<FromFloats>;
using HalfRow = PlainRow<FromHalves>;

// Sixteen signed bytes as floats.
TANDEM_LANES Floats16 BytesToFloats(const std::byte* p) {
#if defined(__AVX512F__)
  __m128i bytes;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  return (Floats16)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
#elif defined(__AVX2__)
  __m128i bytes;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  const __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
  const __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)));
  Floats16 v;
  __builtin_memcpy(&v, &low, 32);
  __builtin_memcpy(reinterpret_cast<char*>(&v) + 32, &high, 32);
  return v;
#else
  Floats16 v;
  for (int i = 0; i < 16; ++i) v[i] = static_cast<float>(static_cast<int8_t>(p[i]));
  return v;
#endif
}

// Blocks of 32: a scale in half, then 32 signed bytes.
struct Q8Row {
  static constexpr uint64_t kBlock = 34;
  TANDEM_LANES Floats16 Load(const std::byte* row, int64_t i) {
    const auto column = static_cast<uint64_t>(i);
    const std::byte* block = row + column / 32 * kBlock;
    return BytesToFloats(block + 2 + column % 32) * Splat(LoadHalf(block));
  }
  // Heads are whole blocks.
  TANDEM_LANES Floats16 Tail(const std::byte*, int64_t, int64_t) { return Floats16{}; }
};

// kQueries by kKeys scores: s[q * s_stride + p].
template <typename Row, int kQueries, int kKeys>
TANDEM_LANES void ScoreTile(const float* q, int64_t q_stride, const std::byte* keys,
                            int64_t key_stride, int64_t dims, float scale, float* s,
                            int64_t s_stride) {
  Floats16 sum[kQueries][kKeys] = {};
  int64_t i = 0;
  for (; i + 16 <= dims; i += 16) {
    Floats16 key[kKeys];
    for (int p = 0; p < kKeys; ++p) key[p] = Row::Load(keys + p * key_stride, i);
    for (int r = 0; r < kQueries; ++r) {
      const Floats16 query = LoadFloats(q + r * q_stride + i);
      for (int p = 0; p < kKeys; ++p) sum[r][p] = MulAdd(query, key[p], sum[r][p]);
    }
  }
  if (i < dims) {
    for (int p = 0; p < kKeys; ++p) {
      const Floats16 key = Row::Tail(keys + p * key_stride, i, dims - i);
      for (int r = 0; r < kQueries; ++r) {
        sum[r][p] = MulAdd(LoadSome(q + r * q_stride + i, dims - i), key, sum[r][p]);
      }
    }
  }
  if constexpr (kQueries == 4 && kKeys == 4) {
    const Floats16 sums = SumEach(sum) * Splat(scale);
    for (int r = 0; r < 4; ++r) {
      for (int p = 0; p < 4; ++p) s[r * s_stride + p] = sums[4 * r + p];
    }
  } else {
    for (int r = 0; r < kQueries; ++r) {
      for (int p = 0; p < kKeys; ++p) s[r * s_stride + p] = SumLanes(sum[r][p]) * scale;
    }
  }
}

template <typename Row, int kQueries>
TANDEM_LANES void ScoreRows(const float* q, int64_t q_stride, const std::byte* keys,
                            int64_t key_stride, int64_t count, int64_t dims, float scale, float* s,
                            int64_t s_stride) {
  int64_t p = 0;
  for (; p + 4 <= count; p += 4) {
    ScoreTile<Row, kQueries, 4>(q, q_stride, keys + p * key_stride, key_stride, dims, scale, s + p,
                                s_stride);
  }
  for (; p < count; ++p) {
    ScoreTile<Row, kQueries, 1>(q, q_stride, keys + p * key_stride, key_stride, dims, scale, s + p,
                                s_stride);
  }
}

template <typename Row>
void ScoresOf(const float* q, int64_t q_stride, int queries, const std::byte* keys,
              int64_t key_stride, int64_t count, int64_t dims, float scale, float* s,
              int64_t s_stride) {
  int r = 0;
  for (; r + 4 <= queries; r += 4) {
    ScoreRows<Row, 4>(q + r * q_stride, q_stride, keys, key_stride, count, dims, scale,
                      s + r * s_stride, s_stride);
  }
  for (; r < queries; ++r) {
    ScoreRows<Row, 1>(q + r * q_stride, q_stride, keys, key_stride, count, dims, scale,
                      s + r * s_stride, s_stride);
  }
}

// kQueries rows of 16 * kLanes values, from column `first` on.
template <typename Row, int kQueries, int kLanes>
TANDEM_LANES void ValueTile(const float* s, int64_t s_stride, const std::byte* values,
                            int64_t value_stride, int64_t count, int64_t first, float* out,
                            int64_t out_stride) {
  Floats16 sum[kQueries][kLanes];
  for (int r = 0; r < kQueries; ++r) {
    for (int k = 0; k < kLanes; ++k) sum[r][k] = LoadFloats(out + r * out_stride + 16 * k);
  }
  for (int64_t p = 0; p < count; ++p) {
    Floats16 value[kLanes];
    for (int k = 0; k < kLanes; ++k) {
      value[k] = Row::Load(values + p * value_stride, first + 16 * k);
    }
    for (int r = 0; r < kQueries; ++r) {
      const Floats16 weight = Splat(s[r * s_stride + p]);
      for (int k = 0; k < kLanes; ++k) sum[r][k] = MulAdd(weight, value[k], sum[r][k]);
    }
  }
  for (int r = 0; r < kQueries; ++r) {
    for (int k = 0; k < kLanes; ++k) StoreFloats(sum[r][k], out + r * out_stride + 16 * k);
  }
}

template <typename Row, int kQueries>
TANDEM_LANES void ValueRows(const float* s, int64_t s_stride, const std::byte* values,
                            int64_t value_stride, int64_t count, int64_t dims, float* out,
                            int64_t out_stride) {
  int64_t i = 0;
  for (; i + 64 <= dims; i += 64) {
    ValueTile<Row, kQueries, 4>(s, s_stride, values, value_stride, count, i, out + i, out_stride);
  }
  for (; i + 16 <= dims; i += 16) {
    ValueTile<Row, kQueries, 1>(s, s_stride, values, value_stride, count, i, out + i, out_stride);
  }
  if (i == dims) return;
  for (int64_t p = 0; p < count; ++p) {
    const Floats16 value = Row::Tail(values + p * value_stride, i, dims - i);
    for (int r = 0; r < kQueries; ++r) {
      float* target = out + r * out_stride + i;
      const Floats16 sum = LoadSome(target, dims - i);
      StoreSome(MulAdd(Splat(s[r * s_stride + p]), value, sum), target, dims - i);
    }
  }
}

template <typename Row>
void AddValuesOf(const float* s, int64_t s_stride, int queries, const std::byte* values,
                 int64_t value_stride, int64_t count, int64_t dims, float* out,
                 int64_t out_stride) {
  int r = 0;
  for (; r + 4 <= queries; r += 4) {
    ValueRows<Row, 4>(s + r * s_stride, s_stride, values, value_stride, count, dims,
                      out + r * out_stride, out_stride);
  }
  for (; r < queries; ++r) {
    ValueRows<Row, 1>(s + r * s_stride, s_stride, values, value_stride, count, dims,
                      out + r * out_stride, out_stride);
  }
}

template <typename Row>
void UnpackRows(const KvRows& rows, float* out) {
  for (int64_t p = 0; p < rows.count; ++p, out += rows.dims) {
    const std::byte* row = rows.data + p * rows.stride;
    int64_t i = 0;
    for (; i + 16 <= rows.dims; i += 16) StoreFloats(Row::Load(row, i), out + i);
    if (i < rows.dims) StoreSome(Row::Tail(row, i, rows.dims - i), out + i, rows.dims - i);
  }
}

}  // namespace

void Unpack(const KvRows& rows, float* out) {
  const auto run = rows.type == DType::kF32   ? UnpackRows<FloatRow>
                   : rows.type == DType::kF16 ? UnpackRows<HalfRow>
                                              : UnpackRows<Q8Row>;
  run(rows, out);
}

float Highest(const float* x, int64_t n) {
  Floats16 most = Splat(-__builtin_inff());
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const Floats16 v = LoadFloats(x + i);
    most = Select(v > most, v, most);
  }
  float highest = -__builtin_inff();
  for (int lane = 0; lane < 16; ++lane) highest = most[lane] > highest ? most[lane] : highest;
  for (; i < n; ++i) highest = x[i] > highest ? x[i] : highest;
  return highest;
}

void Scores(const float* q, int64_t q_stride, int queries, const KvRows& keys, float scale,
            float* s, int64_t s_stride) {
  const auto run = keys.type == DType::kF32   ? ScoresOf<FloatRow>
                   : keys.type == DType::kF16 ? ScoresOf<HalfRow>
                                              : ScoresOf<Q8Row>;
  run(q, q_stride, queries, keys.data, keys.stride, keys.count, keys.dims, scale, s, s_stride);
}

void AddValues(const float* s, int64_t s_stride, int queries, const KvRows& values, float* out,
               int64_t out_stride) {
  const auto run = values.type == DType::kF32   ? AddValuesOf<FloatRow>
                   : values.type == DType::kF16 ? AddValuesOf<HalfRow>
                                                : AddValuesOf<Q8Row>;
  run(s, s_stride, queries, values.data, values.stride, values.count, values.dims, out, out_stride);
}

}  // namespace tandem::cpu::TANDEM_ISA
