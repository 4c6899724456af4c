// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace tandem::gemma {
namespace {

bool IsUniform(const std::vector<int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == values[0]; });
}

bool IsArray(const GgufMetadata& data, const std::string& key) {
  const GgufValue* value = data.Find(key);
  return value != nullptr && value->is_array();
}

void ReadFfn(const GgufKeys& keys, StackParams& p) {
  const std::string key = keys.Key("feed_forward_length");
  if (!IsArray(keys.metadata(), key)) {
    p.ffn.assign(static_cast<size_t>(p.layers), keys.metadata().GetInt(key));
    return;
  }
  p.ffn = keys.metadata().GetInts(key);
  // Sliced models may keep the list of the whole one.
  if (p.ffn.size() < static_cast<size_t>(p.layers)) keys.WrongCount(key, p.ffn.size(), p.layers);
  p.ffn.resize(static_cast<size_t>(p.layers));
}

void ReadKinds(const GgufKeys& keys, StackParams& p) {
  const std::string key = keys.Key("attention.sliding_window_pattern");
  const GgufMetadata& data = keys.metadata();
  if (!IsArray(data, key)) {
    p.kinds = PeriodicKinds(p.layers, data.FindInt(key).value_or(keys.family().period));
    return;
  }
  const std::vector<bool> sliding = data.GetBools(key);
  if (sliding.size() < static_cast<size_t>(p.layers)) {
    keys.WrongCount(key, sliding.size(), p.layers);
  }
  for (size_t layer = 0; layer < static_cast<size_t>(p.layers); ++layer) {
    p.kinds.push_back(sliding[layer] ? LayerKind::kSliding : LayerKind::kFull);
  }
}

void ReadRope(const GgufKeys& keys, StackParams& p) {
  p.rope_theta_full = keys.Float("rope.freq_base", p.rope_theta_full);
  const char* local =
      keys.Has("rope.freq_base_swa") ? "rope.freq_base_swa" : "rope.freq_base_local";
  p.rope_theta_sliding = keys.Float(local, p.rope_theta_sliding);
  const auto scaling = keys.metadata().FindString(keys.Key("rope.scaling.type"));
  if (!scaling || *scaling == "none" || scaling->empty()) return;
  if (keys.family().linear_rope && *scaling == "linear") {
    p.rope_factor_full = keys.Float("rope.scaling.factor", 1);
    return;
  }
  throw Error(ErrorKind::kUnsupported,
              fmt::format("{}: RoPE scaling '{}' is not one that {} uses", keys.file().part_name(),
                          Printable(*scaling), keys.family().name));
}

}  // namespace

GgufKeys::GgufKeys(const GgufFile& file, const Family& family) : file_(file), family_(family) {
  const auto architecture = metadata().FindString("general.architecture").value_or("");
  if (architecture == family.architecture) return;
  throw Error(ErrorKind::kUnsupported,
              fmt::format("{}: architecture '{}' is not {}", file.part_name(),
                          Printable(architecture), family.architecture));
}

std::string GgufKeys::Key(const char* name) const {
  return fmt::format("{}.{}", family_.architecture, name);
}

int64_t GgufKeys::Int(const char* name, int64_t otherwise) const {
  return metadata().FindInt(Key(name)).value_or(otherwise);
}

float GgufKeys::Float(const char* name, float otherwise) const {
  return static_cast<float>(metadata().FindFloat(Key(name)).value_or(otherwise));
}

int GgufKeys::ToInt(const char* name, int64_t value) const {
  if (value < 0 || value > std::numeric_limits<int>::max()) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} is {}, out of range", file_.part_name(), Key(name), value));
  }
  return static_cast<int>(value);
}

const GgufTensor& GgufKeys::Tensor(const char* name) const {
  const GgufTensor* tensor = file_.FindTensor(name);
  if (tensor == nullptr) {
    throw Error(ErrorKind::kNotFound,
                fmt::format("{}: tensor '{}' is missing", file_.part_name(), name),
                fmt::format("the file is incomplete, or not a {} text model", family_.name));
  }
  return *tensor;
}

