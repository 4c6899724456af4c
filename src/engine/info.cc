// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/info.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "devices/cpu/cpu_device.h"
#include "engine/engine_impl.h"
#include "gemma3n/gguf.h"

namespace tandem {
namespace {

using gemma3n::HyperParams;
using gemma3n::LayerKind;

// "8192", or "8192 to 16384" when layers differ.
std::string WidthText(const std::vector<int64_t>& widths) {
  const auto [low, high] = std::minmax_element(widths.begin(), widths.end());
  return *low == *high ? std::to_string(*low) : fmt::format("{} to {} by layer", *low, *high);
}

std::vector<std::pair<std::string, std::string>> ShapeOf(const HyperParams& p) {
  const auto full = std::count(p.kinds.begin(), p.kinds.end(), LayerKind::kFull);
  const auto sparse = std::count_if(p.sparsity.begin(), p.sparsity.end(),
                                    [](const auto& s) { return s.has_value(); });
  return {
      {"layers", fmt::format("{} ({} full attention, {} with a window of {})", p.layers, full,
                             p.layers - full, p.window)},
      {"keys and values", p.shared_kv_layers == 0
                              ? std::string("owned by every layer")
                              : fmt::format("owned by layers 0-{}, shared by the last {}",
                                            p.FirstShared() - 1, p.shared_kv_layers)},
      {"width", std::to_string(p.width)},
      {"FFN width", WidthText(p.ffn)},
      {"heads", fmt::format("{} query, {} KV, of {}", p.heads, p.kv_heads, p.head_dim)},
      {"AltUp", fmt::format("{} streams, {} active", p.altup_inputs, p.altup_active)},
      {"LAuReL rank", std::to_string(p.laurel_rank)},
      {"per-layer inputs", fmt::format("{} wide, {} ids", p.ple_width, p.ple_vocab)},
      {"sparse layers", std::to_string(sparse)},
      {"vocabulary", std::to_string(p.vocab)},
      {"RoPE bases", fmt::format("{} full, {} sliding", p.rope_theta_full, p.rope_theta_sliding)},
      {"logit soft cap", fmt::format("{}", p.logit_soft_cap)},
      {"context", std::to_string(p.context_length)},
  };
}

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
  info.shape = ShapeOf(data.params);
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
  const int64_t widest = *std::max_element(data.params.ffn.begin(), data.params.ffn.end());
  floats += static_cast<uint64_t>(chunk * (2 * widest + data.params.width));
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
