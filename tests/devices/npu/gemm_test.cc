// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix products on the emulated array, of random and of edge shapes, against plain references.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "devices/npu/emulator/emulator.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/kernels/native_aie.h"

namespace tandem::npu::test {
namespace {

/// An array that is configured once and multiplies many matrices.
class GemmArray {
 public:
  explicit GemmArray(const GemmConfig& config)
      : config_(config), emulator_(std::make_unique<Emulator>(config.device)) {
    emulator_->Load(MakeGemmDesign(config));
  }

  /// Packed A and B to packed C.
  std::vector<std::byte> Multiply(const GemmPlan& plan, std::vector<std::byte> a,
                                  std::vector<std::byte> b) {
    // The emulator refers to its buffers until it ends.
    for (std::vector<std::byte>* one : {&a, &b}) buffers_.push_back(std::move(*one));
    buffers_.emplace_back(static_cast<size_t>(plan.c_bytes), std::byte{0xA5});
    std::vector<uint64_t> arguments;
    for (size_t i = buffers_.size() - 3; i < buffers_.size(); ++i) {
      arguments.push_back(emulator_->AddBuffer(buffers_[i]));
    }
    const std::optional<Stall> stall = emulator_->Run(GemmStream(plan), arguments);
    EXPECT_FALSE(stall) << stall->Text();
    return buffers_.back();
  }

