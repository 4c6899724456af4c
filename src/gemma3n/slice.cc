// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/slice.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "core/error.h"

namespace tandem::gemma3n {
namespace {

[[noreturn]] void Refuse(const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorKind::kInvalidArgument, "slice: " + what, hint);
}

int ParseLayer(const std::string& text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < 0) {
    Refuse(fmt::format("'{}' is not a layer number", Printable(text)),
           "write layers as in 20-24 or 5,7,9-11");
  }
  return value;
}

bool AllWidths(const HyperParams& params, int64_t width) {
  return std::all_of(params.ffn.begin(), params.ffn.end(), [&](int64_t f) { return f == width; });
}

// Local and global layers must keep taking turns as they were trained to: the kept kinds must be
// the pattern of the whole, cut at its end.
void CheckOrder(const HyperParams& params, const std::vector<int>& kept) {
  for (size_t i = 0; i < kept.size(); ++i) {
    if (params.kinds[static_cast<size_t>(kept[i])] != params.kinds[i]) {
      Refuse(fmt::format("layer {} would take the place of a layer of the other attention kind",
                         kept[i]),
             "skip whole groups of local layers and their global one, such as 20-24");
    }
  }
}

}  // namespace

std::optional<SliceSpec> SlicePreset(const std::string& name, const HyperParams& params) {
  if (name != "e2b") return std::nullopt;
  if (params.layers == 35 && AllWidths(params, 16384))
    return SliceSpec{{20, 21, 22, 23, 24}, {8192}};
  if (params.layers == 15 && AllWidths(params, 768)) return SliceSpec{{5, 6, 7, 8, 9}, {512}};
  return std::nullopt;
}

std::vector<int> ParseLayerList(const std::string& text) {
  std::set<int> layers;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, comma - begin);
    const size_t dash = item.find('-');
    const int first = ParseLayer(item.substr(0, dash));
    const int last = dash == std::string::npos ? first : ParseLayer(item.substr(dash + 1));
    if (last < first || last > 4096) Refuse(fmt::format("'{}' is not a range", Printable(item)));
    for (int layer = first; layer <= last; ++layer) layers.insert(layer);
    begin = comma + 1;
  }
  return {layers.begin(), layers.end()};
}

SlicedModel Slice(const HyperParams& params, const Weights& weights, const SliceSpec& spec) {
  const auto is_skipped = [&](int layer) {
    return std::find(spec.skip.begin(), spec.skip.end(), layer) != spec.skip.end();
  };
  for (const int layer : spec.skip) {
    if (layer < 0 || layer >= params.layers) {
      Refuse(fmt::format("there is no layer {} to skip (the model has {})", layer, params.layers));
    }
    for (int other = params.FirstShared(); other < params.layers; ++other) {
      if (params.KvSource(other) == layer && !is_skipped(other)) {
        Refuse(fmt::format("layer {} cannot go: layer {} uses its keys and values", layer, other));
      }
    }
  }
  std::vector<int> kept;
  for (int layer = 0; layer < params.layers; ++layer) {
    if (!is_skipped(layer)) kept.push_back(layer);
  }
  if (kept.empty()) Refuse("no layer would be left");
  CheckOrder(params, kept);
  if (spec.widths.size() > 1 && spec.widths.size() != kept.size()) {
    Refuse(fmt::format("{} FFN widths for {} kept layers", spec.widths.size(), kept.size()),
           "give one width for all layers, or one per kept layer");
  }

  SlicedModel out;
  out.params = params;
  out.params.layers = static_cast<int>(kept.size());
  out.params.ffn.clear();
  out.params.kinds.clear();
  out.params.sparsity.clear();
  out.weights.token_embedding = weights.token_embedding;
  out.weights.ple_table = weights.ple_table;
  out.weights.altup_projections = weights.altup_projections;
  out.weights.altup_unembeddings = weights.altup_unembeddings;
  out.weights.ple_projection_norm = weights.ple_projection_norm;
  out.weights.output_norm = weights.output_norm;
  out.params.shared_kv_layers = static_cast<int>(
      std::count_if(kept.begin(), kept.end(), [&](int l) { return !params.OwnsKv(l); }));
  for (size_t i = 0; i < kept.size(); ++i) {
    const auto layer = static_cast<size_t>(kept[i]);
    LayerWeights w = weights.layers[layer];
    const int64_t full = params.ffn[layer];
    const int64_t width = spec.widths.empty()       ? full
                          : spec.widths.size() == 1 ? spec.widths[0]
                                                    : spec.widths[i];
    if (width < 1 || width > full) {
      Refuse(fmt::format("layer {} has {} FFN units, {} were asked for", kept[i], full, width));
    }
    if (width % BlockElements(w.down.type) != 0) {
      Refuse(fmt::format("FFN width {} cuts a block of {} weights ({})", width,
                         BlockElements(w.down.type), DTypeName(w.down.type)));
    }
    w.gate = w.gate.Rows(0, width);
    w.up = w.up.Rows(0, width);
    w.down = w.down.Cols(0, width);
    out.weights.layers.push_back(w);
    out.params.ffn.push_back(width);
    out.params.kinds.push_back(params.kinds[layer]);
    out.params.sparsity.push_back(params.sparsity[layer]);
  }
  out.params.Validate("the slice");
  return out;
}

}  // namespace tandem::gemma3n
