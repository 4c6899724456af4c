// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/array_products.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/float_types.h"
#include "devices/npu/arrays/gemm_configuration.h"
#include "devices/npu/gemm/cut_plan.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/gemm/rooms.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/prefill/array_calls.h"
#include "devices/npu/timing/gated_time.h"
#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {
namespace {

/// The last word of each column's results.
std::vector<size_t> EndsOf(const GemmPlan& plan) {
  const auto columns = static_cast<size_t>(plan.config.device.columns);
  const auto column_bytes = static_cast<size_t>(plan.c_bytes) / columns;
  std::vector<size_t> ends;
  for (size_t i = 1; i <= columns; ++i) ends.push_back(i * column_bytes - 4);
  return ends;
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
    // Of two types, which two Programs may choose, the first of a list or of what norms follow
    // serves both.
    if (part.norm) {
      if (!outs_.contains(key.second.front())) {
        outs_.emplace(key.second.front(),
                      std::make_unique<PackedOut>(part, ApartOf(plan, part.norm->mlp), *backend_));
        bytes_ += part.bytes;
      }
    } else if (!part.gated) {
      packed_.emplace(key.second.front(), std::make_unique<PackedWeights>(part, *backend_));
      bytes_ += part.bytes;
    } else if (!gated_.contains(key.second)) {
      gated_.emplace(key.second, std::make_unique<PackedGated>(part, *backend_));
      bytes_ += part.bytes;
    }
    held_.insert(std::move(key));
    done = std::min(total, done + bytes_of(part));
    if (progress) progress(done, total);
  }
}

