// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/workbench/design_list.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "devices/npu/built/fingerprint.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/workbench/trial_designs.h"

namespace tandem::npu {
namespace {

void AddProducts(Generation generation, std::vector<NamedDesign>& list) {
  constexpr std::pair<GemmType, GemmOutput> kTypes[] = {
      {GemmType::kI8, GemmOutput::kI8},     {GemmType::kI8, GemmOutput::kI16},
      {GemmType::kI8, GemmOutput::kI32},    {GemmType::kI8, GemmOutput::kF32},
      {GemmType::kI4, GemmOutput::kI32},    {GemmType::kI4, GemmOutput::kF32},
      {GemmType::kBf16, GemmOutput::kBf16}, {GemmType::kBf16, GemmOutput::kF32},
  };
  for (const auto& [type, output] : kTypes) {
    const GemmConfig config = {{generation, MaxColumns(generation)}, type, output};
    NamedDesign design;
    design.name = GemmDesignName(config);
    design.what = fmt::format("products of any size, {} weights, {} results", GemmTypeName(type),
                              GemmOutputName(output));
    design.device = config.device;
    design.make = [config] { return MakeGemmDesign(config); };
    design.example = [config] {
      // A tile of each core, of two steps.
      const GemmShape tile = DesignTile(config.type);
      return GemmSequence(
          PlanGemm(config, {tile.m * kCoreRows, 2 * tile.k, tile.n * config.device.columns}));
    };
    list.push_back(std::move(design));
  }
}

void AddTrials(Generation generation, std::vector<NamedDesign>& list) {
  const Device device = {generation, MaxColumns(generation)};
  list.push_back({CopyDesignName(device), "a copy through the memory tiles, for the self-test",
                  device, [device] { return MakeCopyDesign(device); },
                  [device] { return CopySequence(device, 2); }});
  list.push_back({OneCoreDesignName(device), "one core and one tile, for the self-test", device,
                  [device] { return MakeOneCoreDesign(device); },
                  [device] { return OneCoreSequence(device, 1); }});
}

}  // namespace

std::vector<NamedDesign> AllDesigns() {
  std::vector<NamedDesign> list;
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    AddProducts(generation, list);
    AddTrials(generation, list);
  }
  return list;
}

NamedDesign FindDesign(std::string_view name) {
  std::string names;
  for (NamedDesign& design : AllDesigns()) {
    if (design.name == name) return std::move(design);
    names += (names.empty() ? "" : ", ") + design.name;
  }
  throw Error(ErrorKind::kInvalidArgument, fmt::format("there is no design {}", Printable(name)),
              "there are " + names);
}

std::string DesignFingerprint(const NamedDesign& named) { return DesignFingerprint(named.make()); }

}  // namespace tandem::npu
