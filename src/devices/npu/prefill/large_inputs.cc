// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/large_inputs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <variant>

#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {
namespace {

/// Of the step that inputs are looked at in.
constexpr int64_t kSampleRows = 64;

/// Looks at the inputs of products, and leaves them to the host.
class InputSizes : public ProductEngine {
 public:
  void Multiply(const float* x, int64_t x_stride, int64_t rows,
                std::span<Product> products) override {
    const auto k = static_cast<size_t>(products.front().weights.cols);
    std::vector<double> squares(k);
    for (int64_t t = 0; t < rows; ++t) Add({x + t * x_stride, k}, squares);
    for (const Product& product : products) {
      squares_[KeysOf({product.weights}).front()] = squares;
    }
  }

  /// Sums of the squares of a matrix's inputs, of rows whose mean square is 1.
  std::vector<double> Of(const WeightView& matrix) const {
    const auto found = squares_.find(KeysOf({matrix}).front());
    return found == squares_.end() ? std::vector<double>(static_cast<size_t>(matrix.cols))
                                   : found->second;
  }

 private:
  static void Add(std::span<const float> row, std::vector<double>& squares) {
    const double sum = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
    if (!std::isfinite(sum) || sum == 0) return;
    for (size_t i = 0; i < row.size(); ++i) {
      squares[i] += double{row[i]} * row[i] * static_cast<double>(row.size()) / sum;
    }
  }

  std::map<MatrixKey, std::vector<double>> squares_;
};

/// Tokens of a vocabulary, drawn evenly: which channels are outliers is the model's, not the
/// text's.
std::vector<StepRow> SampleRows(const Program& program, bool wanted) {
  int64_t vocab = 1;
  for (const Op& op : program.ops) {
    if (const auto* const embed = std::get_if<EmbedTokens>(&op.body)) vocab = embed->table.rows;
  }
  std::mt19937_64 random(1);
  std::vector<StepRow> rows;
  for (int32_t t = 0; t < kSampleRows; ++t) {
    const auto token = static_cast<int32_t>(random() % static_cast<uint64_t>(vocab));
    rows.push_back({token, t, 0, wanted});
  }
  return rows;
}

/// Runs ops of a Program for the rows, in memory of its own.
void RunOnce(HostDevice& host, const Program& program, OpRange range, std::span<const StepRow> rows,
             ProductEngine& engine) {
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t wanted = rows.front().wanted ? count : 0;
  std::vector<std::vector<float>> values;
  std::vector<float*> pointers;
  for (const Value& value : program.values) {
    const int64_t of_set = value.rows == RowSet::kAll ? count : wanted;
    pointers.push_back(
        values.emplace_back(static_cast<size_t>(of_set * value.planes * value.width)).data());
  }
  std::vector<std::vector<float>> kept;
  std::vector<KvView> caches;
  for (const CacheTensor& tensor : program.caches) {
    // Windows look back that far.
    const int64_t capacity = tensor.window + count;
    const auto size = static_cast<size_t>(capacity * tensor.width());
    float* const data = kept.emplace_back(2 * size).data();
    caches.push_back({DType::kF32, capacity, tensor.width(), reinterpret_cast<std::byte*>(data),
                      reinterpret_cast<std::byte*>(data + size)});
  }
  const std::span<const KvView> views = caches;
  host.CompileWith(program, range, {count, std::max<int64_t>(1, wanted)}, engine)
      ->Submit({pointers, {&views, 1}}, rows)
      .Wait();
}

}  // namespace

std::vector<int32_t> LargestInputs(std::span<const double> squares, GemmType type) {
  const size_t run = type == GemmType::kI4 ? kI4Block : 1;
  std::vector<double> most;
  for (size_t first = 0; first < squares.size(); first += run) {
    const auto block = squares.subspan(first, std::min(run, squares.size() - first));
    most.push_back(*std::max_element(block.begin(), block.end()));
  }
  std::vector<size_t> order(most.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t left, size_t right) { return most[left] > most[right]; });
  order.resize(std::min(order.size(), kTileKI8 / run));
  std::sort(order.begin(), order.end());
  std::vector<int32_t> largest;
  for (const size_t block : order) {
    for (size_t i = block * run; i < std::min(squares.size(), (block + 1) * run); ++i) {
      largest.push_back(static_cast<int32_t>(i));
    }
  }
  return largest;
}

std::vector<float> DivisorsOf(std::span<const double> squares, GemmType type) {
  const auto mean_of = [](std::span<const double> of) {
    return std::accumulate(of.begin(), of.end(), 0.0) / static_cast<double>(of.size());
  };
  const double mean = mean_of(squares);
  const size_t run = type == GemmType::kI4 ? kI4Block : 1;
  std::vector<float> divisors;
  for (size_t first = 0; first < squares.size(); first += run) {
    const auto block = squares.subspan(first, std::min(run, squares.size() - first));
    const double square = mean_of(block);
    // A quarter of the square's power of two is that of the size's square root.
    const double power = mean > 0 && square > mean ? std::log2(square / mean) / 4 : 0;
    divisors.insert(divisors.end(), block.size(),
                    std::ldexp(1.0F, static_cast<int>(std::lround(power))));
  }
  return divisors;
}

void EaseOutliers(ProductPlan& plan, const std::set<PartKey>& held, HostDevice& host,
                  const Program& program, OpRange range, const ShapeClass& shape) {
  std::vector<ProductPart*> parts;
  for (ProductPart& part : plan.parts) {
    if (part.sets_apart && !held.contains(KeyOf(part))) parts.push_back(&part);
  }
  if (parts.empty()) return;
  // The head is not multiplied here, and takes long.
  while (std::holds_alternative<LmHead>(program.ops[range.end - 1].body)) --range.end;
  InputSizes sizes;
  RunOnce(host, program, range, SampleRows(program, shape.wanted >= kLeastRows), sizes);
  for (ProductPart* const part : parts) {
    part->apart = LargestInputs(sizes.Of(part->matrices.front()), part->config.type);
    // In i4, by whole blocks, it was measured on sparse layers alone.
    if (part->gated && (part->cut || part->config.type != GemmType::kI4)) {
      part->divisors = DivisorsOf(sizes.Of(part->matrices.back()), part->config.type);
    }
  }
}

}  // namespace tandem::npu
