// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/array_products.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/float_types.h"
#include "devices/npu/arrays/gemm_configuration.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {
namespace {

/// Shapes whose streams are kept: prompts end in steps of any length.
constexpr size_t kMostPrepared = 512;

/// What no float is that an array computes: a quiet number that is none, with a payload.
constexpr uint32_t kNoFloat = 0xFFC0DEAD;

template <typename T>
std::span<T> Resized(std::vector<T>& buffer, int64_t size) {
  const auto count = static_cast<size_t>(size);
  if (buffer.size() < count) buffer.resize(count);
  return std::span(buffer).first(count);
}

}  // namespace

void ArrayProducts::Add(const ProductPlan& plan,
                        const std::function<void(uint64_t, uint64_t)>& progress) {
  uint64_t done = 0;
  const auto bytes_of = [](const ProductPart& part) {
    uint64_t bytes = 0;
    for (const WeightView& matrix : part.matrices) bytes += matrix.DataBytes();
    return bytes;
  };
  uint64_t total = 0;
  for (const ProductPart& part : plan.parts) {
    if (!held_.contains(KeyOf(part))) total += bytes_of(part);
  }
  for (const ProductPart& part : plan.parts) {
    PartKey key = KeyOf(part);
    if (held_.contains(key)) continue;
    auto packed = std::make_unique<PackedWeights>(part, *backend_);
    bytes_ += part.bytes;
    held_.insert(key);
    packed_.emplace(key.second.front(), std::move(packed));
    done = std::min(total, done + bytes_of(part));
    if (progress) progress(done, total);
  }
}

void ArrayProducts::Multiply(const float* x, int64_t x_stride, int64_t rows,
                             std::span<Product> products) {
  if (rows < kLeastRows) return;
  for (Product& first : products) {
    if (first.done) continue;
    const WeightView& matrix = first.weights;
    const auto [begin, end] = packed_.equal_range({matrix.data, matrix.rows, matrix.cols});
    for (auto candidate = begin; candidate != end; ++candidate) {
      const PackedWeights& weights = *candidate->second;
      if (!Find(weights.part(), products)) continue;
      Run(weights, x, x_stride, rows);
      for (Product* product : found_) product->done = true;
      break;
    }
  }
}

bool ArrayProducts::Find(const ProductPart& part, std::span<Product> products) {
  found_.clear();
  for (const WeightView& matrix : part.matrices) {
    const auto same = std::find_if(products.begin(), products.end(), [&](const Product& product) {
      return !product.done && product.weights.data == matrix.data &&
             product.weights.rows == matrix.rows && product.weights.cols == matrix.cols;
    });
    if (same == products.end()) return false;
    found_.push_back(&*same);
  }
  return true;
}

ArrayContext& ArrayProducts::ContextOf(const GemmConfig& config) {
  std::unique_ptr<ArrayContext>& context = contexts_[config.type];
  if (context == nullptr) context = backend_->Configure(GemmConfiguration(config));
  return *context;
}

ArrayBuffer& ArrayProducts::Grown(std::unique_ptr<ArrayBuffer>& buffer, int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  if (buffer == nullptr || buffer->bytes().size() < size) buffer = backend_->MakeBuffer(size);
  return *buffer;
}

const ArrayProducts::Prepared& ArrayProducts::Prepare(const GemmConfig& config,
                                                      const GemmShape& shape) {
  if (prepared_.size() >= kMostPrepared) prepared_.clear();
  const auto [it, missing] = prepared_.try_emplace({config.type, shape.m, shape.k, shape.n});
  if (!missing) return it->second;
  try {
    Prepared& prepared = it->second;
    prepared.plan = PlanGemm(config, shape);
    prepared.program = ContextOf(config).Load(GemmStream(prepared.plan));
    const auto columns = static_cast<size_t>(config.device.columns);
    const auto column_bytes = static_cast<size_t>(prepared.plan.c_bytes) / columns;
    for (size_t i = 1; i <= columns; ++i) prepared.marks.push_back(i * column_bytes - 4);
    GemmCase gemm;
    gemm.device = config.device;
    gemm.type = config.type;
    gemm.output = config.output;
    gemm.shape = shape;
    gemm.tile = prepared.plan.tile;
    prepared.seconds = ModelGemm(gemm).seconds;
  } catch (...) {
    prepared_.erase(it);
    throw;
  }
  return it->second;
}

void ArrayProducts::PackBytes(const GemmPlan& plan, const float* x, int64_t x_stride, int64_t rows,
                              std::span<std::byte> a) {
  const auto k = static_cast<size_t>(plan.shape.k);
  const auto tiles = static_cast<size_t>(plan.k_steps);
  const std::span<int8_t> bytes = Resized(bytes_of_rows_, plan.shape.m * plan.shape.k);
  const std::span<int8_t> exponents = Resized(exponents_, plan.shape.m * plan.k_steps);
  const std::span<float> factors = Resized(factors_, rows);
  for (int64_t t = 0; t < rows; ++t) {
    const std::span<const float> row(x + t * x_stride, k);
    const auto first = static_cast<size_t>(t);
    const auto to = bytes.subspan(first * k, k);
    const auto to_exponents = exponents.subspan(first * tiles, tiles);
    factors[first] = ScaleRow(row, to, to_exponents);
    if (parts_ == 1) continue;
    const auto second = static_cast<size_t>(rows + t);
    ScaleRest(row, factors[first], to, to_exponents, bytes.subspan(second * k, k),
              exponents.subspan(second * tiles, tiles));
  }
  PackScaledA(plan, bytes, exponents, a);
}

