// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The model of matrix products against what was published, and what any such model must do.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/timing/gated_time.h"
#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu::test {
namespace {

struct Published {
  std::string id;
  GemmCase gemm;
  double tops = 0;
};

GemmType TypeOf(const std::string& name) {
  for (const GemmType type : {GemmType::kI8, GemmType::kI4, GemmType::kBf16, GemmType::kW4Bf16}) {
    if (GemmTypeName(type) == name) return type;
  }
  throw std::runtime_error("no type " + name);
}

std::vector<Published> LoadPublished() {
  std::ifstream in("data/npu/gemm_published.json");
  std::vector<Published> rows;
  const auto document = nlohmann::json::parse(in);
  for (const auto& json : document.at("rows")) {
    Published row;
    row.id = json.at("id");
    row.gemm.device = *ParseDevice(json.at("generation").get<std::string>());
    row.gemm.device.columns = json.value("columns", row.gemm.device.columns);
    row.gemm.type = TypeOf(json.at("type"));
    row.gemm.output = ParseGemmOutput(json.at("output").get<std::string>()).value();
    const auto shape = [&](const char* key) {
      const auto& sides = json.at(key);
      return GemmShape{sides.at(0), sides.at(1), sides.at(2)};
    };
    row.gemm.shape = shape("shape");
    row.gemm.tile = shape("tile");
    const bool chess = json.at("kernel") == "chess";
    row.gemm.kernel = chess ? KernelClass::kChess : KernelClass::kPeano;
    row.gemm.layout = chess ? GemmLayout::kBlockRows : GemmLayout::kTileRows;
    row.tops = json.at("tops");
    rows.push_back(row);
  }
  return rows;
}

TEST(NpuTiming, PublishedProducts) {
  std::vector<double> errors;
  for (const Published& row : LoadPublished()) {
    const double error = ModelGemm(row.gemm).tops / row.tops - 1;
    EXPECT_LT(std::abs(error), 0.35) << "row " << row.id;
    errors.push_back(std::abs(error));
  }
  ASSERT_GT(errors.size(), 25U);
  std::nth_element(errors.begin(), errors.begin() + static_cast<long>(errors.size() / 2),
                   errors.end());
  EXPECT_LT(errors[errors.size() / 2], 0.15);
}

GemmCase Case(Generation generation, GemmShape shape) {
  GemmCase gemm;
  gemm.device = {generation, MaxColumns(generation)};
  gemm.shape = shape;
  gemm.tile = {64, 128, 64};
  return gemm;
}

TEST(NpuTiming, FollowsItsParts) {
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    GemmCase gemm = Case(generation, {1024, 2048, 2048});
    const GemmTime all = ModelGemm(gemm);
    EXPECT_EQ(all.bound, GemmBound::kCompute);
    EXPECT_NEAR(all.seconds, std::max(all.core_seconds, all.dram_seconds) + all.dispatch_seconds,
                1e-12);
    EXPECT_NEAR(all.cycles, all.seconds * ModelClock(generation), 1);
    EXPECT_LT(all.share_of_peak, 1);

    // Half of the columns take twice the time of the cores; the clock of the cores is theirs alone.
    gemm.device.columns /= 2;
    EXPECT_NEAR(ModelGemm(gemm).core_seconds, 2 * all.core_seconds, 1e-9);
    gemm.device.columns *= 2;
    gemm.clock_hz = 2 * ModelClock(generation);
    EXPECT_NEAR(ModelGemm(gemm).core_seconds, all.core_seconds / 2, 1e-9);
    EXPECT_EQ(ModelGemm(gemm).dram_seconds, all.dram_seconds);

    // What pads a problem costs what a whole one costs, but for rows that short problems leave out.
    gemm = Case(generation, {1, 1, 1});
    gemm.layout = GemmLayout::kTileRows;
    GemmCase whole = gemm;
    whole.shape = {gemm.tile.m * 4, gemm.tile.k, gemm.tile.n * gemm.device.columns};
    EXPECT_EQ(ModelGemm(gemm).seconds, ModelGemm(whole).seconds);
    EXPECT_EQ(ModelGemm(gemm).bound, GemmBound::kDispatch);

    whole.layout = gemm.layout = GemmLayout::kPacked;
    gemm.shape = {32, 2048, 2048};
    whole.shape = {256, 2048, 2048};
    EXPECT_LT(ModelGemm(gemm).seconds, ModelGemm(whole).seconds);

    // Short runs of bytes from DRAM cost.
    whole.shape = {4096, 4096, 4096};
    whole.tile = {64, 64, 64};
    whole.layout = GemmLayout::kTileRows;
    EXPECT_EQ(ModelGemm(whole).bound, GemmBound::kDram);
    const double rows = ModelGemm(whole).dram_seconds;
    whole.layout = GemmLayout::kPacked;
    EXPECT_LT(ModelGemm(whole).dram_seconds, 0.7 * rows);
  }
}

