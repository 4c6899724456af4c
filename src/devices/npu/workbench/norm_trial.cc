// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/workbench/norm_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/gemm/norm_pack.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/workbench/differences.h"

namespace tandem::npu {
namespace {

using Bytes = std::vector<std::byte>;

constexpr float kPostEpsilon = 0.25F;
constexpr float kPreEpsilon = 0.125F;
/// Of all of x together: far less than the worst case of each.
constexpr double kMostRelative = 0.03;
/// By how much inputs apart are larger.
constexpr float kLoud = 32;

float Rounded(float value) { return Bf16ToFloat(FloatToBf16(value)); }

class Trial {
 public:
  Trial(ArrayRunner& runner, std::chrono::milliseconds timeout, const GemmConfig& config,
        const NormShape& shape, uint64_t seed)
      : runner_(runner), timeout_(timeout), random_(seed) {
    trial_.plan = PlanNorm(config, shape);
    if (shape.m > kMostNormRows) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("norms of {} rows: {} at most", shape.m, kMostNormRows));
    }
  }

  NormTrial Run() {
    MakeNorms();
    MakeRows();
    MakeWeights();
    constexpr std::byte kBefore{0xA5};  // whatever was there
    rooms_.assign(static_cast<size_t>(plan().OutBytes()), kBefore);
    x_.assign(static_cast<size_t>(plan().x_bytes), kBefore);
    Bytes norm_b(static_cast<size_t>(plan().b_bytes));
    const NormWeights weights = {post_, kPostEpsilon, pre_, kPreEpsilon, order_};
    PackNorm(plan(), weights, base_, norm_b);
    PackNormHeaders(plan(), rooms_);
    PackNormTail(plan(), weights, x_);
    trial_.streams = {EncodeSequence(OutSequence(plan())), EncodeSequence(NormSequence(plan()))};
    const std::span<std::byte> first[] = {a_, b_, rooms_};
    const std::span<std::byte> second[] = {rooms_, norm_b, x_};
    const ListedRun list[] = {{&trial_.streams[0], first}, {&trial_.streams[1], second}};
    runner_.RunList(list, timeout_);
    Check();
    return std::move(trial_);
  }

 private:
  const NormPlan& plan() const { return trial_.plan; }
  size_t rows() const { return static_cast<size_t>(plan().shape.m); }
  size_t width() const { return static_cast<size_t>(plan().shape.n); }

  /// Numbers that bfloat16 has.
  std::vector<float> Normal(size_t count, float size) {
    std::normal_distribution<float> normal(0, size);
    std::vector<float> values(count);
    for (float& value : values) value = Rounded(normal(random_));
    return values;
  }

  void MakeNorms() {
    base_ = Normal(rows() * width(), 3);
    post_ = Normal(width(), 1);
    pre_ = Normal(width(), 1);
    if (plan().shape.apart) {
      // Blocks of 32, which i4 needs.
      std::vector<int32_t> blocks(width() / kI4Block);
      for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<int32_t>(i);
      std::shuffle(blocks.begin(), blocks.end(), random_);
      blocks.resize(kTileKI8 / kI4Block);
      for (const int32_t block : blocks) {
        for (int32_t i = 0; i < kI4Block; ++i) apart_.push_back(block * kI4Block + i);
      }
      for (const int32_t i : apart_) pre_[static_cast<size_t>(i)] *= kLoud;
    }
    order_ = OrderOfResults(plan().shape.n, apart_);
  }

  void MakeRows() {
    const auto k = static_cast<size_t>(plan().out.shape.k);
    const auto steps = static_cast<size_t>(plan().out.k_steps);
    std::vector<int8_t> bytes(rows() * k);
    std::vector<int8_t> exponents(rows() * steps);
    for (size_t t = 0; t < rows(); ++t) {
      std::vector<float> row = Normal(k, std::exp2(static_cast<float>(t % 5)));
      std::fill(row.begin() + plan().shape.k, row.end(), 0.0F);
      ScaleRow(row, std::span(bytes).subspan(t * k, k),
               std::span(exponents).subspan(t * steps, steps));
      for (size_t i = 0; i < k; ++i) {
        inputs_.push_back(
            std::ldexp(double{1} * bytes[t * k + i], exponents[t * steps + i / size_t{kTileKI8}]));
      }
    }
    a_.resize(static_cast<size_t>(plan().out.a_bytes));
    PackScaledA(plan().out, bytes, exponents, a_);
  }

  void MakeWeights() {
    b_.resize(static_cast<size_t>(plan().out.b_bytes));
    OutPacker packer(plan(), b_);
    const auto k = static_cast<size_t>(plan().out.shape.k);
    const bool four = plan().config().type == GemmType::kI4;
    // Each is what a nibble is.
    const std::vector<int8_t> ratios((k + kI4Block - 1) / kI4Block, 1 << kI4Shift);
    for (size_t column = 0; column < width(); ++column) {
      std::vector<int8_t> weights(k);
      for (size_t i = 0; i < static_cast<size_t>(plan().shape.k); ++i) {
        weights[i] = static_cast<int8_t>(static_cast<int>(random_() % 15) - 7);
      }
      const float scale = Rounded(0.01F * static_cast<float>(1 + column % 3));
      const auto place = static_cast<int64_t>(column);
      four ? packer.SetNibbles(place, weights, ratios)
           : packer.Set(place, std::span<const int8_t>(weights));
      packer.SetScale(place, scale);
      weights_.push_back(std::move(weights));
      scales_.push_back(scale);
    }
  }

