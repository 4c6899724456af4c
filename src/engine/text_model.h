// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A text model of any architecture, as the engine sees it: hyper-parameters and weights behind one
// interface. Its implementations are the only files that name a model's builder. Immutable once
// made; borrows the files that its weights lie in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/source.h"
#include "formats/gguf_writer.h"
#include "gemma/output_tensors.h"
#include "gemma/params.h"
#include "gemma/stack_builder.h"
#include "program/program.h"

namespace tandem {

/// Which MatFormer slice to take: a preset, or layers and widths; all empty = the whole model.
struct SliceRequest {
  std::string preset;  ///< "e2b".
  std::string skip;    ///< Layers to leave out, "20-24" or "5,7,9-11".
  std::string ffn;     ///< FFN widths of the kept layers, "8192" or a list.

  bool empty() const { return preset.empty() && skip.empty() && ffn.empty(); }
};

class TextModel {
 public:
  virtual ~TextModel() = default;

  /// The value of general.architecture.
  virtual std::string_view architecture() const = 0;
  virtual const gemma::StackParams& params() const = 0;
  /// Ids below this have all the embeddings that the model knows.
  virtual int64_t ids() const = 0;
  virtual Program BuildProgram(gemma::Rows rows) const = 0;

  /// Hyper-parameters with a readable name each, for `tandem info`.
  virtual std::vector<std::pair<std::string, std::string>> Shape() const = 0;
  /// The keys and tensors of a GGUF file of this model; it must outlive the tensors.
  virtual void WriteGgufParams(GgufWriter& writer) const = 0;
  virtual std::vector<gemma::OutputTensor> ListTensors() const = 0;
  /// Numbers that tell slices of one model apart.
  virtual std::vector<int64_t> Layout() const { return {}; }
  /// The slice as views of this model, which must outlive it. Throws Error kInvalidArgument.
  virtual std::unique_ptr<TextModel> Slice(const SliceRequest& request) const = 0;
};

/// Reads the hyper-parameters of `source`, then finds and checks its weights. Throws Error as
/// Model::Load. `source` must outlive the result.
std::unique_ptr<TextModel> ReadTextModel(const ModelSource& source);

}  // namespace tandem
