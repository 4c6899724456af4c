// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/npu_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/prefill/array_products.h"
#include "devices/npu/prefill/large_inputs.h"
#include "devices/npu/xrt/xrt_backend.h"

namespace tandem {
namespace {

npu::PlanOptions PlanOptionsOf(const NpuOptions& options) {
  return {{options.generation, npu::MaxColumns(options.generation)},
          options.budget,
          options.least_side.value_or(npu::kLeastSide),
          options.precise,
          nullptr};
}

std::unique_ptr<npu::ArrayBackend> MakeBackend(const NpuOptions& options) {
  if (!options.xrt) return npu::MakeEmulatedBackend(options.generation);
  return npu::MakeXrtBackend({options.generation, 0});
}

class NpuSegment : public Segment {
 public:
  NpuSegment(std::unique_ptr<Segment> host, npu::ArrayProducts& products)
      : host_(std::move(host)), products_(products) {}

  Fence Submit(const Bindings& bindings, std::span<const StepRow> rows) override {
    const ArrayCounts before = products_.counts();
    Fence fence = host_->Submit(bindings, rows);
    if (bindings.array != nullptr) {
      fence.Wait();
      *bindings.array += products_.counts() - before;
      std::promise<void> done;
      done.set_value();
      return Fence(done.get_future());
    }
    return fence;
  }

 private:
  std::unique_ptr<Segment> host_;
  npu::ArrayProducts& products_;
};

class ArrayNpu : public NpuDevice {
 public:
  ArrayNpu(std::shared_ptr<HostDevice> host, NpuOptions options)
      : host_(std::move(host)),
        options_(std::move(options)),
        products_({options_.generation, npu::MaxColumns(options_.generation)},
                  MakeBackend(options_), options_.precise) {}

  std::string_view name() const override { return "npu"; }
  std::string description() const override {
    return fmt::format(
        "{}: {} products and {} attentions a step, {:.0f} % of the products' multiplications, "
        "{:.1f} MB{}",
        array(), use_.products, use_.attentions, use_.share * 100,
        static_cast<double>(use_.bytes) / 1e6,
        use_.left.empty() ? "" : "; not there: " + use_.left);
  }
  int64_t least_rows() const override { return npu::kLeastRows; }
  Support Supports(const Program& program, const Op& op) const override {
    return host_->Supports(program, op);
  }
  std::unique_ptr<Segment> Compile(const Program& program, OpRange range,
                                   const ShapeClass& shape) override {
    npu::PlanOptions plan_options = PlanOptionsOf(options_);
    plan_options.budget -= std::min(options_.budget, products_.bytes());
    plan_options.held = &products_.held();
    npu::ProductPlan plan = npu::PlanProducts(program, range, shape, plan_options);
    npu::EaseOutliers(plan, products_.held(), *host_, program, {0, range.end}, shape);
    products_.Add(plan, options_.progress);
    use_.products = static_cast<int64_t>(plan.parts.size());
    use_.share =
        plan.all == 0 ? 0 : static_cast<double>(plan.multiplied) / static_cast<double>(plan.all);
    use_.bytes = products_.bytes();
    use_.left = plan.left.Text(plan_options.least_side);
    use_.smallest = plan.left.smallest;
    PlanAttentions(program, range, shape);
    return std::make_unique<NpuSegment>(host_->CompileWith(program, range, shape, products_),
                                        products_);
  }
  NpuUse use() const override { return use_; }
  std::string array() const override { return products_.backend().description(); }

 private:
  /// Attention needs no weights: whether the design takes its heads is all there is to it.
  void PlanAttentions(const Program& program, OpRange range, const ShapeClass& shape) {
    use_.attentions = 0;
    std::map<std::string_view, int> refused;
    for (size_t i = range.begin; i < range.end; ++i) {
      const auto* const op = std::get_if<Attention>(&program.ops[i].body);
      if (op == nullptr) continue;
      const std::string_view refusal =
          npu::AttentionRefusal(*op, program.caches[static_cast<size_t>(op->cache)]);
      if (!refusal.empty()) {
        ++refused[refusal];
      } else if (npu::RowsOf(program.ops[i], shape) >= npu::kLeastRows) {
        ++use_.attentions;
      }
    }
    for (const auto& [reason, count] : refused) {
      if (!use_.left.empty()) use_.left += ", ";
      use_.left += fmt::format("{} attentions: {}", count, reason);
    }
  }

  std::shared_ptr<HostDevice> host_;
  NpuOptions options_;
  npu::ArrayProducts products_;
  NpuUse use_;
};

// A prompt's step as the device plans for it: its length does not matter to what is packed.
constexpr ShapeClass kPrompt = {npu::kLeastRows, 1};

}  // namespace

std::unique_ptr<NpuDevice> MakeNpuDevice(std::shared_ptr<HostDevice> host,
                                         const NpuOptions& options) {
  return std::make_unique<ArrayNpu>(std::move(host), options);
}

uint64_t NpuPackedBytes(const Program& program, const NpuOptions& options) {
  return npu::PlanProducts(program, {0, program.ops.size()}, kPrompt, PlanOptionsOf(options)).bytes;
}

uint64_t DefaultNpuBudget(const Program& program) {
  constexpr uint64_t kGigabyte = 1'000'000'000;
  constexpr int64_t kLarge = 1'500'000'000;
  NpuOptions all;
  all.budget = UINT64_MAX;
  const int64_t weights =
      npu::PlanProducts(program, {0, program.ops.size()}, kPrompt, PlanOptionsOf(all)).multiplied;
  return (weights > kLarge ? 3 : 2) * kGigabyte;
}

}  // namespace tandem