 private:
  GemmConfig config_;
  std::deque<std::vector<std::byte>> buffers_;
  std::unique_ptr<Emulator> emulator_;
};

GemmConfig Config(Generation generation, GemmType type, GemmOutput output) {
  return {{generation, MaxColumns(generation)}, type, output};
}

template <typename T, typename Make>
std::vector<T> Fill(int64_t count, const Make& make) {
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) value = make();
  return values;
}

/// [m,k] x [k,n] in integers.
std::vector<int64_t> Product(const GemmShape& shape, const std::vector<int8_t>& a,
                             const std::vector<int8_t>& b) {
  std::vector<int64_t> c(static_cast<size_t>(shape.m * shape.n));
  for (int64_t m = 0; m < shape.m; ++m) {
    for (int64_t k = 0; k < shape.k; ++k) {
      const int64_t left = a[static_cast<size_t>(m * shape.k + k)];
      for (int64_t n = 0; n < shape.n; ++n) {
        c[static_cast<size_t>(m * shape.n + n)] += left * b[static_cast<size_t>(k * shape.n + n)];
      }
    }
  }
  return c;
}

template <typename T>
void CheckI8(GemmArray& array, const GemmConfig& config, const GemmShape& shape, int shift,
             std::mt19937& random) {
  const GemmPlan plan = PlanGemm(config, shape);
  const auto byte = [&] { return static_cast<int8_t>(random()); };
  const auto a = Fill<int8_t>(shape.m * shape.k, byte);
  const auto b = Fill<int8_t>(shape.k * shape.n, byte);
  std::vector<std::byte> packed_a(static_cast<size_t>(plan.a_bytes));
  std::vector<std::byte> packed_b(static_cast<size_t>(plan.b_bytes));
  PackA(plan, a, packed_a);
  PackB(plan, b, shift, packed_b);
  std::vector<T> c(static_cast<size_t>(shape.m * shape.n));
  UnpackC<T>(plan, array.Multiply(plan, packed_a, packed_b), c);
  const std::vector<int64_t> want = Product(shape, a, b);
  for (size_t i = 0; i < c.size(); ++i) {
    const double rounded = std::nearbyint(std::ldexp(static_cast<double>(want[i]), -shift));
    ASSERT_EQ(c[i], std::clamp<double>(rounded, std::numeric_limits<T>::min(),
                                       std::numeric_limits<T>::max()))
        << shape.m << "x" << shape.k << "x" << shape.n << " at " << i;
  }
}

void CheckI4(GemmArray& array, const GemmConfig& config, const GemmShape& shape,
             std::mt19937& random) {
  std::normal_distribution<float> normal;
  const GemmPlan plan = PlanGemm(config, shape);
  const auto a = Fill<int8_t>(shape.m * shape.k, [&] { return static_cast<int8_t>(random()); });
  const auto b = Fill<int8_t>(
      shape.k * shape.n, [&] { return static_cast<int8_t>(static_cast<int>(random() % 16) - 8); });
  // Scales of both signs, some of them nothing.
  const auto scales = Fill<float>((shape.k + 31) / 32 * shape.n, [&] {
    return random() % 9 == 0 ? 0.0F : std::exp(normal(random)) * (random() % 2 == 0 ? -1 : 1);
  });
  std::vector<float> column_scales(static_cast<size_t>(shape.n));
  std::vector<std::byte> packed_a(static_cast<size_t>(plan.a_bytes));
  std::vector<std::byte> packed_b(static_cast<size_t>(plan.b_bytes));
  PackA(plan, a, packed_a);
  PackB4(plan, b, scales, column_scales, packed_b);
  std::vector<int32_t> c(static_cast<size_t>(shape.m * shape.n));
  UnpackC<int32_t>(plan, array.Multiply(plan, packed_a, packed_b), c);
  std::vector<float> again(column_scales.size());
  const std::vector<int8_t> wide = ExpandB4(shape, b, scales, again);
  EXPECT_EQ(again, column_scales);
  const std::vector<int64_t> want = Product(shape, a, wide);
  EXPECT_TRUE(std::equal(c.begin(), c.end(), want.begin()));
  // And those are near what the weights say: half a step of rounding, and half of the ratio's.
  for (int64_t k = 0; k < shape.k; ++k) {
    for (int64_t n = 0; n < shape.n; ++n) {
      const auto at = static_cast<size_t>(k * shape.n + n);
      const float step = column_scales[static_cast<size_t>(n)];
      ASSERT_NEAR(static_cast<float>(wide[at]) * step,
                  b[at] * scales[static_cast<size_t>(k / 32 * shape.n + n)], 1.001F * step);
    }
  }
}

/// As the array does it: tiles of 128 in integers, together in float in the order of K.
std::vector<float> ScaledProduct(const GemmShape& shape, const std::vector<int8_t>& a,
                                 const std::vector<int8_t>& exponents,
                                 const std::vector<int8_t>& b) {
  const int64_t tiles = ScaledTiles(shape.k);
  std::vector<float> c(static_cast<size_t>(shape.m * shape.n));
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t begin = tile * kTileKI8;
    const int64_t depth = std::min<int64_t>(kTileKI8, shape.k - begin);
    for (int64_t m = 0; m < shape.m; ++m) {
      const int exponent = exponents[static_cast<size_t>(m * tiles + tile)];
      for (int64_t n = 0; n < shape.n; ++n) {
        int32_t sum = 0;
        for (int64_t k = begin; k < begin + depth; ++k) {
          sum += a[static_cast<size_t>(m * shape.k + k)] * b[static_cast<size_t>(k * shape.n + n)];
        }
        c[static_cast<size_t>(m * shape.n + n)] += std::ldexp(static_cast<float>(sum), exponent);
      }
    }
  }
  return c;
}

/// i8 or i4 weights, activations with exponents of all sizes.
void CheckScaled(GemmArray& array, const GemmConfig& config, const GemmShape& shape,
                 std::mt19937& random) {
  const GemmPlan plan = PlanGemm(config, shape);
  const auto byte = [&] { return static_cast<int8_t>(static_cast<int>(random() % 255) - 127); };
  const auto a = Fill<int8_t>(shape.m * shape.k, byte);
  const auto exponents = Fill<int8_t>(shape.m * plan.k_steps, [&] {
    return static_cast<int8_t>(random() % 7 == 0 ? kLeastExponent
                                                 : static_cast<int>(random() % 40) - 30);
  });
  std::vector<std::byte> packed_a(static_cast<size_t>(plan.a_bytes));
  std::vector<std::byte> packed_b(static_cast<size_t>(plan.b_bytes));
  PackScaledA(plan, a, exponents, packed_a);
  std::vector<int8_t> b;
  if (config.type == GemmType::kI4) {
    const auto fours = Fill<int8_t>(shape.k * shape.n, [&] {
      return static_cast<int8_t>(static_cast<int>(random() % 16) - 8);
    });
    const auto scales = Fill<float>((shape.k + 31) / 32 * shape.n, [&] {
      return static_cast<float>(static_cast<int>(random() % 201) - 100);
    });
    std::vector<float> column_scales(static_cast<size_t>(shape.n));
    PackB4(plan, fours, scales, column_scales, packed_b);
    b = ExpandB4(shape, fours, scales, column_scales);
  } else {
    b = Fill<int8_t>(shape.k * shape.n, byte);
    PackB(plan, b, 0, packed_b);
  }
  std::vector<float> c(static_cast<size_t>(shape.m * shape.n));
  UnpackC<float>(plan, array.Multiply(plan, packed_a, packed_b), c);
  const std::vector<float> want = ScaledProduct(shape, a, exponents, b);
  for (size_t i = 0; i < c.size(); ++i) {
    ASSERT_EQ(c[i], want[i]) << shape.m << "x" << shape.k << "x" << shape.n << " at " << i;
  }
}

