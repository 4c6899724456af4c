// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which type each tensor of a converted file gets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/dtype.h"
#include "gemma/output_tensors.h"

namespace tandem {

struct QuantizePlan {
  DType matrix;       ///< Query, key, output, gate, up.
  DType fine;         ///< Value and down, in the layers that a mix keeps finer.
  DType sensitive;    ///< What Gemma 3n loses quality by: 8 bits or more.
  DType token_table;  ///< Embedding and output head.
  DType ple_table;
  uint32_t file_type;  ///< general.file_type, as llama.cpp numbers its mixes.
};

/// The plan of a type name, or nullopt.
std::optional<QuantizePlan> FindQuantizePlan(std::string_view name);
std::vector<std::string> QuantizePlanNames();

/// The type for `tensor` of a model of `layers` layers: `wanted` by the plan, and `type` that its
/// rows can hold.
struct TypeChoice {
  DType wanted;
  DType type;
};
TypeChoice ChooseType(const QuantizePlan& plan, const gemma::OutputTensor& tensor, int layers);

}  // namespace tandem
