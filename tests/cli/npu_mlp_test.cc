// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu mlp as its user calls it.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/process.h"

namespace tandem::test {
namespace {

TEST(NpuMlp, MultipliesAsAList) {
  const auto mlp = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"npu", "mlp"};
    for (const auto& [side, size] :
         {std::pair("-m", "20"), {"-k", "200"}, {"--neurons", "300"}, {"-n", "70"}}) {
      if (std::find(more.begin(), more.end(), side) == more.end()) {
        arguments.insert(arguments.end(), {side, size});
      }
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Tandem(arguments);
  };
  for (const std::string generation : {"npu1", "npu2"}) {
    for (const std::string type : {"i8", "i4"}) {
      const Finished run = mlp({"--generation", generation, "--type", type, "--json"});
      ASSERT_EQ(run.code, 0) << run.err;
      const auto json = nlohmann::json::parse(run.out);
      EXPECT_EQ(json["ok"], true);
      EXPECT_GT(json["max_abs_error"], 0);
      EXPECT_GT(json["relative_error"], 0.005);
      EXPECT_LT(json["relative_error"], 0.05);
      EXPECT_EQ(json["modelled"], true);
      EXPECT_EQ(json["device"], generation + ", emulated");
    }
  }
  const TemporaryFolder folder;
  EXPECT_EQ(mlp({"--up", "130", "--seed", "9", "--save", folder / "out"}).code, 0);
  for (const std::string stream : {"first.bin", "second.bin"}) {
    EXPECT_EQ(Tandem({"npu", "insts", folder / ("out/" + stream)}).code, 0);
  }
  EXPECT_EQ(mlp({"--cut", "1.645", "--type", "i4", "--save", folder / "cut"}).code, 0);
  for (const std::string stream : {"first.bin", "second.bin", "third.bin"}) {
    EXPECT_EQ(Tandem({"npu", "insts", folder / ("cut/" + stream)}).code, 0);
  }
  // Gates that are cut cost the array time.
  const auto seconds = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"-m", "512", "-k", "2048", "--neurons", "8192", "-n", "2048"};
    all.insert(all.end(), {"--model-only", "--json"});
    all.insert(all.end(), more.begin(), more.end());
    return nlohmann::json::parse(mlp(all).out)["time_us"].get<double>();
  };
  EXPECT_GT(seconds({"--cut", "1.645"}), seconds({}));
  EXPECT_EQ(seconds({"--cut", "1.645"}), seconds({"--cut", "-0.5"}));
  const Finished model = mlp({"-m", "9999", "--neurons", "16384", "--model-only", "--json"});
  ASSERT_EQ(model.code, 0) << model.err;
  EXPECT_EQ(nlohmann::json::parse(model.out)["max_abs_error"], nullptr);
  EXPECT_NE(mlp({}).out.find(" % off\n"), std::string::npos);
  const auto refuse = [&](const std::vector<std::string>& more, const std::string& says,
                          int code = 2) {
    const Finished run = mlp(more);
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_NE(run.err.find(says), std::string::npos) << run.err;
    EXPECT_LE(Lines(run.err).size(), 2U) << run.err;
  };
  refuse({"-k", "131071"}, "-k");
  refuse({"-k", "130944", "--up", "1"}, "130944 together");
  refuse({"--neurons", "0"}, "--neurons");
  refuse({"--cut", "1", "--up", "130"}, "--up");
  refuse({"--cut", "many"}, "--cut");
  refuse({"--columns", "3"}, "--columns 3");
  refuse({"--type", "bf16"}, "--type");
  refuse({"--model-only", "--device", "xrt"}, "--device");
  refuse({"--model-only", "--save", "x"}, "--save");
  refuse({"--save", ""}, "--save");
  const Finished large = mlp({"-k", "130000", "--neurons", "130000"});
  EXPECT_NE(large.code, 0);
  EXPECT_NE(large.err.find("8 at most"), std::string::npos) << large.err;
}

}  // namespace
}  // namespace tandem::test
