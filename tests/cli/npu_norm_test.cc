// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu norm as its user calls it.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/process.h"

namespace tandem::test {
namespace {

TEST(NpuNorm, IsAList) {
  const auto norm = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"npu", "norm"};
    for (const auto& [side, size] : {std::pair("-m", "20"), {"-k", "200"}, {"-n", "300"}}) {
      if (std::find(more.begin(), more.end(), side) == more.end()) {
        arguments.insert(arguments.end(), {side, size});
      }
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Tandem(arguments);
  };
  for (const std::string generation : {"npu1", "npu2"}) {
    for (const std::string type : {"i8", "i4"}) {
      const Finished run = norm({"--generation", generation, "--type", type, "--apart", "--json"});
      ASSERT_EQ(run.code, 0) << run.err;
      const auto json = nlohmann::json::parse(run.out);
      EXPECT_EQ(json["ok"], true);
      EXPECT_GT(json["max_abs_error"], 0);
      EXPECT_GT(json["relative_error"], 0.0005);
      EXPECT_LT(json["relative_error"], 0.03);
      EXPECT_EQ(json["modelled"], true);
      EXPECT_EQ(json["device"], generation + ", emulated");
    }
  }
  const TemporaryFolder folder;
  EXPECT_EQ(norm({"--seed", "9", "--save", folder / "out"}).code, 0);
  for (const std::string stream : {"first.bin", "second.bin"}) {
    EXPECT_EQ(Tandem({"npu", "insts", folder / ("out/" + stream)}).code, 0);
  }
  // The norms' share of a list grows with the rows.
  const auto seconds = [&](const std::string& m) {
    const Finished model = norm({"-m", m, "-k", "2048", "-n", "2048", "--model-only", "--json"});
    EXPECT_EQ(model.code, 0) << model.err;
    return nlohmann::json::parse(model.out)["time_us"].get<double>();
  };
  EXPECT_GT(seconds("128"), seconds("32"));
  const auto refuse = [&](const std::vector<std::string>& more, const std::string& says) {
    const Finished run = norm(more);
    EXPECT_EQ(run.code, 2) << run.err;
    EXPECT_NE(run.err.find(says), std::string::npos) << run.err;
    EXPECT_LE(Lines(run.err).size(), 2U) << run.err;
  };
  refuse({"-m", "129"}, "-m");
  refuse({"-n", "256"}, "-n 256");
  refuse({"-k", "0"}, "-k");
  refuse({"--type", "bf16"}, "--type");
  refuse({"--columns", "3"}, "--columns 3");
  refuse({"--model-only", "--device", "xrt"}, "--device");
  refuse({"--model-only", "--save", "x"}, "--save");
  const Finished large = norm({"-k", "130000", "-n", "130000"});
  EXPECT_NE(large.err.find("8 at most"), std::string::npos) << large.err;
}

}  // namespace
}  // namespace tandem::test
