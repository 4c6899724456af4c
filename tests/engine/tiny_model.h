// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Models of random shapes and weights, so small that they run thousands of steps a second.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/model_data.h"
#include "engine/text_models.h"
#include "support/random_model.h"
#include "tandem/engine.h"

namespace tandem::test {

/// A model without a tokenizer of this shape; matrices in `type` where its blocks fit.
inline std::shared_ptr<const Model> TinyModel(const gemma3n::HyperParams& params, uint64_t seed,
                                              DType type = DType::kF32) {
  // Keeps the weights that the model points into.
  struct Kept {
    testing::RandomModel random;
    std::shared_ptr<const Model> model;
  };
  auto kept = std::make_shared<Kept>();
  kept->random = testing::MakeRandomModel(params, seed, type);
  auto data = std::make_unique<ModelData>();
  data->source.name = "random model";
  data->text = MakeGemma3n(kept->random.params, std::move(kept->random.weights));
  data->decode = data->text->BuildProgram(gemma::Rows::kAllWanted);
  data->prefill = data->text->BuildProgram(gemma::Rows::kSomeWanted);
  data->banned.assign(static_cast<size_t>(params.ple_vocab), false);
  kept->model = MakeModel(std::move(data));
  const Model* model = kept->model.get();
  return {std::move(kept), model};
}

/// The same of a random shape with `vocab` ids and a context of 256.
inline std::shared_ptr<const Model> TinyModel(uint64_t seed, int64_t vocab) {
  gemma3n::HyperParams params = testing::RandomParams(seed);
  params.vocab = vocab;
  params.ple_vocab = vocab;
  return TinyModel(params, seed);
}

/// Options for engines of such models, which have no files whose size could be asked for.
inline EngineOptions TinyOptions(int64_t chunk, int threads = 1) {
  EngineOptions options;
  options.chunk = chunk;
  options.threads = threads;
  options.memory_check = false;
  return options;
}

}  // namespace tandem::test
