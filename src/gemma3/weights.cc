// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3/weights.h"

namespace tandem::gemma3 {
namespace {

constexpr const char* kHead = "output.weight";

}  // namespace

Weights LoadWeights(const gemma::TensorLookup& lookup, const HyperParams& params, NormForm norms,
                    const std::string& file, const gemma::TensorNamer& namer) {
  Weights weights;
  gemma::WeightLoader load(lookup, params, kFamily, file, namer, weights.owned);
  load.SetNormShift(norms == NormForm::kLessOne ? 1.0f : 0.0f);
  weights.token_embedding = load.Matrix("token_embd.weight", params.vocab, params.width);
  // The published models have a tied head. Some files hold a copy, which may be of another type.
  weights.head =
      load.Find(kHead) ? load.Matrix(kHead, params.vocab, params.width) : weights.token_embedding;
  weights.output_norm = load.Norm("output_norm.weight", params.width);
  for (int layer = 0; layer < params.layers; ++layer) {
    load.LoadBlock(layer, /*owns_kv=*/true, weights.layers.emplace_back());
  }
  return weights;
}

std::vector<gemma::OutputTensor> ListTensors(const HyperParams& params, const Weights& weights) {
  using gemma::TensorRole;
  std::vector<gemma::OutputTensor> out;
  out.push_back(
      gemma::MatrixTensor("token_embd.weight", {weights.token_embedding}, TensorRole::kTokenTable));
  if (weights.head.data != weights.token_embedding.data) {
    out.push_back(gemma::MatrixTensor(kHead, {weights.head}, TensorRole::kTokenTable));
  }
  for (int layer = 0; layer < params.layers; ++layer) {
    gemma::AppendBlock(weights.layers[static_cast<size_t>(layer)], layer, out);
  }
  out.push_back(gemma::VectorTensor("output_norm.weight", weights.output_norm, params.width));
  return out;
}

}  // namespace tandem::gemma3
