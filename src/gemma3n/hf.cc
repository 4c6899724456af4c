// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/hf.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "core/error.h"
#include "core/json_document.h"

namespace tandem::gemma3n {
namespace {

using nlohmann::json;

// Reads values of one JSON object; absent or null means the default.
class Fields {
 public:
  Fields(const json& object, const std::string& file) : object_(object), file_(file) {}

  const json* Find(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }
  bool IsNull(const char* key) const {
    const auto it = object_.find(key);
    return it != object_.end() && it->is_null();
  }
  [[noreturn]] void Bad(const std::string& key, const char* expected) const {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: '{}' is not {}", file_, key, expected),
                "the configuration is damaged");
  }
  int64_t Int(const char* key, int64_t otherwise) const {
    const json* value = Find(key);
    return value == nullptr ? otherwise : ToInt(*value, key);
  }
  float Float(const char* key, float otherwise) const {
    const json* value = Find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number()) Bad(key, "a number");
    return value->get<float>();
  }
  bool Bool(const char* key, bool otherwise) const {
    const json* value = Find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) Bad(key, "true or false");
    return value->get<bool>();
  }
  std::string String(const char* key, const char* otherwise) const {
    const json* value = Find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) Bad(key, "a string");
    return value->get<std::string>();
  }
  int64_t ToInt(const json& value, const char* key) const {
    if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{1} << 62) Bad(key, "small");
    if (value.is_number_integer()) return value.get<int64_t>();
    if (value.is_number_float()) {
      const double number = value.get<double>();
      if (std::fabs(number) < 1e15 && number == std::floor(number)) {
        return static_cast<int64_t>(number);
      }
    }
    Bad(key, "a whole number");
  }

 private:
  const json& object_;
  const std::string& file_;
};

const json& TextConfig(const json& config) {
  const auto nested = config.find("text_config");
  return nested != config.end() && nested->is_object() ? *nested : config;
}

void ReadRope(const Fields& fields, const std::string& file, HyperParams& p) {
  const auto only_default = [&](const json& rope, const char* where) {
    const auto type =
        rope.find("rope_type") != rope.end() ? rope.find("rope_type") : rope.find("type");
    if (type == rope.end() || type->is_null() || IsText(*type, "default")) return;
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{}: {}: RoPE scaling '{}' is not one that Gemma 3n uses", file, where,
                    Printable(type->is_string() ? type->get<std::string>() : type->dump())));
  };
  p.rope_theta_full = fields.Float("rope_theta", p.rope_theta_full);
  p.rope_theta_sliding = fields.Float("rope_local_base_freq", p.rope_theta_sliding);
  if (const json* scaling = fields.Find("rope_scaling")) {
    if (!scaling->is_object()) fields.Bad("rope_scaling", "an object");
    only_default(*scaling, "rope_scaling");
  }
  const json* parameters = fields.Find("rope_parameters");
  if (parameters == nullptr) return;
  if (!parameters->is_object()) fields.Bad("rope_parameters", "an object");
  // One set of values instead of one per kind of layer is not Gemma 3n's, unless it says nothing.
  only_default(*parameters, "rope_parameters");
  const auto read = [&](const char* kind, float& theta) {
    const auto rope = parameters->find(kind);
    if (rope == parameters->end() || rope->is_null()) return;
    if (!rope->is_object()) fields.Bad("rope_parameters", "an object of objects");
    only_default(*rope, kind);
    theta = Fields(*rope, file).Float("rope_theta", theta);
  };
  read("full_attention", p.rope_theta_full);
  read("sliding_attention", p.rope_theta_sliding);
}

void ReadLayerKinds(const Fields& fields, HyperParams& p) {
  const json* kinds = fields.Find("layer_types");
  for (int layer = 0; layer < p.layers; ++layer) {
    if (kinds == nullptr) {
      p.kinds.push_back((layer + 1) % 5 == 0 ? LayerKind::kFull : LayerKind::kSliding);
      continue;
    }
    // Slices made by the published notebook keep the longer list of the whole model: its first L
    // entries count.
    if (!kinds->is_array() || kinds->size() < static_cast<size_t>(p.layers)) {
      fields.Bad("layer_types", "a list with an entry per layer");
    }
    const json& kind = (*kinds)[static_cast<size_t>(layer)];
    if (IsText(kind, "full_attention")) {
      p.kinds.push_back(LayerKind::kFull);
    } else if (IsText(kind, "sliding_attention")) {
      p.kinds.push_back(LayerKind::kSliding);
    } else {
      fields.Bad("layer_types", "a list of full_attention and sliding_attention");
    }
  }
}