void CheckBf16(GemmArray& array, const GemmConfig& config, const GemmShape& shape,
               std::mt19937& random) {
  std::normal_distribution<float> normal;
  const GemmPlan plan = PlanGemm(config, shape);
  const auto value = [&] { return native::bfloat16(normal(random)).bits; };
  const auto a = Fill<uint16_t>(shape.m * shape.k, value);
  const auto b = Fill<uint16_t>(shape.k * shape.n, value);
  std::vector<std::byte> packed_a(static_cast<size_t>(plan.a_bytes));
  std::vector<std::byte> packed_b(static_cast<size_t>(plan.b_bytes));
  PackA(plan, a, packed_a);
  PackB(plan, b, 0, packed_b);
  const auto packed = array.Multiply(plan, packed_a, packed_b);
  std::vector<float> c(static_cast<size_t>(shape.m * shape.n));
  if (config.output == GemmOutput::kF32) {
    UnpackC<float>(plan, packed, c);
  } else {
    std::vector<uint16_t> bits(c.size());
    UnpackC<uint16_t>(plan, packed, bits);
    std::transform(bits.begin(), bits.end(), c.begin(),
                   [](uint16_t word) { return std::bit_cast<float>(uint32_t{word} << 16); });
  }
  const auto wide = [](uint16_t word) {
    return static_cast<double>(std::bit_cast<float>(uint32_t{word} << 16));
  };
  for (int64_t m = 0; m < shape.m; ++m) {
    for (int64_t n = 0; n < shape.n; ++n) {
      double sum = 0;
      double size = 0;
      for (int64_t k = 0; k < shape.k; ++k) {
        const double product = wide(a[static_cast<size_t>(m * shape.k + k)]) *
                               wide(b[static_cast<size_t>(k * shape.n + n)]);
        sum += product;
        size += std::abs(product);
      }
      const double bound = size * static_cast<double>(shape.k) * 6e-8 +
                           (config.output == GemmOutput::kBf16 ? std::abs(sum) / 250 : 0);
      ASSERT_NEAR(c[static_cast<size_t>(m * shape.n + n)], sum, bound + 1e-30);
    }
  }
}

TEST(NpuGemm, I8IsExact) {
  std::mt19937 random(1);
  const auto side = [&](int64_t most) { return 1 + static_cast<int64_t>(random() % most); };
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    const GemmConfig config = Config(generation, GemmType::kI8, GemmOutput::kI32);
    GemmArray array(config);
    const int64_t n_block = 64 * config.device.columns;
    // One element, exact tiles, one more, odd numbers of steps, which leave the halves of the
    // buffers swapped for the next.
    for (const GemmShape& shape :
         {GemmShape{1, 1, 1}, GemmShape{64, 128, 64}, GemmShape{256, 128, n_block},
          GemmShape{257, 129, n_block + 1}, GemmShape{3, 640, 5}, GemmShape{255, 384, n_block - 1},
          GemmShape{side(300), side(500), side(600)}, GemmShape{side(300), side(500), side(600)}}) {
      CheckI8<int32_t>(array, config, shape, 0, random);
    }
  }
}