void ArrayProducts::Run(const PackedWeights& weights, const float* x, int64_t x_stride,
                        int64_t rows) {
  const ProductPart& part = weights.part();
  const bool bytes = ScalesRows(part.config);
  const int64_t parts = bytes ? parts_ : 1;
  const Prepared& prepared = Prepare(part.config, {parts * rows, part.k, part.n});
  const auto a_bytes = static_cast<size_t>(prepared.plan.a_bytes);
  const auto c_bytes = static_cast<size_t>(prepared.plan.c_bytes);
  const std::span<std::byte> a = Grown(a_, prepared.plan.a_bytes).bytes().first(a_bytes);
  const std::span<std::byte> c = Grown(c_, prepared.plan.c_bytes).bytes().first(c_bytes);
  if (bytes) {
    PackBytes(prepared.plan, x, x_stride, rows, a);
  } else {
    const auto k = static_cast<size_t>(part.k);
    const std::span<uint16_t> halves = Resized(halves_, rows * part.k);
    for (int64_t t = 0; t < rows; ++t) {
      const std::span<const float> row(x + t * x_stride, k);
      std::transform(row.begin(), row.end(), halves.data() + static_cast<size_t>(t) * k,
                     FloatToBf16);
    }
    PackA(prepared.plan, halves, a);
  }
  a_->ToArray();
  const ArrayArgument arguments[] = {
      {a_.get(), a_bytes}, {&weights.buffer(), weights.bytes().size()}, {c_.get(), c_bytes}};
  const ArrayRun run{prepared.program.get(), arguments, prepared.marks, kNoFloat};
  ContextOf(part.config).Run({&run, 1}, kArrayTimeout);
  c_->FromArray();
  const std::span<float> results = Resized(results_, parts * rows * part.n);
  UnpackC(prepared.plan, c, results);
  HandOut(part, rows, [&](int64_t t, size_t n, size_t count, float* y) {
    const float* const first = results.data() + static_cast<size_t>(t * part.n) + n;
    if (!bytes) {
      std::copy_n(first, count, y);
      return;
    }
    const float* const second = parts == 1 ? nullptr : first + rows * part.n;
    const float factor = factors_[static_cast<size_t>(t)];
    for (size_t i = 0; i < count; ++i) {
      const float sum = second == nullptr ? first[i] : first[i] + second[i];
      y[i] = sum * weights.column_scales()[n + i] * factor;
    }
  });
  Count(prepared, rows);
}

template <typename Write>
void ArrayProducts::HandOut(const ProductPart& part, int64_t rows, const Write& write) {
  size_t n = 0;
  for (size_t i = 0; i < found_.size(); ++i) {
    const auto count = static_cast<size_t>(part.matrices[i].rows);
    for (int64_t t = 0; t < rows; ++t) {
      write(t, n, count, found_[i]->y + t * found_[i]->y_stride);
    }
    n += count;
  }
}

void ArrayProducts::Count(const Prepared& prepared, int64_t rows) {
  const GemmConfig& config = prepared.plan.config;
  ++counts_.calls;
  counts_.macs += static_cast<uint64_t>(rows * prepared.plan.shape.k * prepared.plan.shape.n);
  counts_.modelled_seconds += prepared.seconds;
  Configure(config);
}

/// Attention in the configuration of the products before, on their memory.
class ArrayProducts::Runner : public AttentionRunner {
 public:
  Runner(ArrayProducts& own, const GemmConfig& config) : own_(own), config_(config) {}

  const GemmConfig& config() const override { return config_; }
  std::span<std::byte> Memory(size_t argument, int64_t bytes) override {
    return own_.Grown(Of(argument), bytes).bytes().first(static_cast<size_t>(bytes));
  }
  void Run(const AttentionPlan& plan, const Stream& stream) override {
    const int64_t bytes[] = {plan.key_bytes, plan.query_bytes, plan.sum_bytes};
    std::array<ArrayArgument, std::size(bytes)> arguments;
    for (size_t i = 0; i < arguments.size(); ++i) {
      ArrayBuffer& buffer = own_.Grown(Of(i), bytes[i]);
      buffer.ToArray();
      arguments[i] = {&buffer, static_cast<size_t>(bytes[i])};
    }
    ArrayContext& context = own_.ContextOf(config_);
    const std::unique_ptr<ArrayProgram> program = context.Load(stream);
    // Each column writes its sums to their end.
    const auto columns = static_cast<size_t>(config_.device.columns);
    std::vector<size_t> marks;
    for (size_t i = 1; i <= columns; ++i) {
      marks.push_back(i * (static_cast<size_t>(plan.sum_bytes) / columns) - 4);
    }
    const ArrayRun run{program.get(), arguments, marks, kNoFloat};
    context.Run({&run, 1}, kArrayTimeout);
    own_.c_->FromArray();
  }

 private:
  /// Keys, queries, sums.
  std::unique_ptr<ArrayBuffer>& Of(size_t argument) {
    return argument == kKeyArgument ? own_.a_ : argument == kQueryArgument ? own_.b_ : own_.c_;
  }

  ArrayProducts& own_;
  GemmConfig config_;
};

bool ArrayProducts::Attend(const AttentionCall& call) {
  const GemmConfig config =
      configured_.value_or(GemmConfig{device_, GemmType::kBf16, GemmOutput::kF32});
  Runner runner(*this, config);
  const auto work = attention_.Attend(call, runner);
  if (!work) return false;
  counts_.calls += work->calls;
  counts_.macs += work->macs;
  counts_.modelled_seconds += work->seconds;
  Configure(config);
  return true;
}

void ArrayProducts::Configure(const GemmConfig& config) {
  if (configured_ == config) return;
  ++counts_.switches;
  counts_.modelled_switch_seconds += ModelSwitch(config.device.generation);
  configured_ = config;
}

}  // namespace tandem::npu