// A list against a call for each product.
TEST(NpuTiming, ListsSaveCallsAndCostAPassBetweenSums) {
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    GatedCase gated;
    gated.device = {generation, MaxColumns(generation)};
    gated.gate_k = gated.up_k = gated.n = 2048;
    gated.neurons = 8192;
    const auto apart = [&](double GemmTime::*time) {
      GemmCase gemm = Case(generation, {gated.m, 2048, 2 * gated.neurons});
      gemm.output = GemmOutput::kF32;
      const double first = ModelGemm(gemm).*time;
      gemm.shape = {gated.m, gated.neurons, 2048};
      return first + ModelGemm(gemm).*time;
    };
    gated.m = 32;
    const GemmTime few = ModelGated(gated);
    EXPECT_EQ(few.dispatch_seconds, apart(&GemmTime::dispatch_seconds) / 2);
    EXPECT_LT(few.seconds, apart(&GemmTime::seconds));
    EXPECT_LT(few.dram_bytes, apart(&GemmTime::dram_bytes));
    gated.m = 512;
    const GemmTime many = ModelGated(gated);
    EXPECT_GT(many.core_seconds, apart(&GemmTime::core_seconds));
    EXPECT_LT(many.core_seconds, 1.3 * apart(&GemmTime::core_seconds));
    // Gates that are cut come by once more, all columns' to each: by as much as the shims and the
    // streams take for them, and no more than a third.
    for (const int64_t rows : {32, 512}) {
      gated.m = rows;
      gated.cuts = false;
      const GemmTime dense = ModelGated(gated);
      gated.cuts = true;
      const GemmTime sparse = ModelGated(gated);
      const double blocks = rows == 32 ? 1 : 2;
      const double gates = blocks * 4 * 128 * (kTileABytes + kTileSumBytes);
      EXPECT_GT(sparse.dram_bytes, dense.dram_bytes + gates);
      EXPECT_LT(sparse.dram_bytes, dense.dram_bytes + 1.1 * gates);
      EXPECT_GT(sparse.core_seconds, dense.core_seconds);
      EXPECT_LT(sparse.seconds, 1.33 * dense.seconds);
      EXPECT_EQ(sparse.dispatch_seconds, dense.dispatch_seconds);
    }
    // Few neurons are spread over all columns.
    EXPECT_EQ(GatedHalves(gated.device, 64 * gated.device.columns), 1);
    EXPECT_EQ(GatedHalves(gated.device, 64 * gated.device.columns + 1), 2);
  }
}

TEST(NpuTiming, RefusesWhatNoCoreHolds) {
  GemmCase gemm = Case(Generation::kNpu1, {256, 256, 256});
  gemm.layout = GemmLayout::kTileRows;
  gemm.tile = {512, 512, 512};
  EXPECT_THROW(ModelGemm(gemm), Error);
  gemm.tile = {64, 0, 64};
  EXPECT_THROW(ModelGemm(gemm), Error);
  gemm.tile = {64, 66, 64};
  EXPECT_THROW(ModelGemm(gemm), Error);
}

}  // namespace
}  // namespace tandem::npu::test