// Products of Gemma 3's layers, [rows, inputs, outputs]: 270M whole; of the larger ones, whose
// widths fall apart into other numbers of steps and blocks, mostly a part of the outputs.
const GemmShape kGemma3Shapes[] = {
    {3, 640, 1024},   // 270M: queries
    {3, 640, 256},    //       keys, values
    {3, 1024, 640},   //       attention output
    {3, 640, 2048},   //       gate, up
    {3, 2048, 640},   //       down
    {1, 1152, 6912},  // 1B: gate, up
    {2, 6912, 144},   //     a part of down
    {2, 2560, 512},   // 4B: a part of the queries
    {1, 10240, 80},   //     a part of down
};

class NpuGemma3Shapes : public ::testing::TestWithParam<std::tuple<Generation, GemmType>> {};

TEST_P(NpuGemma3Shapes, AreMultipliedAsAnyOther) {
  const auto [generation, type] = GetParam();
  std::mt19937 random(7);
  const GemmConfig config =
      Config(generation, type, type == GemmType::kBf16 ? GemmOutput::kF32 : GemmOutput::kI32);
  GemmArray array(config);
  for (const GemmShape& shape : kGemma3Shapes) {
    if (type == GemmType::kI8) CheckI8<int32_t>(array, config, shape, 0, random);
    if (type == GemmType::kI4) CheckI4(array, config, shape, random);
    if (type == GemmType::kBf16) CheckBf16(array, config, shape, random);
  }
}

INSTANTIATE_TEST_SUITE_P(All, NpuGemma3Shapes,
                         ::testing::Combine(::testing::Values(Generation::kNpu1, Generation::kNpu2),
                                            ::testing::Values(GemmType::kI8, GemmType::kI4,
                                                              GemmType::kBf16)));

TEST(NpuGemm, ManyBlocks) {
  // More blocks of M than pushes fit a queue, and several blocks of N.
  std::mt19937 random(2);
  const GemmConfig config = Config(Generation::kNpu1, GemmType::kI8, GemmOutput::kI8);
  GemmArray array(config);
  CheckI8<int8_t>(array, config, {7 * 256 + 9, 130, 600}, 11, random);
  // More runs than an iteration counts, and than a push does.
  CheckI8<int8_t>(array, config, {3, 2, 258 * 256 + 1}, 0, random);
}

TEST(NpuGemm, NarrowI8RoundsAndSaturates) {
  std::mt19937 random(3);
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    const GemmConfig to8 = Config(generation, GemmType::kI8, GemmOutput::kI8);
    GemmArray bytes(to8);
    CheckI8<int8_t>(bytes, to8, {70, 300, 100}, 12, random);
    CheckI8<int8_t>(bytes, to8, {1, 128, 1}, 0, random);
    const GemmConfig to16 = Config(generation, GemmType::kI8, GemmOutput::kI16);
    GemmArray halves(to16);
    CheckI8<int16_t>(halves, to16, {70, 300, 100}, 4, random);
  }
}

TEST(NpuGemm, HalfOfNpu2) {
  std::mt19937 random(4);
  const GemmConfig config = {{Generation::kNpu2, 4}, GemmType::kI8, GemmOutput::kI32};
  GemmArray array(config);
  CheckI8<int32_t>(array, config, {40, 200, 300}, 0, random);
}

TEST(NpuGemm, Bf16SumsInFloat) {
  std::mt19937 random(5);
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    for (const GemmOutput output : {GemmOutput::kF32, GemmOutput::kBf16}) {
      const GemmConfig config = Config(generation, GemmType::kBf16, output);
      GemmArray array(config);
      for (const GemmShape& shape :
           {GemmShape{1, 1, 1}, GemmShape{65, 130, 70}, GemmShape{100, 257, 513}}) {
        CheckBf16(array, config, shape, random);
      }
    }
  }
}

TEST(NpuGemm, I4IsTheProductOfItsExpandedWeights) {
  std::mt19937 random(6);
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    const GemmConfig config = Config(generation, GemmType::kI4, GemmOutput::kI32);
    GemmArray array(config);
    for (const GemmShape& shape :
         {GemmShape{1, 1, 1}, GemmShape{70, 300, 100}, GemmShape{33, 515, 513}}) {
      CheckI4(array, config, shape, random);
    }
  }
}