  /// A column of the product: a result in its order.
  double Sum(size_t t, size_t column) const {
    const double* const x = inputs_.data() + t * static_cast<size_t>(plan().out.shape.k);
    double sum = 0;
    for (size_t i = 0; i < weights_[column].size(); ++i) sum += weights_[column][i] * x[i];
    return sum * scales_[column];
  }

  /// A row's tile among the next product's.
  const std::byte* Room(size_t tile, size_t t) const {
    const auto core_row = static_cast<int64_t>(t) / plan().out.tile_rows;
    return x_.data() + (static_cast<int64_t>(tile) * kCoreRows + core_row) * int64_t{kTileSumBytes};
  }
  size_t RowInTile(size_t t) const { return t % static_cast<size_t>(plan().out.tile_rows); }
  /// What the next product sees at a place, and the step of its row and tile.
  double Seen(size_t t, size_t place, double& step) const {
    const auto r = static_cast<size_t>(
        plan().config().device.generation == Generation::kNpu1 ? kMicroI8Npu1.r : kMicroI8Npu2.r);
    const size_t row = RowInTile(t);
    const size_t column = place % kTileKI8;
    const std::byte* const room = Room(place / kTileKI8, t);
    ActivationTileHeader header;
    std::memcpy(&header, room, sizeof header);
    const bool known =
        header.rows == static_cast<uint32_t>(plan().out.tile_rows) && header.has_factors == 1;
    step = known ? std::ldexp(1.0, header.exponents[row]) : NAN;
    const size_t at = ((row / r * (kTileKI8 / 8) + column / 8) * r + row % r) * 8 + column % 8;
    return static_cast<int8_t>(room[kActivationHeaderBytes + at]) * step;
  }

  /// Results of the product, which the norms are held against: they begin with these.
  std::vector<float> CheckedResults(Differences& differences) const {
    std::vector<float> o(rows() * width());
    UnpackOut(plan(), order_, rooms_, o);
    for (size_t t = 0; t < rows(); ++t) {
      for (size_t column = 0; column < width(); ++column) {
        const double want = Sum(t, column);
        const size_t at = t * width() + static_cast<size_t>(order_[column]);
        // Sums are rounded to bfloat16, and their products with scales.
        if (!(std::abs(o[at] - want) <= std::abs(want) / 128 + 1e-6)) {
          differences.Add(at, o[at], want);
        }
      }
    }
    return o;
  }

  void Check() {
    Differences differences(plan().shape.n);
    const std::vector<float> o = CheckedResults(differences);
    double errors = 0;
    double size = 0;
    for (size_t t = 0; t < rows(); ++t) CheckRow(t, o, differences, errors, size);
    trial_.difference = differences.Text(o.size());
    trial_.relative_error = size == 0 ? 0 : std::sqrt(errors / size);
    if (trial_.difference.empty() && !(trial_.relative_error <= kMostRelative)) {
      trial_.difference = fmt::format("all together are {:.1f} % off", 100 * trial_.relative_error);
    }
    trial_.ok = trial_.difference.empty();
  }

  void CheckRow(size_t t, const std::vector<float>& o, Differences& differences, double& errors,
                double& size) {
    const size_t first = t * width();
    double squares = 0;
    for (size_t i = 0; i < width(); ++i) squares += double{o[first + i]} * o[first + i];
    const double factor = 1 / std::sqrt(squares / static_cast<double>(width()) + kPostEpsilon);
    const auto rests = static_cast<size_t>(plan().rests());
    double of_y = 0;
    for (size_t place = 0; place < width(); ++place) {
      const auto i = static_cast<size_t>(order_[place]);
      const double added = o[first + i] * factor * post_[i];
      const double y = base_[first + i] + added;
      of_y += y * y;
      double step = 0;
      double got = Seen(t, rests * kTileKI8 + place, step);
      if (place < apart_.size()) got += Seen(t, place, step);
      const double want = y * pre_[i];
      // Half a step, of a half with a smaller one half of that before; what is added is rounded
      // twice, its factor, and both sums.
      const double bound =
          0.75 * step + (std::abs(y) + 2 * std::abs(added)) * std::abs(pre_[i]) / 128;
      const double error = std::abs(got - want);
      if (!(error <= bound)) differences.Add(first + i, got, want);
      trial_.max_abs_error = error <= trial_.max_abs_error ? trial_.max_abs_error : error;
      errors += error * error;
      size += want * want;
    }
    CheckSquares(t, rests, of_y, differences);
  }

  /// By which rows get their factors.
  void CheckSquares(size_t t, size_t rests, double want, Differences& differences) const {
    double got = 0;
    for (size_t tile = 0; tile < static_cast<size_t>(plan().summed_tiles); ++tile) {
      constexpr size_t kSquares = offsetof(NormedTile, own) + offsetof(RowSums, squares);
      float square = 0;
      std::memcpy(&square, Room(rests + tile, t) + kSquares + RowInTile(t) * sizeof square,
                  sizeof square);
      got += square;
    }
    if (!(std::abs(got - want) <= 0.01 * want)) differences.Add(t * width(), got, want);
  }

  ArrayRunner& runner_;
  const std::chrono::milliseconds timeout_;
  std::mt19937_64 random_;
  NormTrial trial_;
  std::vector<double> inputs_;
  std::vector<float> base_, post_, pre_, scales_;
  std::vector<int32_t> apart_, order_;
  std::vector<std::vector<int8_t>> weights_;
  Bytes a_, b_, rooms_, x_;
};

}  // namespace

NormTrial TryNormOn(ArrayRunner& runner, const GemmConfig& config, const NormShape& shape,
                    uint64_t seed, std::chrono::milliseconds timeout) {
  return Trial(runner, timeout, config, shape, seed).Run();
}

}  // namespace tandem::npu
