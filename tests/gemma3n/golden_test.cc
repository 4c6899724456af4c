// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Goldens of the reference implementation (Hugging Face transformers): logits of the random models,
// and the AltUp streams after every layer, on the CPU device and on our own double reference.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "devices/cpu/cpu_device.h"
#include "formats/json_file.h"
#include "formats/safetensors.h"
#include "gemma3n/hf.h"
#include "gemma3n/program.h"
#include "gemma3n/slice.h"
#include "nlohmann/json.hpp"
#include "support/program_trace.h"
#include "support/reference_gemma3n.h"

namespace tandem::testing {
namespace {

namespace fs = std::filesystem;

struct LoadedModel {
  SafetensorsSet files;
  gemma3n::HyperParams params;
  gemma3n::Weights weights;
};

std::unique_ptr<LoadedModel> Load(const fs::path& folder) {
  auto model = std::make_unique<LoadedModel>(LoadedModel{SafetensorsSet::Open(folder), {}, {}});
  model->params = gemma3n::ReadHfConfig(ParseJsonFile(folder / "config.json", 1 << 20), "config");
  const auto lookup = [&](const std::string& name, int index) -> std::optional<WeightView> {
    const auto* tensor =
        model->files.Find("model.language_model." + gemma3n::HfTensorName(name, index));
    return tensor == nullptr ? std::nullopt : std::optional(model->files.View(*tensor));
  };
  model->weights = LoadWeights(lookup, model->params, folder.string());
  return model;
}

class Golden {
 public:
  explicit Golden(const fs::path& path) : set_(SafetensorsSet::Open(path)) {}

  std::vector<int32_t> Ids() const {
    const auto bytes = set_.Get("ids").data;
    std::vector<int64_t> wide(bytes.size() / sizeof(int64_t));
    std::memcpy(wide.data(), bytes.data(), bytes.size());
    return {wide.begin(), wide.end()};
  }
  std::vector<float> Floats(const std::string& name) const {
    const auto bytes = set_.Get(name).data;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  SafetensorsSet set_;
};

double LargestDifference(const std::vector<double>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    worst = std::max(worst, std::fabs(a[i] - double(b[i])));
  }
  return worst;
}

// The streams after each layer at the golden's positions against trace's: the first layer that is
// off, relative to its largest value, or -1.
int FirstWrongLayer(const Golden& golden, const Trace& trace, const gemma3n::HyperParams& params,
                    size_t tokens, const std::vector<size_t>& positions, double tolerance) {
  const auto width = static_cast<size_t>(params.width);
  for (int layer = 0; layer < params.layers; ++layer) {
    const std::vector<float> want = golden.Floats("layer_" + std::to_string(layer));
    const std::vector<double>& got = trace.at({"PerLayerMix", layer});
    double scale = 0;
    double worst = 0;
    for (size_t a = 0; a < static_cast<size_t>(params.altup_inputs); ++a) {
      for (size_t i = 0; i < positions.size(); ++i) {
        for (size_t d = 0; d < width; ++d) {
          const double expected = want[(a * positions.size() + i) * width + d];
          scale = std::max(scale, std::fabs(expected));
          worst =
              std::max(worst, std::fabs(got[(a * tokens + positions[i]) * width + d] - expected));
        }
      }
    }
    if (!(worst <= tolerance * scale)) return layer;
  }
  return -1;
}

class RandomGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(RandomGolden, LogitsAndStreamsAgree) {
  const fs::path folder = fs::path("data/random") / GetParam();
  const auto model = Load(folder);
  const Golden golden(folder / "golden.safetensors");
  const auto ids = golden.Ids();
  const auto want = golden.Floats("logits_f64_as_f32");
  const ReferenceRun reference = RunReference(model->params, model->weights, ids);
  EXPECT_LT(LargestDifference(reference.logits, want), 3e-4);
  const Program program = BuildProgram(model->params, model->weights, gemma3n::Rows::kAllWanted);
  for (const cpu::Isa isa : cpu::AvailableIsas()) {
    SCOPED_TRACE(cpu::IsaName(isa));
    const Trace trace = TraceProgram(program, *MakeCpuDevice(2, isa), ids);
    EXPECT_LT(LargestDifference(trace.at({"LmHead", -1}), want), 1e-3);
    EXPECT_EQ(FirstDifference(program, trace, reference.trace, 1e-4), "");
    EXPECT_EQ(FirstWrongLayer(golden, trace, model->params, ids.size(), {0, 20, 95}, 1e-4), -1);
  }
  EXPECT_EQ(FirstWrongLayer(golden, reference.trace, model->params, ids.size(), {0, 20, 95}, 1e-4),
            -1);
}

INSTANTIATE_TEST_SUITE_P(Models, RandomGolden, ::testing::Values("base", "mha"));

// fable's bf16 weights are too large to keep here; where a checkout of them lies beside the project
// (or TANDEM_SHARED_MODELS names it), its traces are checked as well.
fs::path SharedModels() {
  const char* named = std::getenv("TANDEM_SHARED_MODELS");
  return named != nullptr ? fs::path(named) : fs::path("../../shared/models");
}

TEST(FableGolden, TracesAgreeForTheWholeModelAndItsSlice) {
  const fs::path folder = SharedModels() / "fable-e4b";
  if (!fs::exists(folder / "config.json")) {
    GTEST_SKIP() << "no bf16 fable in " << folder << " (set TANDEM_SHARED_MODELS to its folder)";
  }
  const auto model = Load(folder);
  const auto slice =
      gemma3n::Slice(model->params, model->weights, *gemma3n::SlicePreset("e2b", model->params));
  const auto check = [](const char* name, const gemma3n::HyperParams& params,
                        const gemma3n::Weights& weights) {
    const Golden golden(fs::path("data") / name / "trace.safetensors");
    const auto ids = golden.Ids();
    const Program program = BuildProgram(params, weights, gemma3n::Rows::kAllWanted);
    const Trace trace = TraceProgram(program, *MakeCpuDevice(2), ids);
    EXPECT_EQ(FirstWrongLayer(golden, trace, params, ids.size(), {0, 70, 199}, 1e-4), -1) << name;
    const auto want = golden.Floats("logits");
    const auto& logits = trace.at({"LmHead", -1});
    std::vector<double> picked;
    for (const size_t position : {0, 70, 199}) {
      const auto* row = logits.data() + position * static_cast<size_t>(params.vocab);
      picked.insert(picked.end(), row, row + params.vocab);
    }
    EXPECT_LT(LargestDifference(picked, want), 1e-3) << name;
  };
  check("fable-e4b", model->params, model->weights);
  check("fable-e2b", slice.params, slice.weights);
}

}  // namespace
}  // namespace tandem::testing