TEST(NpuGemm, RowsWithPowersOfTwoAreTheReferencesBits) {
  std::mt19937 random(8);
  const auto side = [&](int64_t most) { return 1 + static_cast<int64_t>(random() % most); };
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    for (const GemmType type : {GemmType::kI8, GemmType::kI4}) {
      const GemmConfig config = Config(generation, type, GemmOutput::kF32);
      GemmArray array(config);
      const int64_t n_block = 64 * config.device.columns;
      for (const GemmShape& shape :
           {GemmShape{1, 1, 1}, GemmShape{64, 128, 64}, GemmShape{257, 129, n_block + 1},
            GemmShape{3, 640, 5}, GemmShape{side(300), side(500), side(600)},
            GemmShape{side(300), side(500), side(600)}}) {
        CheckScaled(array, config, shape, random);
      }
    }
  }
}

TEST(NpuGemm, StreamsAreTheSameTransfersForEveryShape) {
  const GemmConfig config = Config(Generation::kNpu2, GemmType::kI4, GemmOutput::kI32);
  const Stream small = GemmStream(PlanGemm(config, {1, 1, 1}));
  const Stream large = GemmStream(PlanGemm(config, {512, 2048, 16384}));
  // Two blocks of M rather than one: a push more for each row of cores.
  EXPECT_GT(large.ops.size(), small.ops.size());
  EXPECT_LT(large.ops.size(), small.ops.size() + 30);
  const std::vector<uint32_t> words = WriteStream(large);
  EXPECT_EQ(ReadStream(std::as_bytes(std::span(words)), "stream").stream, large);
}

TEST(NpuGemm, TheModelOfTimeKnowsTheDesign) {
  EXPECT_EQ(DesignTile(GemmType::kI8), (GemmShape{kTileM, kTileKI8, kTileN}));
  EXPECT_EQ(DesignTile(GemmType::kI4), (GemmShape{kTileM, kTileKI8, kTileN}));
  EXPECT_EQ(DesignTile(GemmType::kBf16), (GemmShape{kTileM, kTileKBf16, kTileN}));
  const auto check = [](Generation generation, GemmType type, const MicroShape& micro) {
    for (int64_t m = 1; m < 1000; ++m) {
      const int64_t rows = DesignTileRows(generation, type, m);
      const int64_t blocks = (m + 4 * kTileM - 1) / (4 * kTileM);
      EXPECT_EQ(rows % RowGranule(micro), 0);
      EXPECT_LE(rows, kTileM);
      EXPECT_GE(rows * 4 * blocks, m);
      EXPECT_LT((rows - RowGranule(micro)) * 4 * blocks, m);
    }
  };
  check(Generation::kNpu1, GemmType::kI8, kMicroI8Npu1);
  check(Generation::kNpu2, GemmType::kI4, kMicroI8Npu2);
  check(Generation::kNpu2, GemmType::kBf16, kMicroBf16);
}

TEST(NpuGemm, RefusesWhatItHasNoDesignFor) {
  const auto refuse = [](GemmConfig config, GemmShape shape) {
    EXPECT_THROW(PlanGemm(config, shape), Error);
  };
  refuse(Config(Generation::kNpu1, GemmType::kI8, GemmOutput::kBf16), {1, 1, 1});
  refuse(Config(Generation::kNpu1, GemmType::kI4, GemmOutput::kI16), {1, 1, 1});
  refuse(Config(Generation::kNpu1, GemmType::kBf16, GemmOutput::kI32), {1, 1, 1});
  refuse({{Generation::kNpu2, 3}, GemmType::kI8, GemmOutput::kI32}, {1, 1, 1});
  refuse({{Generation::kNpu1, 8}, GemmType::kI8, GemmOutput::kI32}, {1, 1, 1});
  const GemmConfig fine = Config(Generation::kNpu1, GemmType::kI8, GemmOutput::kI32);
  refuse(fine, {0, 1, 1});
  refuse(fine, {1, kMostGemmSum + 1, 1});
  refuse(fine, {kMostGemmRows + 1, 1, 1});
}

}  // namespace
}  // namespace tandem::npu::test
