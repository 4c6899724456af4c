// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3n as GGUF stores it: metadata keys, and the list of tensors a file holds.
#pragma once

#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "gemma/gguf.h"
#include "gemma/output_tensors.h"
#include "gemma3n/hparams.h"
#include "gemma3n/weights.h"

namespace tandem::gemma3n {

/// The value of general.architecture.
inline constexpr const char* kArchitecture = kFamily.architecture;

/// Reads the gemma3n.* keys as they exist in the wild (files of different ages, and Ollama's); what
/// has no key comes from tensor shapes. The result is validated. Throws Error kUnsupported for
/// another architecture, kNotFound, kCorruptFile.
HyperParams ReadGgufParams(const GgufFile& file);

/// Declares the gemma3n.* keys.
void WriteGgufParams(const HyperParams& params, GgufWriter& writer);

using gemma::GgufLookup;
using gemma::OutputTensor;
using gemma::TensorRole;

/// The tensors of a GGUF file of this model in the usual order: 24 per layer (less the key and
/// value tensors that KV-shared layers have no use for) and 7 more. The per-layer table gets zero
/// rows up to the vocabulary, as other engines expect. `params` and `weights` must outlive the
/// result.
std::vector<OutputTensor> ListTensors(const HyperParams& params, const Weights& weights);

}  // namespace tandem::gemma3n
