// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/text_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "engine/text_models.h"

namespace tandem {

gemma::TensorLookup FolderLookup(const ModelSource& source, HfNames hf_name) {
  const std::string prefix = TextPrefix(source);
  return
      [&source, hf_name, prefix](const std::string& name, int index) -> std::optional<WeightView> {
        const SafetensorsSet& set = *source.safetensors;
        const std::string hf = hf_name(name, index);
        const SafetensorsTensor* tensor = hf.empty() ? nullptr : set.Find(prefix + hf);
        if (tensor == nullptr) return std::nullopt;
        return set.View(*tensor);
      };
}

gemma::TensorNamer FolderNamer(const ModelSource& source, HfNames hf_name) {
  return [hf_name, prefix = TextPrefix(source)](const std::string& name, int index) {
    return prefix + hf_name(name, index);
  };
}

std::string FolderConfigName(const ModelSource& source) { return source.name + "/config.json"; }

std::string WidthText(const std::vector<int64_t>& widths) {
  const auto [low, high] = std::minmax_element(widths.begin(), widths.end());
  return *low == *high ? std::to_string(*low) : fmt::format("{} to {} by layer", *low, *high);
}

std::string LayersText(const gemma::StackParams& p) {
  const auto full = std::count(p.kinds.begin(), p.kinds.end(), gemma::LayerKind::kFull);
  return fmt::format("{} ({} full attention, {} with a window of {})", p.layers, full,
                     p.layers - full, p.window);
}

std::string HeadsText(const gemma::StackParams& p) {
  return fmt::format("{} query, {} KV, of {}", p.heads, p.kv_heads, p.head_dim);
}

std::string RopeText(const gemma::StackParams& p) {
  const std::string factor =
      p.rope_factor_full == 1 ? "" : fmt::format(" slowed {} times", p.rope_factor_full);
  return fmt::format("{} full{}, {} sliding", p.rope_theta_full, factor, p.rope_theta_sliding);
}

std::unique_ptr<TextModel> ReadTextModel(const ModelSource& source) {
  if (IsGemma3n(source)) return ReadGemma3n(source);
  if (IsGemma3(source)) return ReadGemma3(source);
  if (source.gguf) {
    const auto name = source.gguf->metadata().FindString("general.architecture").value_or("");
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: architecture '{}' is not one that Tandem runs",
                            source.gguf->part_name(), Printable(name)),
                "Tandem runs Gemma 3n and Gemma 3 (architectures gemma3n, gemma3)");
  }
  throw Error(
      ErrorKind::kUnsupported,
      fmt::format("{}: not a configuration of Gemma 3n or Gemma 3", FolderConfigName(source)),
      "Tandem runs Gemma 3n and Gemma 3 (model_type gemma3n, gemma3)");
}

}  // namespace tandem