void ReadFfn(const Fields& fields, HyperParams& p) {
  const json* ffn = fields.Find("intermediate_size");
  if (ffn == nullptr || !ffn->is_array()) {
    p.ffn.assign(static_cast<size_t>(p.layers), fields.Int("intermediate_size", 16384));
    return;
  }
  for (const json& value : *ffn) p.ffn.push_back(fields.ToInt(value, "intermediate_size"));
  // As with layer_types: a slice may keep the list of the whole model.
  if (p.ffn.size() > static_cast<size_t>(p.layers)) p.ffn.resize(static_cast<size_t>(p.layers));
}

void ReadSparsity(const Fields& fields, HyperParams& p) {
  const json* pattern = fields.Find("activation_sparsity_pattern");
  const auto multiplier = [&](double fraction) -> std::optional<float> {
    if (fraction <= 0) return std::nullopt;
    if (!(fraction < 1)) fields.Bad("activation_sparsity_pattern", "a list of fractions below 1");
    return static_cast<float>(NormalQuantile(fraction));
  };
  for (int layer = 0; layer < p.layers; ++layer) {
    double fraction = p.layers > 10 && layer < 10 ? 0.95 : 0.0;
    if (pattern != nullptr) {
      const json& value = pattern->is_array() && static_cast<size_t>(layer) < pattern->size()
                              ? (*pattern)[static_cast<size_t>(layer)]
                              : *pattern;
      if (!value.is_number()) {
        fields.Bad("activation_sparsity_pattern", "a list with a number per layer");
      }
      fraction = value.get<double>();
    }
    p.sparsity.push_back(multiplier(fraction));
  }
}

struct NamePair {
  std::string_view canonical;
  std::string_view hf;
};

constexpr std::array<NamePair, 24> kLayerNames = {{
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"post_attention_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_norm.weight", "pre_feedforward_layernorm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"post_ffw_norm.weight", "post_feedforward_layernorm.weight"},
    {"inp_gate.weight", "per_layer_input_gate.weight"},
    {"proj.weight", "per_layer_projection.weight"},
    {"post_norm.weight", "post_per_layer_input_norm.weight"},
    {"altup_correct_scale.weight", "altup.correct_output_scale"},
    {"altup_correct_coef.weight", "altup.correction_coefs.weight"},
    {"altup_predict_coef.weight", "altup.prediction_coefs.weight"},
    {"altup_router.weight", "altup.modality_router.weight"},
    {"altup_router_norm.weight", "altup.router_norm.weight"},
    {"laurel_l.weight", "laurel.linear_left.weight"},
    {"laurel_r.weight", "laurel.linear_right.weight"},
    {"laurel_post_norm.weight", "laurel.post_laurel_norm.weight"},
}};

constexpr std::array<NamePair, 5> kModelNames = {{
    {"token_embd.weight", "embed_tokens.weight"},
    {"per_layer_token_embd.weight", "embed_tokens_per_layer.weight"},
    {"per_layer_model_proj.weight", "per_layer_model_projection.weight"},
    {"per_layer_proj_norm.weight", "per_layer_projection_norm.weight"},
    {"output_norm.weight", "norm.weight"},
}};

}  // namespace

bool IsHfConfig(const json& config) {
  const auto is = [](const json& object, const char* name) {
    const auto it = object.find("model_type");
    return it != object.end() && IsText(*it, name);
  };
  return config.is_object() && (is(config, "gemma3n") || is(config, "gemma3n_text") ||
                                is(TextConfig(config), "gemma3n_text"));
}

