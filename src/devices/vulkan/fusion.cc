// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/fusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "devices/vulkan/fused_limits.h"
#include "devices/vulkan/weights.h"

namespace tandem::vulkan {
namespace {

class Planner {
 public:
  Planner(const Program& program, OpRange range, const FusionLimits& limits)
      : program_(program), range_(range), limits_(limits) {}

  std::vector<FusedSpan> Plan() {
    for (size_t at = range_.begin; at < range_.end;) {
      FusedSpan span = SpanAt(at);
      span.joined = !spans_.empty() && Joins(spans_.back(), span);
      at = span.ops.end;
      spans_.push_back(std::move(span));
    }
    return std::move(spans_);
  }

 private:
  template <typename T>
  const T* As(size_t at) const {
    return at < range_.end ? std::get_if<T>(&program_.ops[at].body) : nullptr;
  }
  int64_t Width(ValueId id) const { return program_.values[static_cast<size_t>(id)].width; }
  int64_t Planes(ValueId id) const { return program_.values[static_cast<size_t>(id)].planes; }

  FusedSpan SpanAt(size_t at) const {
    const auto fused = [&](Pattern pattern, size_t count, std::string why_not) {
      if (why_not.empty()) return FusedSpan{pattern, {at, at + count}, false, {}};
      return FusedSpan{Pattern::kPlain, {at, at + 1}, false, std::move(why_not)};
    };
    if (As<AltUpPredict>(at) != nullptr) return fused(Pattern::kPredict, 1, WhyNotPredict(at));
    if (As<LaurelAndNorm>(at) != nullptr) return fused(Pattern::kAttention, 4, WhyNotAttention(at));
    if (const auto* mlp = As<GatedMlp>(at)) {
      const size_t count = Corrects(at, *mlp) ? 2 : 1;
      return fused(Pattern::kMlp, count, WhyNotMlp(at));
    }
    if (const auto* mix = As<PerLayerMix>(at)) {
      return fused(Pattern::kPerLayer, 1, WhyNotPerLayer(*mix));
    }
    if (As<PleProject>(at) != nullptr) return fused(Pattern::kBegin, 2, WhyNotBegin(at));
    if (As<AltUpCollapse>(at) != nullptr) return fused(Pattern::kEnd, 2, WhyNotEnd(at));
    return {Pattern::kPlain, {at, at + 1}, false, {}};
  }

  // Ops [at, at + count) run for the same rows.
  bool SameRows(size_t at, size_t count) const {
    return at + count <= range_.end &&
           std::all_of(program_.ops.begin() + static_cast<std::ptrdiff_t>(at),
                       program_.ops.begin() + static_cast<std::ptrdiff_t>(at + count),
                       [&](const Op& op) { return op.rows == program_.ops[at].rows; });
  }

  std::string WhyNotWidth(int64_t width) const {
    const int64_t most = int64_t{4} * limits_.threads * kMostQuads;
    if (width % 32 != 0) return fmt::format("a width of {}, not a multiple of 32", width);
    if (width > most) return fmt::format("a width of {}, more than {}", width, most);
    return {};
  }
  std::string WhyNotStreams(ValueId streams) const {
    if (Planes(streams) > kMostFusedStreams) {
      return fmt::format("{} AltUp streams, more than {}", Planes(streams), kMostFusedStreams);
    }
    return WhyNotWidth(Width(streams));
  }
  // A product's columns come as quads, and as whole blocks where they are brought to 8 bits.
  static std::string WhyNotColumns(const WeightView& w) {
    const int64_t unit = LayoutOf(w.type).quantized ? 32 : 8;
    return w.cols % unit == 0 ? "" : fmt::format("{} columns, not a multiple of {}", w.cols, unit);
  }

  std::string WhyNotPredict(size_t at) const {
    const auto* predict = As<AltUpPredict>(at);
    if (std::string why = WhyNotStreams(predict->streams); !why.empty()) return why;
    const auto* norm = As<LaurelAndNorm>(at + 1);
    if (norm == nullptr || norm->residual != predict->predictions ||
        norm->plane != predict->active || !SameRows(at, 2)) {
      return "no attention block of the prediction follows";
    }
    if (norm->eps != predict->router.eps) return "norms with different eps";
    return WhyNotAttention(at + 1);
  }

