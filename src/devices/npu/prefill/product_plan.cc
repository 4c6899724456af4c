// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/product_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "devices/npu/gemm/gemm_stream.h"
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
    std::vector<std::vector<WeightView>> groups;
    for (size_t i = range.begin; i < range.end; ++i) {
      const Op& op = program.ops[i];
      if ((op.rows == RowSet::kAll ? shape_.rows : shape_.wanted) < kLeastRows) continue;
      for (std::vector<WeightView>& group : ProductGroups(op.body)) {
        groups.push_back(std::move(group));
      }
    }
    ChooseIntegers(groups);
    for (const std::vector<WeightView>& group : groups) Split(group);
    LeaveOtherTypes();
    KeepToBudget();
    return std::move(plan_);
  }

 private:
  /// Whether Q4_0 is multiplied as it is: only where it makes up nearly all, for other quantised
  /// types cannot join it.
  void ChooseIntegers(const std::vector<std::vector<WeightView>>& groups) {
    int64_t four = 0;
    int64_t quantised = 0;
    for (const std::vector<WeightView>& group : groups) {
      for (const WeightView& matrix : group) {
        const int64_t weights = matrix.rows * matrix.cols;
        plan_.all += weights;
        if (IsFloat(matrix.type)) continue;
        quantised += weights;
        if (matrix.type == DType::kQ4_0) four += weights;
      }
    }
    four_ = four * 10 >= quantised * 9;
  }

  GemmType TypeOf(DType type) const {
    if (IsFloat(type)) return GemmType::kBf16;
    return type == DType::kQ4_0 && four_ ? GemmType::kI4 : GemmType::kI8;
  }

  /// A part for each type of a group.
  void Split(const std::vector<WeightView>& group) {
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
        const GemmPlan gemm = PlanGemm(part.config, {1, part.k, part.n});
        const uint64_t scales = type == GemmType::kBf16 ? 0 : sizeof(float);
        part.bytes = static_cast<uint64_t>(gemm.b_bytes) + static_cast<uint64_t>(part.n) * scales;
        plan_.parts.push_back(std::move(part));
      }
    }
  }

  /// The type of most weights stays, and stretches of others that take the array longer than
  /// changing to them and back.
  void LeaveOtherTypes() {
    std::array<int64_t, 3> weights{};
    for (const ProductPart& part : plan_.parts) {
      weights.at(static_cast<size_t>(part.config.type)) += part.k * part.n;
    }
    const auto most =
        static_cast<GemmType>(std::max_element(weights.begin(), weights.end()) - weights.begin());
    std::vector<ProductPart> kept;
    for (size_t begin = 0, end = 0; begin < plan_.parts.size(); begin = end) {
      const GemmType type = plan_.parts[begin].config.type;
      double seconds = 0;
      for (; end < plan_.parts.size() && plan_.parts[end].config.type == type; ++end) {
        const ProductPart& part = plan_.parts[end];
        GemmCase gemm;
        gemm.device = options_.device;
        gemm.type = type;
        gemm.output = part.config.output;
        gemm.shape = {kJudgedRows, part.k, part.n};
        gemm.tile = DesignTile(type);
        const GemmTime time = ModelGemm(gemm);
        seconds += time.seconds - time.dispatch_seconds;
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
    for (ProductPart& part : plan_.parts) {
      const PartKey key = KeyOf(part);
      const bool held =
          counted.contains(key) || (options_.held != nullptr && options_.held->contains(key));
      if (!held && part.bytes > options_.budget - plan_.bytes) {
        LeftOut& left = plan_.left;
        left.smallest = left.budget == 0 ? part.bytes : std::min(left.smallest, part.bytes);
        ++left.budget;
        continue;
      }
      if (!held) plan_.bytes += part.bytes;
      plan_.multiplied += part.k * part.n;
      counted.insert(key);
      kept.push_back(std::move(part));
    }
    plan_.parts = std::move(kept);
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
