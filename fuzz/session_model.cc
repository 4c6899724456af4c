// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "session_model.h"

#include "gemma3n/program.h"
#include "support/random_model.h"

namespace tandem::fuzz {
namespace {

struct SmallModel {
  testing::RandomModel model;
  Program program;
};

SmallModel MakeModel() {
  gemma3n::HyperParams params;
  params.layers = 3;
  params.width = 4;
  params.ffn = {4, 4, 4};
  params.heads = 1;
  params.kv_heads = 1;
  params.head_dim = 2;
  params.vocab = 16;
  params.ple_vocab = 16;
  params.ple_width = 2;
  params.laurel_rank = 1;
  params.shared_kv_layers = 1;
  params.kinds = {gemma::LayerKind::kFull, gemma::LayerKind::kSliding, gemma::LayerKind::kSliding};
  params.window = 4;
  params.altup_inputs = 1;
  params.sparsity.resize(3);
  params.context_length = 64;
  params.Validate("fuzz");
  return {testing::MakeRandomModel(params, 1), {}};
}

}  // namespace

const Program& SessionProgram() {
  static SmallModel small = MakeModel();
  if (small.program.ops.empty()) {
    small.program =
        gemma3n::BuildProgram(small.model.params, small.model.weights, gemma::Rows::kAllWanted);
  }
  return small.program;
}

KvShape SessionShape(DType type) { return {.context = 24, .chunk = 4, .slack = 2, .type = type}; }

}  // namespace tandem::fuzz
