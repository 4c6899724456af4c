// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma/hf.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>

#include "core/error.h"
#include "core/json_document.h"

namespace tandem::gemma {
namespace {

using nlohmann::json;

// The type of a RoPE object, "default" when it says none.
std::string RopeType(const json& rope) {
  const auto type =
      rope.find("rope_type") != rope.end() ? rope.find("rope_type") : rope.find("type");
  if (type == rope.end() || type->is_null()) return "default";
  return type->is_string() ? type->get<std::string>() : type->dump();
}

class RopeReader {
 public:
  RopeReader(const JsonFields& fields, const Family& family, StackParams& params)
      : fields_(fields), family_(family), p_(params) {}

  void Read() {
    p_.rope_theta_full = fields_.Float("rope_theta", p_.rope_theta_full);
    p_.rope_theta_sliding = fields_.Float("rope_local_base_freq", p_.rope_theta_sliding);
    if (const json* scaling = fields_.Find("rope_scaling")) {
      if (!scaling->is_object()) fields_.Bad("rope_scaling", "an object");
      p_.rope_factor_full = Factor(*scaling, "rope_scaling", family_.linear_rope);
    }
    const json* parameters = fields_.Find("rope_parameters");
    if (parameters == nullptr) return;
    if (!parameters->is_object()) fields_.Bad("rope_parameters", "an object");
    // One set of values instead of one per kind of layer is not Gemma's, unless it says nothing.
    Factor(*parameters, "rope_parameters", false);
    ReadKind(*parameters, "full_attention", p_.rope_theta_full, &p_.rope_factor_full);
    ReadKind(*parameters, "sliding_attention", p_.rope_theta_sliding, nullptr);
  }

 private:
  float Factor(const json& rope, const char* where, bool linear) const {
    const std::string type = RopeType(rope);
    if (type == "default") return 1;
    if (linear && type == "linear") return JsonFields(rope, fields_.file()).Float("factor", 1);
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: {}: RoPE scaling '{}' is not one that {} uses", fields_.file(),
                            where, Printable(type), family_.name));
  }

  void ReadKind(const json& parameters, const char* kind, float& theta, float* factor) const {
    const auto rope = parameters.find(kind);
    if (rope == parameters.end() || rope->is_null()) return;
    if (!rope->is_object()) fields_.Bad("rope_parameters", "an object of objects");
    const float found = Factor(*rope, kind, factor != nullptr && family_.linear_rope);
    if (factor != nullptr) *factor = found;
    theta = JsonFields(*rope, fields_.file()).Float("rope_theta", theta);
  }

  const JsonFields& fields_;
  const Family& family_;
  StackParams& p_;
};

void ReadKinds(const JsonFields& fields, const Family& family, StackParams& p) {
  const json* kinds = fields.Find("layer_types");
  if (kinds == nullptr) {
    const int64_t period = fields.Int("_sliding_window_pattern", family.period);
    p.kinds = PeriodicKinds(p.layers, fields.Int("sliding_window_pattern", period));
    return;
  }
  // Slices made by the published notebook keep the longer list of the whole model: its first L
  // entries count.
  if (!kinds->is_array() || kinds->size() < static_cast<size_t>(p.layers)) {
    fields.Bad("layer_types", "a list with an entry per layer");
  }
  for (size_t layer = 0; layer < static_cast<size_t>(p.layers); ++layer) {
    const json& kind = (*kinds)[layer];
    if (IsText(kind, "full_attention")) {
      p.kinds.push_back(LayerKind::kFull);
    } else if (IsText(kind, "sliding_attention")) {
      p.kinds.push_back(LayerKind::kSliding);
    } else {
      fields.Bad("layer_types", "a list of full_attention and sliding_attention");
    }
  }
}

void ReadFfn(const JsonFields& fields, const Family& family, StackParams& p) {
  const json* ffn = fields.Find("intermediate_size");
  if (ffn == nullptr || !ffn->is_array()) {
    p.ffn.assign(static_cast<size_t>(p.layers), fields.Int("intermediate_size", family.ffn));
    return;
  }
  for (const json& value : *ffn) p.ffn.push_back(fields.ToInt(value, "intermediate_size"));
  // As with layer_types: a slice may keep the list of the whole model.
  if (p.ffn.size() > static_cast<size_t>(p.layers)) p.ffn.resize(static_cast<size_t>(p.layers));
}

void RefuseForeign(const JsonFields& fields, const Family& family) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: {} {} has", fields.file(), what, family.name));
  };
  const std::string activation = fields.String("hidden_activation", "gelu_pytorch_tanh");
  if (activation != "gelu_pytorch_tanh") {
    refuse(fmt::format("activation '{}' is not one that", Printable(activation)));
  }
  if (fields.Bool("attention_bias", false)) refuse("attention biases are not something that");
  if (!fields.Bool("tie_word_embeddings", true)) refuse("an untied output head is not one that");
}

