// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize_plan.h"

#include <array>
#include <utility>

namespace tandem {
namespace {

using gemma::OutputTensor;
using gemma::TensorRole;

// The token table is the output head too, and per-layer rows are read one per token, so both stay
// at 6 bits or more in every plan: they decide quality and cost little time.
constexpr std::array<std::pair<std::string_view, QuantizePlan>, 8> kPlans = {{
    {"f32", {DType::kF32, DType::kF32, DType::kF32, DType::kF32, DType::kF32, 0}},
    {"f16", {DType::kF16, DType::kF16, DType::kF16, DType::kF16, DType::kF16, 1}},
    {"bf16", {DType::kBF16, DType::kBF16, DType::kBF16, DType::kBF16, DType::kBF16, 32}},
    {"q8_0", {DType::kQ8_0, DType::kQ8_0, DType::kQ8_0, DType::kQ8_0, DType::kQ8_0, 7}},
    {"q4_0", {DType::kQ4_0, DType::kQ4_0, DType::kQ8_0, DType::kQ6_K, DType::kQ6_K, 2}},
    {"q4_k", {DType::kQ4_K, DType::kQ4_K, DType::kQ8_0, DType::kQ6_K, DType::kQ6_K, 14}},
    {"q6_k", {DType::kQ6_K, DType::kQ6_K, DType::kQ8_0, DType::kQ6_K, DType::kQ6_K, 18}},
    {"q4_k_m", {DType::kQ4_K, DType::kQ6_K, DType::kQ8_0, DType::kQ6_K, DType::kQ6_K, 15}},
}};

// The usual mix: the first and last eighth of the layers, and every third in between.
bool IsFineLayer(int layer, int layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

DType Wanted(const QuantizePlan& plan, const OutputTensor& tensor, int layers) {
  switch (tensor.role) {
    case TensorRole::kVector: return DType::kF32;
    case TensorRole::kSensitive: return plan.sensitive;
    case TensorRole::kTokenTable: return plan.token_table;
    case TensorRole::kPleTable: return plan.ple_table;
    case TensorRole::kAttention:
    case TensorRole::kFfn: return plan.matrix;
    case TensorRole::kValue:
    case TensorRole::kFfnDown: return IsFineLayer(tensor.layer, layers) ? plan.fine : plan.matrix;
  }
  return DType::kF32;
}

// The type with blocks of 32 that stands in for one with blocks of 256.
DType Shorter(DType type) {
  switch (type) {
    case DType::kQ4_K: return DType::kQ5_0;
    case DType::kQ5_K: return DType::kQ5_1;
    case DType::kQ6_K: return DType::kQ8_0;
    default: return DType::kF16;
  }
}

}  // namespace

std::optional<QuantizePlan> FindQuantizePlan(std::string_view name) {
  for (const auto& [plan_name, plan] : kPlans) {
    if (plan_name == name) return plan;
  }
  return std::nullopt;
}

std::vector<std::string> QuantizePlanNames() {
  std::vector<std::string> names;
  names.reserve(kPlans.size());
  for (const auto& [name, plan] : kPlans) names.emplace_back(name);
  return names;
}

TypeChoice ChooseType(const QuantizePlan& plan, const OutputTensor& tensor, int layers) {
  TypeChoice choice{Wanted(plan, tensor, layers), DType::kF32};
  choice.type = choice.wanted;
  // Per-layer rows are read by layer, so a block may not reach into the next layer's columns.
  const int64_t length = tensor.role == TensorRole::kPleTable ? tensor.column_width : tensor.cols;
  while (length % BlockElements(choice.type) != 0) choice.type = Shorter(choice.type);
  return choice;
}

}  // namespace tandem
