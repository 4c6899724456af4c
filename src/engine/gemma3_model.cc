// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "core/error.h"
#include "engine/text_models.h"
#include "gemma/gguf.h"
#include "gemma/hf.h"
#include "gemma3/gguf.h"
#include "gemma3/hf.h"
#include "gemma3/program.h"

namespace tandem {
namespace {

using gemma3::HyperParams;
using gemma3::Weights;

std::string HfName(const std::string& canonical, int) { return gemma::HfStackName(canonical); }

class Gemma3Model : public TextModel {
 public:
  Gemma3Model(HyperParams params, Weights weights)
      : params_(std::move(params)), weights_(std::move(weights)) {}

  std::string_view architecture() const override { return gemma3::kFamily.architecture; }
  const gemma::StackParams& params() const override { return params_; }
  int64_t ids() const override { return params_.vocab; }
  Program BuildProgram(gemma::Rows rows) const override {
    return gemma3::BuildProgram(params_, weights_, rows);
  }
  void WriteGgufParams(GgufWriter& writer) const override {
    gemma3::WriteGgufParams(params_, writer);
  }
  std::vector<gemma::OutputTensor> ListTensors() const override {
    return gemma3::ListTensors(params_, weights_);
  }
  std::unique_ptr<TextModel> Slice(const SliceRequest&) const override {
    throw Error(ErrorKind::kInvalidArgument, "slice: Gemma 3 holds no smaller model in it",
                "only Gemma 3n was trained to be cut");
  }

  std::vector<std::pair<std::string, std::string>> Shape() const override {
    const HyperParams& p = params_;
    std::vector<std::pair<std::string, std::string>> shape = {
        {"layers", LayersText(p)},
        {"width", std::to_string(p.width)},
        {"FFN width", WidthText(p.ffn)},
        {"heads", HeadsText(p)},
        {"attention scale", fmt::format("{}", p.attention_scale)},
        {"vocabulary", std::to_string(p.vocab)},
        {"RoPE bases", RopeText(p)},
    };
    if (p.logit_soft_cap != 0)
      shape.push_back({"logit soft cap", fmt::format("{}", p.logit_soft_cap)});
    shape.push_back({"context", std::to_string(p.context_length)});
    return shape;
  }

 private:
  HyperParams params_;
  Weights weights_;
};

}  // namespace

bool IsGemma3(const ModelSource& source) {
  if (!source.gguf) return gemma3::IsHfConfig(source.config);
  return source.gguf->metadata().FindString("general.architecture") == gemma3::kFamily.architecture;
}

std::unique_ptr<TextModel> ReadGemma3(const ModelSource& source) {
  if (source.gguf) {
    HyperParams params = gemma3::ReadGgufParams(*source.gguf);
    Weights weights = gemma3::LoadWeights(gemma::GgufLookup(*source.gguf), params,
                                          gemma3::NormForm::kWhole, source.name);
    return std::make_unique<Gemma3Model>(std::move(params), std::move(weights));
  }
  HyperParams params = gemma3::ReadHfConfig(source.config, FolderConfigName(source));
  Weights weights =
      gemma3::LoadWeights(FolderLookup(source, HfName), params, gemma3::NormForm::kLessOne,
                          source.name, FolderNamer(source, HfName));
  return std::make_unique<Gemma3Model>(std::move(params), std::move(weights));
}

}  // namespace tandem
