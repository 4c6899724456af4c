// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/gguf.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace tandem::gemma3n {
namespace {

// The published PLE vocabulary of files whose tables are padded to the 262,400 rows of the token
// embedding: their padding rows are zeros, where the reference reads row 0.
constexpr int64_t kPaddedVocab = 262400;
constexpr int64_t kPublishedPleVocab = 262144;

// Finite values that stand for "no threshold": the quantile of a fraction that is 0 up to rounding.
constexpr float kDenseBelow = -8.0f;
// Stands for a threshold at exactly the mean, since 0 means dense.
constexpr float kMeanThreshold = 1e-30f;

// Our own: no published model needs it, since their clip of 120 is the default and coefficients in
// files are clipped already.
constexpr const char* kClipKey = "altup.coef_clip";

std::string Key(const char* name) { return fmt::format("{}.{}", kArchitecture, name); }

int64_t ReadInt(const GgufMetadata& data, const char* name) { return data.GetInt(Key(name)); }

int64_t ReadInt(const GgufMetadata& data, const char* name, int64_t otherwise) {
  return data.FindInt(Key(name)).value_or(otherwise);
}

int Narrow(int64_t value, const GgufFile& file, const char* name) {
  if (value < 0 || value > std::numeric_limits<int>::max()) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} is {}, out of range", file.part_name(), Key(name), value));
  }
  return static_cast<int>(value);
}

bool IsArray(const GgufMetadata& data, const std::string& key) {
  const GgufValue* value = data.Find(key);
  return value != nullptr && value->is_array();
}

[[noreturn]] void WrongCount(const GgufFile& file, const std::string& key, size_t count,
                             int layers) {
  throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {} has {} entries for {} layers",
                                                   file.part_name(), key, count, layers));
}

void ReadFfn(const GgufFile& file, HyperParams& p) {
  const std::string key = Key("feed_forward_length");
  if (!IsArray(file.metadata(), key)) {
    p.ffn.assign(static_cast<size_t>(p.layers), file.metadata().GetInt(key));
    return;
  }
  p.ffn = file.metadata().GetInts(key);
  // Sliced models may keep the list of the whole one.
  if (p.ffn.size() < static_cast<size_t>(p.layers)) WrongCount(file, key, p.ffn.size(), p.layers);
  p.ffn.resize(static_cast<size_t>(p.layers));
}

void ReadKinds(const GgufFile& file, HyperParams& p) {
  const std::string key = Key("attention.sliding_window_pattern");
  const GgufMetadata& data = file.metadata();
  std::vector<bool> sliding;
  if (IsArray(data, key)) {
    sliding = data.GetBools(key);
    if (sliding.size() < static_cast<size_t>(p.layers)) {
      WrongCount(file, key, sliding.size(), p.layers);
    }
  } else {
    const int64_t period = data.FindInt(key).value_or(5);
    for (int64_t layer = 0; layer < p.layers; ++layer) {
      sliding.push_back(period <= 0 || (layer + 1) % period != 0);
    }
  }
  for (size_t layer = 0; layer < static_cast<size_t>(p.layers); ++layer) {
    p.kinds.push_back(sliding[layer] ? LayerKind::kSliding : LayerKind::kFull);
  }
}

void ReadSparsity(const GgufFile& file, HyperParams& p) {
  const std::string key = Key("activation_sparsity_scale");
  auto scales = file.metadata().FindFloats(key);
  if (!scales) {
    // Files without the key are of the published models.
    scales.emplace();
    for (int layer = 0; layer < p.layers; ++layer) {
      scales->push_back(p.layers > 10 && layer < 10 ? static_cast<float>(NormalQuantile(0.95)) : 0);
    }
  }
  if (scales->size() < static_cast<size_t>(p.layers)) {
    WrongCount(file, key, scales->size(), p.layers);
  }
  for (size_t layer = 0; layer < static_cast<size_t>(p.layers); ++layer) {
    const float scale = (*scales)[layer];
    const bool dense = !std::isfinite(scale) || scale == 0 || scale < kDenseBelow;
    p.sparsity.push_back(dense ? std::nullopt : std::optional<float>(scale));
  }
}

const GgufTensor& Tensor(const GgufFile& file, const char* name) {
  const GgufTensor* tensor = file.FindTensor(name);
  if (tensor == nullptr) {
    throw Error(ErrorKind::kNotFound,
                fmt::format("{}: tensor '{}' is missing", file.part_name(), name),
                "the file is incomplete, or not a Gemma 3n text model");
  }
  return *tensor;
}

// Any layer that has one makes it an error for another to have none.
bool HasCorrectScale(const GgufFile& file, int layers) {
  for (int layer = 0; layer < layers; ++layer) {
    if (file.FindTensor(fmt::format("blk.{}.altup_correct_scale.weight", layer)) != nullptr) {
      return true;
    }
  }
  return false;
}

}  // namespace