  std::string WhyNotAttention(size_t at) const {
    const auto* norm = As<LaurelAndNorm>(at);
    const auto* qkv = As<QkvProject>(at + 1);
    const auto* attention = As<Attention>(at + 2);
    const auto* out = As<AttentionOut>(at + 3);
    if (qkv == nullptr || attention == nullptr || out == nullptr || !SameRows(at, 4) ||
        qkv->normed != norm->normed || qkv->q == kNoId || attention->q != qkv->q ||
        out->context != attention->context || out->laurel != norm->laurel) {
      return "not norm, projections, attention and its output in a row";
    }
    if (qkv->cache != kNoId && qkv->cache != attention->cache) return "attention to another cache";
    if (norm->eps != qkv->eps || norm->eps != out->eps) return "norms with different eps";
    if (std::string why = WhyNotWidth(Width(norm->normed)); !why.empty()) return why;
    const int dims = qkv->head_dim;
    if (dims % 32 != 0 || dims / 4 > static_cast<int>(limits_.threads)) {
      return fmt::format("heads of {} dimensions, not a multiple of 32", dims);
    }
    const CacheTensor& cache = program_.caches[static_cast<size_t>(attention->cache)];
    const int together = qkv->heads / cache.kv_heads;
    if (qkv->heads % cache.kv_heads != 0 || (together + 2) * dims > kMostSharedHeadFloats) {
      return fmt::format("{} heads of {} dimensions share keys", together, dims);
    }
    if (qkv->q_norm.empty() || (qkv->cache != kNoId && qkv->k_norm.empty())) {
      return "queries or keys without a norm";
    }
    for (const WeightView& w : ProjectionsOf(*norm, *qkv)) {
      if (std::string why = WhyNotColumns(w); !why.empty()) return why;
    }
    if (norm->laurel != kNoId) {
      if (std::string why = WhyNotColumns(norm->right); !why.empty()) return why;
      if (norm->left.rows % 4 != 0) return fmt::format("a LAuReL rank of {}", norm->left.rows);
    }
    return WhyNotColumns(out->output);
  }

  bool Corrects(size_t at, const GatedMlp& mlp) const {
    const auto* correct = As<AltUpCorrect>(at + 1);
    return correct != nullptr && correct->h == mlp.out && SameRows(at, 2) &&
           correct->router.eps == mlp.eps && WhyNotStreams(correct->streams).empty();
  }

  std::string WhyNotMlp(size_t at) const {
    const auto& mlp = *As<GatedMlp>(at);
    if (std::string why = WhyNotWidth(Width(mlp.h)); !why.empty()) return why;
    const int64_t ffn = mlp.gate.rows;
    if (ffn % 32 != 0) return fmt::format("{} neurons, not a multiple of 32", ffn);
    if (mlp.sparse && ffn > int64_t{4} * limits_.threads * kMostQuads) {
      return fmt::format("{} neurons of a sparse layer", ffn);
    }
    if (mlp.gate.type != mlp.up.type) return "gate and up of different types";
    for (const WeightView* w : {&mlp.gate, &mlp.up, &mlp.down}) {
      if (std::string why = WhyNotColumns(*w); !why.empty()) return why;
    }
    const RowSizes sizes = RowSizesOf(mlp.gate.type, mlp.gate.cols);
    if (2 * static_cast<uint64_t>(ffn) * std::max({sizes.codes, sizes.high, sizes.scales}) >
        limits_.binding_bytes) {
      return "gate and up together are more than a binding reaches";
    }
    return {};
  }

  std::string WhyNotPerLayer(const PerLayerMix& mix) const {
    if (std::string why = WhyNotStreams(mix.streams); !why.empty()) return why;
    if (Planes(mix.streams) < 2) return "one stream";
    if (std::string why = WhyNotColumns(mix.gate); !why.empty()) return why;
    return WhyNotColumns(mix.projection);
  }

  std::string WhyNotBegin(size_t at) const {
    const auto& project = *As<PleProject>(at);
    const auto* expand = As<AltUpExpand>(at + 1);
    const auto* predict = As<AltUpPredict>(at + 2);
    if (expand == nullptr || predict == nullptr || predict->streams != expand->streams ||
        !SameRows(at, 3)) {
      return "not per-layer inputs, streams and their prediction in a row";
    }
    if (std::string why = WhyNotProjections(project.projections); !why.empty()) return why;
    if (std::string why = WhyNotProjections(expand->projections); !why.empty()) return why;
    return WhyNotPredict(at + 2);
  }

  std::string WhyNotEnd(size_t at) const {
    const auto& collapse = *As<AltUpCollapse>(at);
    const auto* norm = As<FinalNorm>(at + 1);
    if (norm == nullptr || norm->x != collapse.x || !SameRows(at, 2)) {
      return "no norm of the streams' mean follows";
    }
    if (std::string why = WhyNotStreams(collapse.streams); !why.empty()) return why;
    return WhyNotProjections(collapse.projections);
  }

