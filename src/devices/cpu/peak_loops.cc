// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the processor can do at most, for others to be compared with. Compiled once per instruction
// set, with TANDEM_ISA naming the namespace; uses nothing of the standard library that the linker
// could merge across levels.
//
// Sums are many enough to hide the latency of an instruction and few enough to stay in registers.
#include "devices/cpu/isa_tables.h"
#include "devices/cpu/lanes.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

using Words8 = uint64_t __attribute__((vector_size(64)));

TANDEM_LANES Words8 LoadWords(const std::byte* p) {
  Words8 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

}  // namespace

#if defined(__AVX512VNNI__)

int64_t PeakInt8(int64_t rounds, float* sink) {
  constexpr int kSums = 16;
  const __m512i weights = _mm512_set1_epi8(17), x = _mm512_set1_epi8(-3);
  __m512i sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = _mm512_set1_epi32(i);
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_dpbusd_epi32(sum[i], weights, x);
  }
  for (int i = 1; i < kSums; ++i) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
  *sink = static_cast<float>(((Ints16)sum[0])[0]);
  return rounds * kSums * 64;
}

#elif defined(__AVX2__)

// Pairs of products of small codes stay in 16 bits for eight instructions, as the kernels have it.
int64_t PeakInt8(int64_t rounds, float* sink) {
  constexpr int kSums = 5, kPairs = 8;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i weights = _mm256_set1_epi8(15), x = _mm256_set1_epi8(-3);
  __m256i sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = _mm256_set1_epi32(i);
  for (int64_t round = 0; round < rounds; ++round) {
    __m256i pairs[kSums] = {};
    for (int k = 0; k < kPairs; ++k) {
      for (int i = 0; i < kSums; ++i) {
        // The product is the same every time, which the compiler must not know.
        asm volatile("" : "+x"(weights), "+x"(x));
        pairs[i] = _mm256_add_epi16(pairs[i], _mm256_maddubs_epi16(weights, x));
      }
    }
    for (int i = 0; i < kSums; ++i) {
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs[i], ones));
    }
  }
  for (int i = 1; i < kSums; ++i) sum[0] = _mm256_add_epi32(sum[0], sum[i]);
  *sink = static_cast<float>(_mm256_cvtsi256_si32(sum[0]));
  return rounds * kPairs * kSums * 32;
}

#else

int64_t PeakInt8(int64_t rounds, float* sink) {
  int8_t weights[16][4], x[4] = {1, -2, 3, -4};
  __builtin_memset(weights, 17, sizeof weights);
  int32_t sum[16] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+m"(weights), "+m"(x));
    for (int i = 0; i < 16; ++i) {
      int32_t lane = 0;
      for (int j = 0; j < 4; ++j) lane += weights[i][j] * x[j];
      sum[i] = static_cast<int32_t>(static_cast<uint32_t>(sum[i]) + static_cast<uint32_t>(lane));
    }
  }
  *sink = static_cast<float>(sum[0]);
  return rounds * 64;
}

#endif

// x = x / 2 + 1 tends to 2: neither tiny nor huge, and no factor that could be taken out.

#if defined(__AVX2__) && !defined(__AVX512F__)

int64_t PeakFloat(int64_t rounds, float* sink) {
  constexpr int kSums = 12;
  const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
  __m256 x[kSums];
  for (int i = 0; i < kSums; ++i) x[i] = _mm256_set1_ps(static_cast<float>(i));
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kSums; ++i) x[i] = _mm256_fmadd_ps(x[i], half, one);
  }
  for (int i = 1; i < kSums; ++i) x[0] = _mm256_add_ps(x[0], x[i]);
  *sink = x[0][0];
  return rounds * kSums * 8;
}

#else

int64_t PeakFloat(int64_t rounds, float* sink) {
#if defined(__AVX512F__)
  constexpr int kSums = 16;
#else
  constexpr int kSums = 3;
#endif
  const Floats16 half = Splat(0.5f), one = Splat(1.0f);
  Floats16 x[kSums];
  for (int i = 0; i < kSums; ++i) x[i] = Splat(static_cast<float>(i));
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kSums; ++i) x[i] = MulAdd(x[i], half, one);
  }
  for (int i = 1; i < kSums; ++i) x[0] += x[i];
  *sink = x[0][0];
  return rounds * kSums * 16;
}

#endif

uint64_t ReadSum(const std::byte* p, int64_t n) {
  Words8 sum[4] = {};
  for (int64_t i = 0; i < n; i += 256) {
    for (int j = 0; j < 4; ++j) sum[j] += LoadWords(p + i + 64 * j);
  }
  const Words8 all = sum[0] + sum[1] + sum[2] + sum[3];
  uint64_t total = 0;
  for (int i = 0; i < 8; ++i) total += all[i];
  return total;
}

}  // namespace tandem::cpu::TANDEM_ISA