HyperParams ReadGgufParams(const GgufFile& file) {
  const GgufMetadata& data = file.metadata();
  const auto architecture = data.FindString("general.architecture").value_or("");
  if (architecture != kArchitecture) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: architecture '{}' is not one that Tandem runs", file.part_name(),
                            Printable(architecture)),
                "Tandem runs Gemma 3n (architecture gemma3n)");
  }
  HyperParams p;
  const int64_t layers = ReadInt(data, "block_count");
  if (layers < 1 || layers > kMaxLayers) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} is {}, expected 1 to {}", file.part_name(), Key("block_count"),
                            layers, kMaxLayers));
  }
  p.layers = static_cast<int>(layers);
  const auto narrow = [&](const char* name, int64_t value) { return Narrow(value, file, name); };
  p.width = ReadInt(data, "embedding_length");
  p.heads = narrow("attention.head_count", ReadInt(data, "attention.head_count"));
  p.kv_heads = narrow("attention.head_count_kv", ReadInt(data, "attention.head_count_kv"));
  // Ollama writes head_dim; others key_length.
  const int64_t head_dim = ReadInt(data, "attention.key_length", ReadInt(data, "head_dim", 256));
  p.head_dim = narrow("attention.key_length", head_dim);
  p.window = ReadInt(data, "attention.sliding_window", p.window);
  p.shared_kv_layers =
      narrow("attention.shared_kv_layers",
             ReadInt(data, "attention.shared_kv_layers", p.layers == 30 ? 10 : 15));
  p.altup_inputs = narrow("altup.num_inputs", ReadInt(data, "altup.num_inputs", p.altup_inputs));
  p.altup_active = narrow("altup.active_idx", ReadInt(data, "altup.active_idx", p.altup_active));
  p.altup_correct_scale =
      data.FindBool(Key("altup.correct_scale")).value_or(HasCorrectScale(file, p.layers));
  p.altup_coefficient_clip =
      static_cast<float>(data.FindFloat(Key(kClipKey)).value_or(p.altup_coefficient_clip));
  p.rope_theta_full =
      static_cast<float>(data.FindFloat(Key("rope.freq_base")).value_or(p.rope_theta_full));
  const auto local = data.FindFloat(Key("rope.freq_base_swa"));
  p.rope_theta_sliding = static_cast<float>(
      local ? *local : data.FindFloat(Key("rope.freq_base_local")).value_or(p.rope_theta_sliding));
  const auto scaling = data.FindString(Key("rope.scaling.type"));
  if (scaling && *scaling != "none" && !scaling->empty()) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: RoPE scaling '{}' is not one that Gemma 3n uses", file.part_name(),
                            Printable(*scaling)));
  }
  p.eps =
      static_cast<float>(data.FindFloat(Key("attention.layer_norm_rms_epsilon")).value_or(p.eps));
  p.logit_soft_cap =
      static_cast<float>(data.FindFloat(Key("final_logit_softcapping")).value_or(p.logit_soft_cap));
  p.context_length = ReadInt(data, "context_length", p.context_length);
  p.vocab = Tensor(file, "token_embd.weight").ne[1];
  p.ple_width = ReadInt(data, "embedding_length_per_layer_input",
                        Tensor(file, "per_layer_proj_norm.weight").ne[0]);
  const int64_t ple_rows = Tensor(file, "per_layer_token_embd.weight").ne[1];
  p.ple_vocab = ReadInt(data, "vocab_size_per_layer_input",
                        ple_rows == kPaddedVocab ? kPublishedPleVocab : ple_rows);
  p.laurel_rank = Tensor(file, "blk.0.laurel_l.weight").ne[1];
  ReadFfn(file, p);
  ReadKinds(file, p);
  ReadSparsity(file, p);
  p.Validate(file.part_name());
  return p;
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

void WriteGgufParams(const HyperParams& p, GgufWriter& writer) {
  const auto u32 = [&](const char* name, int64_t value) {
    writer.Add<uint32_t>(Key(name), static_cast<uint32_t>(value));
  };
  const auto f32 = [&](const char* name, float value) { writer.Add<float>(Key(name), value); };
  u32("context_length", p.context_length);
  u32("embedding_length", p.width);
  u32("block_count", p.layers);
  const std::vector<int32_t> ffn(p.ffn.begin(), p.ffn.end());
  writer.AddArray<int32_t>(Key("feed_forward_length"), ffn);
  u32("attention.head_count", p.heads);
  u32("attention.head_count_kv", p.kv_heads);
  u32("attention.key_length", p.head_dim);
  u32("attention.value_length", p.head_dim);
  f32("attention.layer_norm_rms_epsilon", p.eps);
  u32("attention.sliding_window", p.window);
  u32("attention.shared_kv_layers", p.shared_kv_layers);
  std::vector<bool> sliding;
  for (const LayerKind kind : p.kinds) sliding.push_back(kind == LayerKind::kSliding);
  writer.AddBools(Key("attention.sliding_window_pattern"), sliding);
  f32("rope.freq_base", p.rope_theta_full);
  f32("rope.freq_base_swa", p.rope_theta_sliding);
  u32("embedding_length_per_layer_input", p.ple_width);
  u32("vocab_size_per_layer_input", p.ple_vocab);
  u32("altup.num_inputs", p.altup_inputs);
  u32("altup.active_idx", p.altup_active);
  if (p.altup_coefficient_clip != HyperParams().altup_coefficient_clip) {
    f32(kClipKey, p.altup_coefficient_clip);
  }
  std::vector<float> sparsity;
  for (const auto& multiplier : p.sparsity) {
    sparsity.push_back(!multiplier        ? -std::numeric_limits<float>::infinity()
                       : *multiplier == 0 ? kMeanThreshold
                                          : *multiplier);
  }
  writer.AddArray<float>(Key("activation_sparsity_scale"), sparsity);
  f32("final_logit_softcapping", p.logit_soft_cap);
  u32("vocab_size", p.vocab);
}

}  // namespace tandem::gemma3n
