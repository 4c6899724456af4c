// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/product_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <variant>

#include "devices/npu/gemm/cut_plan.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {
namespace {

/// Rows that a stretch of another type is judged by: those of a step.
constexpr int64_t kJudgedRows = 256;

bool IsFloat(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

class Planner {
 public:
  Planner(const ShapeClass& shape, const PlanOptions& options) : shape_(shape), options_(options) {}

  ProductPlan Run(const Program& program, OpRange range) {
    std::vector<const Op*> ops;
    for (size_t i = range.begin; i < range.end; ++i) {
      const Op& op = program.ops[i];
      if (RowsOf(op, shape_) >= kLeastRows) ops.push_back(&op);
    }
    ChooseIntegers(ops);
    const Op* before = nullptr;
    for (const Op* const op : ops) {
      const Op* const last = std::exchange(before, op);
      if (TakeGated(op->body)) {
        if (last != nullptr && last + 1 == op) PutNormBehind(*last, *op);
        continue;
      }
      for (const std::vector<WeightView>& group : ProductGroups(op->body)) {
        Split(group, HasOutliers(op->body), plan_.parts);
      }
    }
    LeaveOtherTypes();
    KeepToBudget();
    return std::move(plan_);
  }

 private:
  /// Whether Q4_0 is multiplied as it is: only where it makes up nearly all, for other quantised
  /// types cannot join it.
  void ChooseIntegers(const std::vector<const Op*>& ops) {
    int64_t four = 0;
    int64_t quantised = 0;
    for (const Op* const op : ops) {
      for (const std::vector<WeightView>& group : ProductGroups(op->body)) {
        for (const WeightView& matrix : group) {
          const int64_t weights = matrix.rows * matrix.cols;
          plan_.all += weights;
          if (IsFloat(matrix.type)) continue;
          quantised += weights;
          if (matrix.type == DType::kQ4_0) four += weights;
        }
      }
    }
    four_ = four * 10 >= quantised * 9;
  }

  /// An MLP or a per-layer mix as a list, where all of it is of one quantised type, and wide
  /// enough.
  bool TakeGated(const OpBody& body) {
    const auto* const mlp = std::get_if<GatedMlp>(&body);
    const auto* const mix = std::get_if<PerLayerMix>(&body);
    if (options_.precise || (mlp == nullptr && mix == nullptr)) return false;
    ProductPart part;
    if (mlp != nullptr) {
      part.matrices = {mlp->gate, mlp->up, mlp->down};
      if (mlp->sparse) part.cut = mlp->sparsity_multiplier;
    } else {
      part.matrices = {mix->gate, mix->projection};
    }
    const GemmType type = TypeOf(part.matrices.front().type);
    part.config = {options_.device, type, GemmOutput::kF32};
    part.gated = true;
    part.k = part.matrices.front().cols;
    part.n = part.matrices.back().rows;
    for (const WeightView& matrix : part.matrices) {
      if (TypeOf(matrix.type) != type) return false;
      if (std::min(matrix.rows, matrix.cols) < options_.least_side) return false;
    }
    if (!ScalesRows(part.config)) return false;
    part.sets_apart = SetsApart(part, HasOutliers(body));
    if (part.sets_apart && !FitsGated(GatedShapeOf(part, 1))) part.sets_apart = false;
    if (!FitsGated(GatedShapeOf(part, 1))) return false;
    part.bytes = ListBytes(part) + static_cast<uint64_t>(part.n) * sizeof(float);
    plan_.parts.push_back(std::move(part));
    return true;
  }

  /// Of a list's matrices, packed.
  static uint64_t ListBytes(const ProductPart& part) {
    const GatedShape shape = GatedShapeOf(part, 1);
    if (part.cut) {
      const CutPlan plan = PlanCut(part.config, shape);
      return static_cast<uint64_t>(plan.gates_b_bytes + plan.up_b_bytes + plan.gated.down.b_bytes);
    }
    const GatedPlan plan = PlanGated(part.config, shape);
    return static_cast<uint64_t>(plan.b_bytes + plan.down.b_bytes);
  }

  /// The last part but one may be the product whose results this MLP reads.
  void PutNormBehind(const Op& first, const Op& second) {
    const auto* const out = std::get_if<AttentionOut>(&first.body);
    const auto* const mlp = std::get_if<GatedMlp>(&second.body);
    if (out == nullptr || mlp == nullptr || mlp->h != out->h || first.rows != second.rows) return;
    if (plan_.parts.size() < 2) return;
    const ProductPart& list = plan_.parts.back();
    ProductPart& part = plan_.parts[plan_.parts.size() - 2];
    if (part.matrices.size() != 1 || KeysOf(part.matrices) != KeysOf({out->output}) ||
        part.config != list.config || !(out->mix > 0)) {
      return;
    }
    part.norm = {out->post_norm,  out->eps,
                 mlp->pre_norm,   mlp->eps / (out->mix * out->mix),
                 list.sets_apart, KeysOf(list.matrices)};
    if (!FitsNorm(NormShapeOf(part, 1))) part.norm.reset();
    part.bytes = BytesOf(part);
  }

  /// Of one product, packed.
  static uint64_t BytesOf(const ProductPart& part) {
    if (part.norm) {
      // With the order of its results: never less than without norms, which it may lose.
      return static_cast<uint64_t>(PlanNorm(part.config, NormShapeOf(part, 1)).out.b_bytes) +
             static_cast<uint64_t>(part.n) * sizeof(int32_t);
    }
    const GemmPlan gemm = PlanGemm(part.config, {1, SumOf(part), part.n});
    const uint64_t scale = part.config.type == GemmType::kBf16 ? 0 : sizeof(float);
    return static_cast<uint64_t>(gemm.b_bytes) + static_cast<uint64_t>(part.n) * scale;
  }

  GemmType TypeOf(DType type) const {
    if (IsFloat(type)) return GemmType::kBf16;
    return type == DType::kQ4_0 && four_ ? GemmType::kI4 : GemmType::kI8;
  }

  /// Products behind a norm, and behind a gate: some of their inputs are outliers in every row. Of
  /// attention's results and of streams none were found that cost as much.
  static bool HasOutliers(const OpBody& body) {
    return std::holds_alternative<QkvProject>(body) || std::holds_alternative<GatedMlp>(body);
  }
  /// Whether a part does that has such inputs. In one tile all would be apart.
  bool SetsApart(const ProductPart& part, bool outliers) const {
    return outliers && !options_.precise && ScalesRows(part.config) && part.k > kTileKI8 &&
           part.k + 2 * kTileKI8 <= kMostGemmSum;
  }

  /// A part for each type of a group.
  void Split(const std::vector<WeightView>& group, bool outliers, std::vector<ProductPart>& parts) {
    for (const GemmType type : {GemmType::kI8, GemmType::kI4, GemmType::kBf16}) {
      ProductPart part;
      part.config = {options_.device, type, GemmOutput::kF32};
      for (const WeightView& matrix : group) {
        if (TypeOf(matrix.type) != type) continue;
        part.matrices.push_back(matrix);
        part.k = matrix.cols;
        part.n += matrix.rows;
      }
      if (part.matrices.empty()) continue;
      if (part.k < options_.least_side || part.n < options_.least_side) {
        ++plan_.left.narrow;
      } else if (part.k > kMostGemmSum || part.n > kMostGemmColumns) {
        ++plan_.left.large;
      } else {
        part.sets_apart = SetsApart(part, outliers);
        part.bytes = BytesOf(part);
        parts.push_back(std::move(part));
      }
    }
  }

  /// Without the dispatch, at kJudgedRows.
  double SecondsOf(const ProductPart& part) const {
    const GemmTime time = [&] {
      if (part.gated) return ModelGated(GatedCaseOf(part, kJudgedRows));
      GemmCase gemm;
      gemm.device = options_.device;
      gemm.type = part.config.type;
      gemm.output = part.config.output;
      gemm.shape = {kJudgedRows, SumOf(part), part.n};
      gemm.tile = DesignTile(gemm.type);
      return ModelGemm(gemm);
    }();
    return time.seconds - time.dispatch_seconds;
  }

  /// The type of most weights stays, and stretches of others that take the array longer than
  /// changing to them and back.
  void LeaveOtherTypes() {
    std::array<int64_t, 3> weights{};
    for (const ProductPart& part : plan_.parts) {
      weights.at(static_cast<size_t>(part.config.type)) += WeightsOf(part);
    }
    const auto most =
        static_cast<GemmType>(std::max_element(weights.begin(), weights.end()) - weights.begin());
    std::vector<ProductPart> kept;
    for (size_t begin = 0, end = 0; begin < plan_.parts.size(); begin = end) {
      const GemmType type = plan_.parts[begin].config.type;
      double seconds = 0;
      for (; end < plan_.parts.size() && plan_.parts[end].config.type == type; ++end) {
        seconds += SecondsOf(plan_.parts[end]);
      }
      if (type == most || seconds > 2 * ModelSwitch(options_.device.generation)) {
        std::move(plan_.parts.begin() + static_cast<std::ptrdiff_t>(begin),
                  plan_.parts.begin() + static_cast<std::ptrdiff_t>(end), std::back_inserter(kept));
      } else {
        plan_.left.type += static_cast<int>(end - begin);
      }
    }
    plan_.parts = std::move(kept);
  }

  void KeepToBudget() {
    std::vector<ProductPart> kept;
    std::set<PartKey> counted;
    // A list that does not fit may do so in parts: those come in its stead.
    std::vector<ProductPart> left(std::make_move_iterator(plan_.parts.rbegin()),
                                  std::make_move_iterator(plan_.parts.rend()));
    while (!left.empty()) {
      ProductPart part = std::move(left.back());
      left.pop_back();
      const PartKey key = KeyOf(part);
      const bool held =
          counted.contains(key) || (options_.held != nullptr && options_.held->contains(key));
      if (!held && part.bytes > options_.budget - plan_.bytes) {
        if (part.gated) {
          const bool outliers = !part.gives_up();
          Split({part.matrices.back()}, outliers, left);
          part.matrices.pop_back();
          Split(part.matrices, outliers, left);
          continue;
        }
        LeftOut& out = plan_.left;
        out.smallest = out.budget == 0 ? part.bytes : std::min(out.smallest, part.bytes);
        ++out.budget;
        continue;
      }
      if (!held) plan_.bytes += part.bytes;
      plan_.multiplied += WeightsOf(part);
      counted.insert(key);
      kept.push_back(std::move(part));
    }
    plan_.parts = std::move(kept);
    LoseNorms();
  }

  /// Of products whose MLP is no list after all.
  void LoseNorms() {
    for (size_t i = 0; i < plan_.parts.size(); ++i) {
      ProductPart& part = plan_.parts[i];
      if (!part.norm) continue;
      if (i + 1 < plan_.parts.size() && KeysOf(plan_.parts[i + 1].matrices) == part.norm->mlp) {
        continue;
      }
      part.norm.reset();
      const uint64_t bytes = BytesOf(part);
      if (options_.held == nullptr || !options_.held->contains(KeyOf(part))) {
        plan_.bytes -= part.bytes - bytes;
      }
      part.bytes = bytes;
    }
  }

  const ShapeClass& shape_;
  const PlanOptions& options_;
  bool four_ = false;
  ProductPlan plan_;
};

}  // namespace

MatrixKeys KeysOf(const std::vector<WeightView>& matrices) {
  MatrixKeys keys;
  keys.reserve(matrices.size());
  for (const WeightView& matrix : matrices) {
    keys.push_back({matrix.data, matrix.rows, matrix.cols});
  }
  return keys;
}

int64_t WeightsOf(const ProductPart& part) {
  int64_t weights = 0;
  for (const WeightView& matrix : part.matrices) weights += matrix.rows * matrix.cols;
  return weights;
}

int64_t SumOf(const ProductPart& part) {
  return part.sets_apart ? (ScaledTiles(part.k) + 1) * kTileKI8 : part.k;
}

NormShape NormShapeOf(const ProductPart& part, int64_t m) {
  return {m, part.k, part.n, part.norm->sets_apart};
}

GatedShape GatedShapeOf(const ProductPart& part, int64_t m) {
  const int64_t neurons = part.matrices.front().rows;
  // Factors in two parts, each in whole tiles.
  const int64_t up_k = part.gives_up() ? 2 * ScaledTiles(neurons) * kTileKI8 : 0;
  return {m, SumOf(part), up_k, neurons, part.n};
}

GatedCase GatedCaseOf(const ProductPart& part, int64_t m) {
  const GatedShape shape = GatedShapeOf(part, m);
  GatedCase gated;
  gated.device = part.config.device;
  gated.type = part.config.type;
  gated.m = shape.m;
  gated.gate_k = shape.gate_k;
  gated.up_k = part.gives_up() ? shape.up_k : shape.gate_k;
  gated.neurons = shape.neurons;
  gated.n = shape.n;
  gated.cuts = part.cut.has_value();
  return gated;
}

PartKey KeyOf(const ProductPart& part) { return {part.config.type, KeysOf(part.matrices)}; }

std::string LeftOut::Text(int64_t least_side) const {
  std::string text;
  const auto add = [&](int count, const std::string& why) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, why);
  };
  add(narrow, fmt::format("narrower than {}", least_side));
  add(large, "too large for a stream");
  add(type, "of a type that is not worth changing the array for");
  add(budget, "beyond the budget");
  return text;
}

ProductPlan PlanProducts(const Program& program, OpRange range, const ShapeClass& shape,
                         const PlanOptions& options) {
  return Planner(shape, options).Run(program, range);
}

}  // namespace tandem::npu
