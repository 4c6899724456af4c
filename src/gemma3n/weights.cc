// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace tandem::gemma3n {
namespace {

class Loader {
 public:
  Loader(const TensorLookup& lookup, const HyperParams& params, const std::string& file,
         const TensorNamer& namer)
      : lookup_(lookup), params_(params), file_(file), namer_(namer) {}

  Weights Run() {
    const HyperParams& p = params_;
    Weights weights;
    owned_ = &weights.owned;
    weights.token_embedding = Matrix("token_embd.weight", p.vocab, p.width);
    weights.ple_table = Required("per_layer_token_embd.weight", 0);
    const int64_t ple_total = p.layers * p.ple_width;
    if (weights.ple_table.cols != ple_total || weights.ple_table.rows < p.ple_vocab) {
      WrongShape("per_layer_token_embd.weight", 0, weights.ple_table, p.ple_vocab, ple_total);
    }
    CheckPleBlocks(weights.ple_table);
    for (int i = 0; i + 1 < p.altup_inputs; ++i) {
      weights.altup_projections.push_back(Matrix("altup_proj.weight", p.width, p.width, i));
      weights.altup_unembeddings.push_back(Matrix("altup_unembd_proj.weight", p.width, p.width, i));
    }
    weights.ple_projection_norm = Vector("per_layer_proj_norm.weight", p.ple_width);
    weights.output_norm = Vector("output_norm.weight", p.width);
    const WeightView projection = Matrix("per_layer_model_proj.weight", ple_total, p.width);
    for (int layer = 0; layer < p.layers; ++layer) {
      weights.layers.push_back(Layer(layer));
      weights.layers.back().ple_projection = projection.Rows(layer * p.ple_width, p.ple_width);
      weights.layers.back().ple_column = layer * p.ple_width;
    }
    return weights;
  }

 private:
  LayerWeights Layer(int layer) {
    const HyperParams& p = params_;
    const auto name = [layer](const char* suffix) {
      return fmt::format("blk.{}.{}.weight", layer, suffix);
    };
    const int64_t a = p.altup_inputs;
    const int64_t ffn = p.ffn[static_cast<size_t>(layer)];
    LayerWeights w;
    w.attention_norm = Vector(name("attn_norm"), p.width);
    w.post_attention_norm = Vector(name("post_attention_norm"), p.width);
    w.ffn_norm = Vector(name("ffn_norm"), p.width);
    w.post_ffn_norm = Vector(name("post_ffw_norm"), p.width);
    w.q_norm = Vector(name("attn_q_norm"), p.head_dim);
    w.laurel_norm = Vector(name("laurel_post_norm"), p.width);
    w.ple_norm = Vector(name("post_norm"), p.width);
    w.router_norm = Vector(name("altup_router_norm"), p.width);
    w.router = Small(name("altup_router"), a, p.width);
    w.predict_coefficients = Clipped(Small(name("altup_predict_coef"), a * a, a));
    w.correct_coefficients = Clipped(Small(name("altup_correct_coef"), a, a));
    if (p.altup_correct_scale) w.correct_scale = Vector(name("altup_correct_scale"), p.width);
    w.query = Matrix(name("attn_q"), int64_t{p.heads} * p.head_dim, p.width);
    w.output = Matrix(name("attn_output"), p.width, int64_t{p.heads} * p.head_dim);
    const int64_t kv_width = int64_t{p.kv_heads} * p.head_dim;
    if (p.OwnsKv(layer)) {
      w.k_norm = Vector(name("attn_k_norm"), p.head_dim);
      w.key = Matrix(name("attn_k"), kv_width, p.width);
      w.value = Matrix(name("attn_v"), kv_width, p.width);
    } else if (Has(name("attn_k"), kv_width) && Has(name("attn_v"), kv_width) &&
               lookup_(name("attn_k_norm"), 0)) {
      // Published files carry these in every layer. Nothing runs them where keys and values are
      // shared; they are kept so that a converted file has them too, as other engines expect.
      w.k_norm = Vector(name("attn_k_norm"), p.head_dim);
      w.key = *lookup_(name("attn_k"), 0);
      w.value = *lookup_(name("attn_v"), 0);
    }
    w.gate = Matrix(name("ffn_gate"), ffn, p.width);
    w.up = Matrix(name("ffn_up"), ffn, p.width);
    w.down = Matrix(name("ffn_down"), p.width, ffn);
    w.laurel_left = Matrix(name("laurel_l"), p.laurel_rank, p.width);
    w.laurel_right = Matrix(name("laurel_r"), p.width, p.laurel_rank);
    w.ple_gate = Matrix(name("inp_gate"), p.ple_width, p.width);
    w.ple_output = Matrix(name("proj"), p.width, p.ple_width);
    return w;
  }

  // What the file calls it.
  std::string Shown(const std::string& name, int index) const {
    return namer_ ? namer_(name, index) : name;
  }

  WeightView Required(const std::string& name, int index) const {
    auto view = lookup_(name, index);
    if (!view) {
      throw Error(ErrorKind::kNotFound,
                  fmt::format("{}: tensor '{}' is missing", file_, Shown(name, index)),
                  "the file is incomplete, or not a Gemma 3n text model");
    }
    return *view;
  }

  bool Has(const std::string& name, int64_t rows) const {
    const auto view = lookup_(name, 0);
    return view && view->rows == rows && view->cols == params_.width;
  }

  [[noreturn]] void WrongShape(const std::string& name, int index, const WeightView& view,
                               int64_t rows, int64_t cols) const {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: tensor '{}' is [{}, {}], the configuration asks for [{}, {}]",
                            file_, Shown(name, index), view.rows, view.cols, rows, cols),
                "weights and configuration do not belong together");
  }

  WeightView Matrix(const std::string& name, int64_t rows, int64_t cols, int index = 0) const {
    const WeightView view = Required(name, index);
    if (view.rows != rows || view.cols != cols) WrongShape(name, index, view, rows, cols);
    return view;
  }

  std::span<float> Small(const std::string& name, int64_t rows, int64_t cols) {
    const WeightView view = Matrix(name, rows, cols);
    std::vector<float>& values = owned_->emplace_back(static_cast<size_t>(rows * cols));
    for (int64_t row = 0; row < rows; ++row) view.ReadRow(row, values.data() + row * cols);
    return values;
  }

  std::span<const float> Vector(const std::string& name, int64_t size) {
    return Small(name, 1, size);
  }

  std::span<const float> Clipped(std::span<float> values) const {
    const float clip = params_.altup_coefficient_clip;
    for (float& value : values) value = std::clamp(value, -clip, clip);
    return values;
  }

  // Layers are read by their columns, so a block may not reach from one into the next.
  void CheckPleBlocks(const WeightView& table) const {
    if (params_.ple_width % BlockElements(table.type) == 0) return;
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{}: tensor 'per_layer_token_embd.weight': type {} packs {} elements, "
                    "which does not divide the {} of a layer",
                    file_, DTypeName(table.type), BlockElements(table.type), params_.ple_width),
        "convert the model again with --type q8_0");
  }

  const TensorLookup& lookup_;
  const HyperParams& params_;
  const std::string& file_;
  const TensorNamer& namer_;
  std::list<std::vector<float>>* owned_ = nullptr;
};

}  // namespace

Weights LoadWeights(const TensorLookup& lookup, const HyperParams& params, const std::string& file,
                    const TensorNamer& namer) {
  return Loader(lookup, params, file, namer).Run();
}

}  // namespace tandem::gemma3n