  static std::string WhyNotProjections(const std::vector<WeightView>& projections) {
    for (const WeightView& w : projections) {
      if (std::string why = WhyNotColumns(w); !why.empty()) return why;
    }
    return {};
  }

  // Whether the last kernel of `before` can make what `span` begins with.
  bool Joins(const FusedSpan& before, const FusedSpan& span) const {
    const size_t at = span.ops.begin;
    if (program_.ops[before.ops.begin].rows != program_.ops[at].rows) return false;
    const Op& last = program_.ops[before.ops.end - 1];
    switch (span.pattern) {
      case Pattern::kPlain:
      case Pattern::kBegin:
      case Pattern::kEnd: return false;
      case Pattern::kPredict: {
        if (before.pattern == Pattern::kBegin) return true;  // WhyNotBegin() asks for it
        const auto* mix = std::get_if<PerLayerMix>(&last.body);
        const auto& predict = *As<AltUpPredict>(at);
        return before.pattern == Pattern::kPerLayer && mix->streams == predict.streams &&
               mix->eps == predict.router.eps;
      }
      case Pattern::kAttention: {
        const auto& norm = *As<LaurelAndNorm>(at);
        if (before.pattern == Pattern::kPredict) return true;  // WhyNotPredict() asks for it
        const auto* mlp = std::get_if<GatedMlp>(&last.body);
        return before.pattern == Pattern::kMlp && mlp != nullptr && mlp->out == norm.residual &&
               norm.plane == 0 && mlp->eps == norm.eps;
      }
      case Pattern::kMlp: {
        const auto* out = std::get_if<AttentionOut>(&last.body);
        const auto& mlp = *As<GatedMlp>(at);
        return before.pattern == Pattern::kAttention && out->h == mlp.h && out->eps == mlp.eps;
      }
      case Pattern::kPerLayer: {
        const auto* correct = std::get_if<AltUpCorrect>(&last.body);
        const auto& mix = *As<PerLayerMix>(at);
        return before.pattern == Pattern::kMlp && correct != nullptr &&
               correct->streams == mix.streams && correct->active == mix.active;
      }
    }
    return false;
  }

 public:
  static std::vector<WeightView> ProjectionsOf(const LaurelAndNorm& norm, const QkvProject& qkv) {
    std::vector<WeightView> views{qkv.query};
    if (qkv.cache != kNoId) views.insert(views.end(), {qkv.key, qkv.value});
    if (norm.laurel != kNoId) views.push_back(norm.left);
    return views;
  }

 private:
  const Program& program_;
  OpRange range_;
  const FusionLimits& limits_;
  std::vector<FusedSpan> spans_;
};

}  // namespace

std::string_view PatternName(Pattern pattern) {
  switch (pattern) {
    case Pattern::kPlain: return "plain";
    case Pattern::kPredict: return "predict";
    case Pattern::kAttention: return "attention";
    case Pattern::kMlp: return "mlp";
    case Pattern::kPerLayer: return "per-layer";
    case Pattern::kBegin: return "begin";
    case Pattern::kEnd: return "end";
  }
  return "";
}

std::vector<FusedSpan> PlanFusion(const Program& program, OpRange range,
                                  const FusionLimits& limits) {
  return Planner(program, range, limits).Plan();
}

std::vector<WeightView> ProjectionsOf(const LaurelAndNorm& norm, const QkvProject& qkv) {
  return Planner::ProjectionsOf(norm, qkv);
}

std::vector<std::vector<WeightView>> StacksOf(const Program& program,
                                              const std::vector<FusedSpan>& spans) {
  std::vector<std::vector<WeightView>> stacks;
  for (const FusedSpan& span : spans) {
    const OpBody& first = program.ops[span.ops.begin].body;
    if (span.pattern == Pattern::kAttention) {
      stacks.push_back(ProjectionsOf(std::get<LaurelAndNorm>(first),
                                     std::get<QkvProject>(program.ops[span.ops.begin + 1].body)));
    } else if (span.pattern == Pattern::kMlp) {
      const auto& mlp = std::get<GatedMlp>(first);
      stacks.push_back({mlp.gate, mlp.up});
    } else if (const auto* project = std::get_if<PleProject>(&first)) {
      stacks.push_back(project->projections);
    } else if (const auto* expand = std::get_if<AltUpExpand>(&first)) {
      stacks.push_back(expand->projections);
    }
    if (span.pattern == Pattern::kBegin) {
      stacks.push_back(std::get<AltUpExpand>(program.ops[span.ops.begin + 1].body).projections);
    }
  }
  return stacks;
}

}  // namespace tandem::vulkan