void GgufKeys::WrongCount(const std::string& key, size_t count, int layers) const {
  throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {} has {} entries for {} layers",
                                                   file_.part_name(), key, count, layers));
}

void ReadStack(const GgufKeys& keys, StackParams& p) {
  const int64_t layers = keys.Int("block_count");
  if (layers < 1 || layers > kMaxLayers) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} is {}, expected 1 to {}", keys.file().part_name(),
                            keys.Key("block_count"), layers, kMaxLayers));
  }
  p.layers = static_cast<int>(layers);
  p.width = keys.Int("embedding_length");
  p.heads = keys.Narrow("attention.head_count");
  p.kv_heads = keys.Narrow("attention.head_count_kv");
  // Ollama writes head_dim; others key_length.
  p.head_dim = keys.Narrow("attention.key_length", keys.Int("head_dim", p.head_dim));
  p.window = keys.Int("attention.sliding_window", p.window);
  p.eps = keys.Float("attention.layer_norm_rms_epsilon", p.eps);
  p.logit_soft_cap = keys.Float("final_logit_softcapping", p.logit_soft_cap);
  p.context_length = keys.Int("context_length", p.context_length);
  p.vocab = keys.Tensor("token_embd.weight").ne[1];
  ReadRope(keys, p);
  ReadFfn(keys, p);
  ReadKinds(keys, p);
}

void WriteStack(const StackParams& p, const Family& family, GgufWriter& writer) {
  const auto key = [&](const char* name) {
    return fmt::format("{}.{}", family.architecture, name);
  };
  const auto u32 = [&](const char* name, int64_t value) {
    writer.Add<uint32_t>(key(name), static_cast<uint32_t>(value));
  };
  const auto f32 = [&](const char* name, float value) { writer.Add<float>(key(name), value); };
  u32("context_length", p.context_length);
  u32("embedding_length", p.width);
  u32("block_count", p.layers);
  // Other engines read a list only where the model's own files have one.
  if (family.lists || !IsUniform(p.ffn)) {
    const std::vector<int32_t> ffn(p.ffn.begin(), p.ffn.end());
    writer.AddArray<int32_t>(key("feed_forward_length"), ffn);
  } else {
    u32("feed_forward_length", p.ffn[0]);
  }
  u32("attention.head_count", p.heads);
  u32("attention.head_count_kv", p.kv_heads);
  u32("attention.key_length", p.head_dim);
  u32("attention.value_length", p.head_dim);
  f32("attention.layer_norm_rms_epsilon", p.eps);
  u32("attention.sliding_window", p.window);
  if (family.lists || p.kinds != PeriodicKinds(p.layers, family.period)) {
    std::vector<bool> sliding;
    for (const LayerKind kind : p.kinds) sliding.push_back(kind == LayerKind::kSliding);
    writer.AddBools(key("attention.sliding_window_pattern"), sliding);
  }
  f32("rope.freq_base", p.rope_theta_full);
  f32("rope.freq_base_swa", p.rope_theta_sliding);
  if (p.rope_factor_full != 1) {
    writer.AddString(key("rope.scaling.type"), "linear");
    f32("rope.scaling.factor", p.rope_factor_full);
  }
  if (p.logit_soft_cap != 0 || family.lists) f32("final_logit_softcapping", p.logit_soft_cap);
  u32("vocab_size", p.vocab);
}

TensorLookup GgufLookup(const GgufFile& file) {
  return [&file](const std::string& name, int index) -> std::optional<WeightView> {
    const GgufTensor* tensor = file.FindTensor(name);
    if (tensor == nullptr) return std::nullopt;
    // Only the AltUp projections are stacks.
    const int64_t depth = tensor->ne[2] * tensor->ne[3];
    const bool stack = name == "altup_proj.weight" || name == "altup_unembd_proj.weight";
    if (stack ? index >= depth : depth != 1) {
      throw Error(
          ErrorKind::kCorruptFile,
          fmt::format("{}: tensor '{}' is a stack of {} matrices", file.part_name(), name, depth),
          "weights and configuration do not belong together");
    }
    return file.View(*tensor, index);
  };
}

}  // namespace tandem::gemma