struct NamePair {
  std::string_view canonical;
  std::string_view hf;
};

constexpr std::array<NamePair, 13> kLayerNames = {{
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
}};

constexpr std::array<NamePair, 2> kModelNames = {{
    {"token_embd.weight", "embed_tokens.weight"},
    {"output_norm.weight", "norm.weight"},
}};

}  // namespace

const json* JsonFields::Find(const char* key) const {
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

bool JsonFields::IsNull(const char* key) const {
  const auto it = object_.find(key);
  return it != object_.end() && it->is_null();
}

void JsonFields::Bad(const std::string& key, const char* expected) const {
  throw Error(ErrorKind::kCorruptFile, fmt::format("{}: '{}' is not {}", file_, key, expected),
              "the configuration is damaged");
}

int64_t JsonFields::Int(const char* key, int64_t otherwise) const {
  const json* value = Find(key);
  return value == nullptr ? otherwise : ToInt(*value, key);
}

int JsonFields::Narrow(const char* key, int64_t otherwise) const {
  const int64_t value = Int(key, otherwise);
  if (value < 0 || value > INT32_MAX) Bad(key, "in range");
  return static_cast<int>(value);
}

float JsonFields::Float(const char* key, float otherwise) const {
  const json* value = Find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_number()) Bad(key, "a number");
  return value->get<float>();
}

bool JsonFields::Bool(const char* key, bool otherwise) const {
  const json* value = Find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) Bad(key, "true or false");
  return value->get<bool>();
}

std::string JsonFields::String(const char* key, const char* otherwise) const {
  const json* value = Find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) Bad(key, "a string");
  return value->get<std::string>();
}

int64_t JsonFields::ToInt(const json& value, const char* key) const {
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

bool IsModelType(const json& config, std::string_view whole, std::string_view text) {
  const auto is = [](const json& object, std::string_view name) {
    const auto it = object.find("model_type");
    return it != object.end() && IsText(*it, name);
  };
  return config.is_object() &&
         (is(config, whole) || is(config, text) || is(TextConfig(config), text));
}

const json& TextConfig(const json& config) {
  const auto nested = config.find("text_config");
  return nested != config.end() && nested->is_object() ? *nested : config;
}

bool HasTowers(const json& config) {
  const auto has = [&](const char* key) {
    const auto it = config.find(key);
    return it != config.end() && it->is_object();
  };
  return config.is_object() && (has("vision_config") || has("audio_config"));
}

void ReadStack(const JsonFields& fields, const Family& family, StackParams& p) {
  const int64_t layers = fields.Int("num_hidden_layers", p.layers);
  if (layers < 1 || layers > kMaxLayers) fields.Bad("num_hidden_layers", "between 1 and 1024");
  p.layers = static_cast<int>(layers);
  p.width = fields.Int("hidden_size", p.width);
  p.heads = fields.Narrow("num_attention_heads", p.heads);
  p.kv_heads = fields.Narrow("num_key_value_heads", p.kv_heads);
  p.head_dim = fields.Narrow("head_dim", p.head_dim);
  p.vocab = fields.Int("vocab_size", p.vocab);
  p.window = fields.Int("sliding_window", p.window);
  p.eps = fields.Float("rms_norm_eps", p.eps);
  p.context_length = fields.Int("max_position_embeddings", p.context_length);
  // An explicit null means no cap, unlike an absent key.
  if (fields.IsNull("final_logit_softcapping")) p.logit_soft_cap = 0;
  p.logit_soft_cap = fields.Float("final_logit_softcapping", p.logit_soft_cap);
  RefuseForeign(fields, family);
  RopeReader(fields, family, p).Read();
  ReadKinds(fields, family, p);
  ReadFfn(fields, family, p);
}

BlockName SplitBlockName(std::string_view canonical) {
  if (!canonical.starts_with("blk.")) return {};
  const size_t dot = canonical.find('.', 4);
  if (dot == std::string_view::npos) return {};
  return {canonical.substr(4, dot - 4), canonical.substr(dot + 1)};
}

std::string HfStackName(std::string_view canonical) {
  for (const NamePair& pair : kModelNames) {
    if (pair.canonical == canonical) return std::string(pair.hf);
  }
  const BlockName name = SplitBlockName(canonical);
  for (const NamePair& pair : kLayerNames) {
    if (pair.canonical == name.rest) return fmt::format("layers.{}.{}", name.layer, pair.hf);
  }
  return {};
}

}  // namespace tandem::gemma
