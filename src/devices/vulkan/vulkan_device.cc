// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/vulkan_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "devices/vulkan/fused_lowering.h"
#include "devices/vulkan/segment.h"

namespace tandem {
namespace vulkan {
namespace {

// Matrices of ops [begin, end), the tables among them that the device keeps.
std::vector<WeightView> MatricesOf(const Program& program, OpRange range) {
  std::vector<WeightView> views;
  for (size_t i = range.begin; i < range.end; ++i) {
    const OpBody& body = program.ops[i].body;
    const OpUse use = UseOf(body);
    views.insert(views.end(), use.matrices.begin(), use.matrices.end());
    if (const auto* embed = std::get_if<EmbedTokens>(&body)) views.push_back(embed->table);
  }
  return views;
}

std::vector<const PleGather*> GathersOf(const Program& program, OpRange range) {
  std::vector<const PleGather*> gathers;
  for (size_t i = range.begin; i < range.end; ++i) {
    if (const auto* gather = std::get_if<PleGather>(&program.ops[i].body)) {
      gathers.push_back(gather);
    }
  }
  return gathers;
}

uint64_t PackedBytes(const WeightView& view) {
  return static_cast<uint64_t>(view.rows) * RowSizesOf(view.type, view.cols).total();
}

class VulkanDevice : public Device {
 public:
  explicit VulkanDevice(const VulkanOptions& options) : shared_(options), tables_(options.tables) {
    shared_.drawing.Reserve();
    const uint64_t most = shared_.context.info().max_storage_range;
    shared_.binding_bytes = options.max_binding > 0 ? std::min(options.max_binding, most) : most;
    if (options.fused && shared_.context.fused_threads() > 0) {
      const std::vector<std::byte> zeros(kCounterWords * sizeof(uint32_t));
      shared_.counters = shared_.memory.device().Take(zeros.size());
      shared_.memory.Write(shared_.counters, 0, zeros);
    }
  }

  std::string_view name() const override { return "vulkan"; }
  std::string description() const override {
    const VulkanDeviceInfo& info = shared_.context.info();
    return info.kind == VulkanDeviceInfo::Kind::kSoftware ? info.name + ", software" : info.name;
  }
  Support Supports(const Program& program, const Op& op) const override {
    return SupportsOp(program, op, shared_.binding_bytes);
  }
  std::unique_ptr<Segment> Compile(const Program& program, OpRange range,
                                   const ShapeClass&) override {
    shared_.context.RequireAlive();
    for (size_t i = range.begin; i < range.end; ++i) {
      const Support support = Supports(program, program.ops[i]);
      if (support.yes) continue;
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("vulkan: {}: {}", OpName(program.ops[i].body), support.reason));
    }
    std::vector<FusedSpan> spans =
        PlanFusion(program, range, FusionLimitsOf(shared_.context, shared_.binding_bytes));
    LoadWeights(program, range, spans);
    return std::make_unique<VulkanSegment>(program, range, std::move(spans), shared_);
  }

 private:
  void LoadWeights(const Program& program, OpRange range, const std::vector<FusedSpan>& spans) {
    shared_.weights.Reserve(program);
    std::set<std::pair<const std::byte*, int64_t>> seen;
    uint64_t total = 0, packed = 0;
    std::vector<WeightView> missing;
    for (const WeightView& view : MatricesOf(program, range)) {
      if (shared_.weights.Has(view) || !seen.insert({view.data, view.rows}).second) continue;
      total += view.DataBytes();
      packed += PackedBytes(view) + 4 * 256;
      missing.push_back(view);
    }
    std::vector<WeightView> columns;
    if (!shared_.counters.empty()) columns = ColumnsOf(program, spans, shared_.context);
    for (const WeightView& view : columns) {
      total += view.DataBytes();
      packed += PackedBytes(view) + 4 * 256;
    }
    const std::vector<WeightView> tables = TablesOf(program, range, packed);
    for (const WeightView& table : tables) total += table.DataBytes();
    shared_.weights.Expect(packed, shared_.binding_bytes);
    uint64_t done = 0;
    const auto progress = [&](uint64_t bytes) {
      done += bytes;
      if (shared_.progress) shared_.progress(done, total);
    };
    for (const auto& stack : StacksOf(program, spans)) shared_.weights.Stack(stack, progress);
    for (const WeightView& view : missing) shared_.weights.Matrix(view, progress);
    for (const WeightView& view : columns) {
      shared_.weights.ByColumns(view, ColumnTileRows(shared_.context), progress);
    }
    // Last, and not needed: they must not stand between the others.
    for (const WeightView& table : tables) LoadTable(table, progress);
  }

  /// Per-layer tables to be brought here beside `packed` bytes of weights.
  std::vector<WeightView> TablesOf(const Program& program, OpRange range, uint64_t packed) {
    const VulkanDeviceInfo& info = shared_.context.info();
    const bool software = info.kind == VulkanDeviceInfo::Kind::kSoftware;
    if (tables_ == VulkanOptions::Tables::kHost) return {};
    if (tables_ == VulkanOptions::Tables::kAuto && software) return {};
    packed += shared_.memory.weights().bytes();  // of other programs
    std::vector<WeightView> tables;
    for (const PleGather* gather : GathersOf(program, range)) {
      const WeightView& table = gather->table;
      if (shared_.weights.Has(table) || !AreTogether(*gather)) continue;
      packed += PackedBytes(table);
      const uint64_t room = info.memory_bytes() / (info.unified ? 4 : 2);
      if (tables_ == VulkanOptions::Tables::kAuto && packed > room) {
        log::Info("vulkan: the per-layer table stays with the host: with it weights are {} bytes",
                  packed);
        return {};
      }
      tables.push_back(table);
    }
    return tables;
  }

  void LoadTable(const WeightView& table, const Weights::Progress& progress) {
    try {
      shared_.weights.Matrix(table, progress);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kResource) throw;
      log::Info("vulkan: the per-layer table stays with the host: {}", error.what());
    }
  }

  Shared shared_;
  VulkanOptions::Tables tables_;
};

}  // namespace
}  // namespace vulkan

std::unique_ptr<Device> MakeVulkanDevice(const VulkanOptions& options) {
  return std::make_unique<vulkan::VulkanDevice>(options);
}

}  // namespace tandem