bool HasTowers(const json& config) {
  const auto has = [&](const char* key) {
    const auto it = config.find(key);
    return it != config.end() && it->is_object();
  };
  return config.is_object() && (has("vision_config") || has("audio_config"));
}

HyperParams ReadHfConfig(const json& config, const std::string& file) {
  if (!IsHfConfig(config)) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: not a Gemma 3n configuration", file),
                "Tandem runs Gemma 3n (model_type gemma3n)");
  }
  const Fields fields(TextConfig(config), file);
  HyperParams p;
  const int64_t layers = fields.Int("num_hidden_layers", 35);
  if (layers < 1 || layers > kMaxLayers) fields.Bad("num_hidden_layers", "between 1 and 1024");
  const auto narrow = [&](const char* key, int64_t otherwise) {
    const int64_t value = fields.Int(key, otherwise);
    if (value < 0 || value > INT32_MAX) fields.Bad(key, "in range");
    return static_cast<int>(value);
  };
  p.layers = static_cast<int>(layers);
  p.width = fields.Int("hidden_size", p.width);
  p.heads = narrow("num_attention_heads", p.heads);
  p.kv_heads = narrow("num_key_value_heads", p.kv_heads);
  p.head_dim = narrow("head_dim", p.head_dim);
  p.vocab = fields.Int("vocab_size", p.vocab);
  p.ple_vocab = fields.Int("vocab_size_per_layer_input", p.ple_vocab);
  p.ple_width = fields.Int("hidden_size_per_layer_input", p.ple_width);
  p.laurel_rank = fields.Int("laurel_rank", p.laurel_rank);
  p.shared_kv_layers = narrow("num_kv_shared_layers", p.shared_kv_layers);
  p.window = fields.Int("sliding_window", p.window);
  p.altup_inputs = narrow("altup_num_inputs", p.altup_inputs);
  p.altup_active = narrow("altup_active_idx", p.altup_active);
  p.altup_correct_scale = fields.Bool("altup_correct_scale", p.altup_correct_scale);
  p.eps = fields.Float("rms_norm_eps", p.eps);
  p.context_length = fields.Int("max_position_embeddings", p.context_length);
  // An explicit null means none of these two, unlike an absent key.
  if (fields.IsNull("final_logit_softcapping")) p.logit_soft_cap = 0;
  p.logit_soft_cap = fields.Float("final_logit_softcapping", p.logit_soft_cap);
  if (fields.IsNull("altup_coef_clip")) p.altup_coefficient_clip = INFINITY;
  p.altup_coefficient_clip = fields.Float("altup_coef_clip", p.altup_coefficient_clip);
  const std::string activation = fields.String("hidden_activation", "gelu_pytorch_tanh");
  if (activation != "gelu_pytorch_tanh") {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: activation '{}' is not Gemma 3n's", file, Printable(activation)));
  }
  if (fields.Bool("attention_bias", false)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: attention biases are not something that Gemma 3n has", file));
  }
  if (!fields.Bool("tie_word_embeddings", true)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: an untied output head is not one that Gemma 3n has", file));
  }
  ReadRope(fields, file, p);
  ReadLayerKinds(fields, p);
  ReadFfn(fields, p);
  ReadSparsity(fields, p);
  p.Validate(file);
  return p;
}

std::string HfTensorName(const std::string& canonical, int index) {
  if (canonical == "altup_proj.weight") return fmt::format("altup_projections.{}.weight", index);
  if (canonical == "altup_unembd_proj.weight") {
    return fmt::format("altup_unembed_projections.{}.weight", index);
  }
  for (const NamePair& pair : kModelNames) {
    if (pair.canonical == canonical) return std::string(pair.hf);
  }
  if (!canonical.starts_with("blk.")) return {};
  const size_t dot = canonical.find('.', 4);
  if (dot == std::string::npos) return {};
  const std::string_view rest = std::string_view(canonical).substr(dot + 1);
  for (const NamePair& pair : kLayerNames) {
    if (pair.canonical == rest) {
      return fmt::format("layers.{}.{}", canonical.substr(4, dot - 4), pair.hf);
    }
  }
  return {};
}

}  // namespace tandem::gemma3n
