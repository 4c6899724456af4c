// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "engine/text_models.h"
#include "gemma3n/gguf.h"
#include "gemma3n/hf.h"
#include "gemma3n/program.h"
#include "gemma3n/slice.h"

namespace tandem {
namespace {

using gemma3n::HyperParams;
using gemma3n::Weights;

std::vector<int64_t> ParseWidths(const std::string& text) {
  std::vector<int64_t> widths;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    int64_t width = 0;
    const char* end = text.data() + comma;
    const auto [parsed, code] = std::from_chars(text.data() + begin, end, width);
    if (code != std::errc() || parsed != end || width < 1) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("'{}' is not an FFN width",
                              Printable(std::string_view(text).substr(begin, comma - begin))),
                  "write one width for all layers, or a list such as 8192,8192,16384");
    }
    widths.push_back(width);
    begin = comma + 1;
  }
  return widths;
}

gemma3n::SliceSpec ReadSlice(const SliceRequest& request, const HyperParams& params) {
  gemma3n::SliceSpec spec;
  if (!request.preset.empty()) {
    if (!request.skip.empty() || !request.ffn.empty()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "a slice is either a preset or layers and widths of its own, not both");
    }
    const auto preset = gemma3n::SlicePreset(request.preset, params);
    if (!preset) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("no slice '{}' is known of {} layers with an FFN of {}",
                              Printable(request.preset), params.layers, params.ffn[0]),
                  "e2b cuts E4B (35 layers of 16384); others with --slice-skip and --slice-ffn");
    }
    return *preset;
  }
  if (!request.skip.empty()) spec.skip = gemma3n::ParseLayerList(request.skip);
  if (!request.ffn.empty()) spec.widths = ParseWidths(request.ffn);
  return spec;
}

class Gemma3nModel : public TextModel {
 public:
  Gemma3nModel(HyperParams params, Weights weights)
      : params_(std::move(params)), weights_(std::move(weights)) {}

  std::string_view architecture() const override { return gemma3n::kArchitecture; }
  const gemma::StackParams& params() const override { return params_; }
  int64_t ids() const override { return std::min(params_.vocab, params_.ple_vocab); }
  Program BuildProgram(gemma::Rows rows) const override {
    return gemma3n::BuildProgram(params_, weights_, rows);
  }
  void WriteGgufParams(GgufWriter& writer) const override {
    gemma3n::WriteGgufParams(params_, writer);
  }
  std::vector<gemma::OutputTensor> ListTensors() const override {
    return gemma3n::ListTensors(params_, weights_);
  }
  std::vector<int64_t> Layout() const override {
    std::vector<int64_t> layout;
    for (size_t i = 0; i < weights_.layers.size(); ++i) {
      layout.push_back(weights_.layers[i].ple_column);
      layout.push_back(params_.ffn[i]);
    }
    return layout;
  }
  std::unique_ptr<TextModel> Slice(const SliceRequest& request) const override {
    gemma3n::SlicedModel slice = gemma3n::Slice(params_, weights_, ReadSlice(request, params_));
    return std::make_unique<Gemma3nModel>(std::move(slice.params), std::move(slice.weights));
  }

  std::vector<std::pair<std::string, std::string>> Shape() const override {
    const HyperParams& p = params_;
    const auto sparse = std::count_if(p.sparsity.begin(), p.sparsity.end(),
                                      [](const auto& s) { return s.has_value(); });
    return {
        {"layers", LayersText(p)},
        {"keys and values", p.shared_kv_layers == 0
                                ? std::string("owned by every layer")
                                : fmt::format("owned by layers 0-{}, shared by the last {}",
                                              p.FirstShared() - 1, p.shared_kv_layers)},
        {"width", std::to_string(p.width)},
        {"FFN width", WidthText(p.ffn)},
        {"heads", HeadsText(p)},
        {"AltUp", fmt::format("{} streams, {} active", p.altup_inputs, p.altup_active)},
        {"LAuReL rank", std::to_string(p.laurel_rank)},
        {"per-layer inputs", fmt::format("{} wide, {} ids", p.ple_width, p.ple_vocab)},
        {"sparse layers", std::to_string(sparse)},
        {"vocabulary", std::to_string(p.vocab)},
        {"RoPE bases", RopeText(p)},
        {"logit soft cap", fmt::format("{}", p.logit_soft_cap)},
        {"context", std::to_string(p.context_length)},
    };
  }

 private:
  HyperParams params_;
  Weights weights_;
};

}  // namespace

std::unique_ptr<TextModel> MakeGemma3n(HyperParams params, Weights weights) {
  return std::make_unique<Gemma3nModel>(std::move(params), std::move(weights));
}

bool IsGemma3n(const ModelSource& source) {
  if (!source.gguf) return gemma3n::IsHfConfig(source.config);
  return source.gguf->metadata().FindString("general.architecture") == gemma3n::kArchitecture;
}

std::unique_ptr<TextModel> ReadGemma3n(const ModelSource& source) {
  if (source.gguf) {
    HyperParams params = gemma3n::ReadGgufParams(*source.gguf);
    Weights weights = gemma3n::LoadWeights(gemma::GgufLookup(*source.gguf), params, source.name);
    return MakeGemma3n(std::move(params), std::move(weights));
  }
  HyperParams params = gemma3n::ReadHfConfig(source.config, FolderConfigName(source));
  Weights weights = gemma3n::LoadWeights(FolderLookup(source, gemma3n::HfTensorName), params,
                                         source.name, FolderNamer(source, gemma3n::HfTensorName));
  return MakeGemma3n(std::move(params), std::move(weights));
}

}  // namespace tandem
