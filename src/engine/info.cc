// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/info.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "devices/cpu/cpu_device.h"
#include "engine/engine_impl.h"

namespace tandem {
namespace {

void AddTensor(ModelInfo& info, TensorInfo tensor, uint64_t elements) {
  auto& [count, bytes] = info.types[tensor.type];
  ++count;
  bytes += tensor.bytes;
  info.weights += elements;
  info.tensors.push_back(std::move(tensor));
}

void ListGguf(const GgufFile& file, ModelInfo& info) {
  for (const GgufTensor& tensor : file.tensors()) {
    std::vector<int64_t> shape(tensor.ne.begin(), tensor.ne.begin() + tensor.n_dims);
    std::reverse(shape.begin(), shape.end());
    AddTensor(info,
              {Printable(tensor.name, 256), std::string(GgufTypeName(tensor.type_number)), shape,
               tensor.bytes},
              tensor.elements);
  }
}

void ListSafetensors(const ModelSource& source, ModelInfo& info) {
  const std::string prefix = TextPrefix(source);
  for (const SafetensorsTensor& tensor : source.safetensors->tensors()) {
    if (!tensor.name.starts_with(prefix)) continue;  // of a tower
    uint64_t elements = 1;
    for (const int64_t n : tensor.shape) elements *= static_cast<uint64_t>(n);
    AddTensor(
        info,
        {Printable(tensor.name, 256), Printable(tensor.dtype), tensor.shape, tensor.data.size()},
        elements);
  }
}

}  // namespace

ModelInfo Describe(const Model& model) {
  const ModelData& data = model.data();
  ModelInfo info;
  info.source = model.source();
  info.format = SourceFormat(data.files());
  info.architecture = model.architecture();
  info.name = Printable(model.name(), 256);
  info.file_bytes = SourceBytes(data.files());
  info.shape = data.text->Shape();
  info.bytes_per_token = MatrixBytesPerToken(data.decode);
  info.context_length = model.context_length();
  info.notes = model.notes();
  if (data.files().gguf) {
    ListGguf(*data.files().gguf, info);
  } else {
    ListSafetensors(data.files(), info);
  }
  if (data.tokenizer) {
    info.tokenizer = fmt::format("SentencePiece BPE, {} pieces, {}", data.tokenizer->size(),
                                 data.chat ? "with Gemma's turns" : "without turns: no chat");
  } else {
    info.tokenizer = "none: " + data.tokenizer_problem;
  }
  return info;
}

uint64_t ActivationBytes(const ModelData& data, int64_t chunk) {
  uint64_t floats = 0;
  for (const Value& value : data.prefill.values) {
    const int64_t rows = value.rows == RowSet::kAll ? chunk : 1;
    floats += static_cast<uint64_t>(rows * value.planes * value.width);
  }
  // Inside an MLP: gate and up of every row, and the normed input.
  const int64_t widest = *std::max_element(data.params().ffn.begin(), data.params().ffn.end());
  floats += static_cast<uint64_t>(chunk * (2 * widest + data.params().width));
  return floats * sizeof(float);
}

MemoryNeed EstimateMemory(const Model& model, int64_t context, KvType kv, int64_t chunk) {
  const ModelData& data = model.data();
  MemoryNeed need;
  need.weights = SourceBytes(data.files());
  need.streamed = MatrixBytesPerToken(data.decode);
  need.kv = KvBytes(data.decode, SessionKvShape(data, context, kv, chunk));
  need.activations = ActivationBytes(data, chunk);
  need.copies = CpuCopyBytes(data.decode, cpu::ChooseIsa());
  return need;
}

}  // namespace tandem