std::span<const int32_t> ArrayProducts::ApartOf(const ProductPlan& plan,
                                                const MatrixKeys& mlp) const {
  const auto held = gated_.find(mlp);
  if (held != gated_.end()) return held->second->part().apart;
  for (const ProductPart& part : plan.parts) {
    if (part.gated && KeysOf(part.matrices) == mlp) return part.apart;
  }
  return {};
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
    if (first.done) continue;
    const auto out = outs_.find({matrix.data, matrix.rows, matrix.cols});
    if (out != outs_.end()) RunOut(*out->second, x, x_stride, rows, first);
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
  if (buffer == nullptr || buffer->bytes().size() < size) {
    buffer = backend_->MakeBuffer(size);
    // Lines that the host's caches have of its first contents must not overwrite what arrays write.
    buffer->ToArray();
  }
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
    prepared.marks = EndsOf(prepared.plan);
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

const ArrayProducts::PreparedGated& ArrayProducts::PrepareGated(const ProductPart& part,
                                                                int64_t rows,
                                                                const NormPlan* norm) {
  if (prepared_gated_.size() >= kMostPrepared) prepared_gated_.clear();
  const GatedShape shape = GatedShapeOf(part, rows);
  const auto [it, missing] = prepared_gated_.try_emplace(
      {part.config.type,
       {shape.m, shape.gate_k, shape.up_k, shape.neurons, shape.n, part.cut ? 1 : 0,
        norm == nullptr ? 0 : norm->shape.n, norm != nullptr && norm->shape.apart ? 1 : 0}});
  if (!missing) return it->second;
  try {
    PrepareRuns(part, rows, norm, it->second);
  } catch (...) {
    prepared_gated_.erase(it);
    throw;
  }
  return it->second;
}

void ArrayProducts::PrepareRuns(const ProductPart& part, int64_t rows, const NormPlan* norm,
                                PreparedGated& prepared) {
  ArrayContext& context = ContextOf(part.config);
  const auto add = [&](const Sequence& sequence, std::vector<size_t> marks) {
    prepared.runs.push_back({context.Load(EncodeSequence(sequence)), std::move(marks)});
  };
  // Of tiles of rows, or of h.
  const auto ends = [&](int64_t bytes) { return EndsOfRooms(bytes, part.config.device.columns); };
  if (part.cut) {
    const CutPlan cut = PlanCut(part.config, GatedShapeOf(part, rows), norm);
    prepared.plan = cut.gated;
    prepared.memory_bytes = cut.memory_bytes;
    add(CutGatesSequence(cut), ends(cut.memory_bytes));
    add(CutUpSequence(cut), ends(cut.gated.c_bytes));
  } else {
    prepared.plan = PlanGated(part.config, GatedShapeOf(part, rows));
    prepared.memory_bytes = norm == nullptr ? prepared.plan.a.a_bytes : norm->x_bytes;
    add(norm == nullptr ? GatedSequence(prepared.plan) : GatedSequence(prepared.plan, *norm),
        ends(prepared.plan.c_bytes));
  }
  add(GatedDownSequence(prepared.plan), EndsOf(prepared.plan.down));
  prepared.seconds = ModelGated(GatedCaseOf(part, rows)).seconds;
}

void ArrayProducts::Run(const PackedWeights& weights, const float* x, int64_t x_stride,
                        int64_t rows) {
  const ProductPart& part = weights.part();
  const bool bytes = ScalesRows(part.config);
  const int64_t parts = bytes ? parts_ : 1;
  const Prepared& prepared = Prepare(part.config, {parts * rows, SumOf(part), part.n});
  const auto a_bytes = static_cast<size_t>(prepared.plan.a_bytes);
  const auto c_bytes = static_cast<size_t>(prepared.plan.c_bytes);
  const std::span<std::byte> a = Grown(a_, prepared.plan.a_bytes).bytes().first(a_bytes);
  const std::span<std::byte> c = Grown(c_, prepared.plan.c_bytes).bytes().first(c_bytes);
  std::span<const float> factors;
  if (bytes) {
    bytes_of_rows_.Start(prepared.plan);
    const ByteRows::Values values{x, x_stride, rows, part.k};
    factors =
        parts == 1 ? SetInputs(part, values) : bytes_of_rows_.SetInParts(values, {0, 0}, {rows, 0});
    bytes_of_rows_.Pack(a);
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
  a_->ToArray(0, a_bytes);
  const ArrayArgument arguments[] = {
      {a_.get(), a_bytes}, {&weights.buffer(), weights.bytes().size()}, {c_.get(), c_bytes}};
  const ArrayRun run{prepared.program.get(), arguments, prepared.marks, kNoFloat};
  ContextOf(part.config).Run({&run, 1}, kArrayTimeout);
  c_->FromArray(0, c_bytes);
  const std::span<float> results = Resized(results_, parts * rows * part.n);
  UnpackC(prepared.plan, c, results);
  HandOut(part, rows, [&](int64_t t, size_t n, size_t count, float* y) {
    const float* const first = results.data() + static_cast<size_t>(t * part.n) + n;
    if (!bytes) {
      std::copy_n(first, count, y);
      return;
    }
    const float* const second = parts == 1 ? nullptr : first + rows * part.n;
    const float factor = factors[static_cast<size_t>(t)];
    for (size_t i = 0; i < count; ++i) {
      const float sum = second == nullptr ? first[i] : first[i] + second[i];
      y[i] = sum * weights.column_scales()[n + i] * factor;
    }
  });
  Count(part.config, 1, rows * WeightsOf(part), prepared.seconds);
}

std::span<const float> ArrayProducts::SetInputs(const ProductPart& part,
                                                const ByteRows::Values& values) {
  return part.sets_apart ? bytes_of_rows_.SetApart(values, part.apart, {0, 0})
                         : bytes_of_rows_.Set(values, {0, 0});
}

bool ArrayProducts::PackGated(const GatedPlan& plan, const GatedCall& call,
                              const PackedGated& weights, std::span<std::byte> a) {
  const auto ordinary = [](std::span<const float> factors) {
    return std::all_of(factors.begin(), factors.end(), [](float factor) { return factor == 1; });
  };
  bytes_of_rows_.Start(plan.a);
  const ByteRows::Values x{call.x, call.x_stride, call.rows, weights.part().k};
  if (!ordinary(SetInputs(weights.part(), x))) return false;
  double most_u = 0;
  if (call.u != nullptr) {
    const int64_t f = plan.shape.neurons;
    const ByteRows::Values u{call.u, f, call.rows, f};
    const int64_t tile = plan.gate_steps;
    if (!ordinary(bytes_of_rows_.SetInParts(u, {0, tile}, {0, tile + ScaledTiles(f)}))) {
      return false;
    }
    most_u = bytes_of_rows_.MostFrom(tile, plan.a.k_steps);
  }
  if (!weights.Holds(bytes_of_rows_.MostFrom(0, plan.gate_steps), most_u)) return false;
  bytes_of_rows_.Pack(a);
  return true;
}

bool ArrayProducts::Gated(const GatedCall& call) {
  if (parts_ != 1 || call.rows < kLeastRows) return false;
  const PackedGated* const weights = FindGated(call);
  if (weights == nullptr) return false;
  const ProductPart& part = weights->part();
  if (part.cut != call.cut) return false;
  const PreparedGated& prepared = PrepareGated(part, call.rows);
  const GatedPlan& plan = prepared.plan;
  const auto a_bytes = static_cast<size_t>(plan.a.a_bytes);
  ArrayBuffer& memory = Grown(a_, prepared.memory_bytes);
  if (!PackGated(plan, call, *weights, memory.bytes().first(a_bytes))) return false;
  memory.ToArray(0, a_bytes);
  RunList list;
  AddRuns(prepared, *weights, memory, list);
  ContextOf(part.config).Run(list.runs(), kArrayTimeout);
  HandOutDown(plan, *weights, call.y);
  Count(part.config, list.runs().size(), call.rows * WeightsOf(part), prepared.seconds);
  return true;
}

void ArrayProducts::AddRuns(const PreparedGated& prepared, const PackedGated& weights,
                            ArrayBuffer& memory, RunList& list) {
  const GatedPlan& plan = prepared.plan;
  const auto h_bytes = static_cast<size_t>(plan.h_bytes);
  const auto written = static_cast<size_t>(plan.c_bytes);
  ArrayBuffer& h = Grown(b_, plan.h_bytes);
  PackGatedHeaders(plan, h.bytes().first(h_bytes));
  h.ToArray(written, h_bytes - written);
  // Each reads where the one before has written.
  const ArrayArgument places[] = {
      {&memory, static_cast<size_t>(prepared.memory_bytes)},
      {&h, h_bytes},
      {&Grown(c_, plan.down.c_bytes), static_cast<size_t>(plan.down.c_bytes)}};
  size_t to = std::size(places) - prepared.runs.size();
  for (size_t i = 0; i < prepared.runs.size(); ++i, ++to) {
    const PreparedGated::Run& run = prepared.runs[i];
    ArrayBuffer& b = *weights.runs()[i];
    list.Add(*run.program, run.marks, places[to == 0 ? 0 : to - 1], {&b, b.bytes().size()},
             places[to]);
  }
}

void ArrayProducts::HandOutDown(const GatedPlan& plan, const PackedGated& weights, float* y) {
  const auto c_bytes = static_cast<size_t>(plan.down.c_bytes);
  c_->FromArray(0, c_bytes);
  const std::span<float> results = Resized(results_, plan.shape.m * plan.shape.n);
  UnpackC<float>(plan.down, c_->bytes().first(c_bytes), results);
  const auto n = static_cast<size_t>(plan.shape.n);
  for (size_t i = 0; i < results.size(); ++i) {
    y[i] = results[i] * weights.column_scales()[i % n];
  }
}

const PackedGated* ArrayProducts::FindGated(const GatedCall& call) const {
  const auto found = gated_.find(call.u == nullptr ? KeysOf({call.gate, call.up, call.down})
                                                   : KeysOf({call.gate, call.down}));
  return found == gated_.end() ? nullptr : found->second.get();
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

void ArrayProducts::Count(const GemmConfig& config, uint64_t runs, int64_t macs, double seconds) {
  ++counts_.calls;
  counts_.runs += runs;
  counts_.macs += static_cast<uint64_t>(macs);
  counts_.modelled_seconds += seconds;
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
      buffer.ToArray(0, static_cast<size_t>(bytes[i]));
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
    own_.c_->FromArray(0, static_cast<size_t>(plan.sum_bytes));
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
  counts_.runs += work->calls;
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
