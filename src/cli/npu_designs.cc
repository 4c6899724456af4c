// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu designs: the array's configurations, what they take of it, and their text for
// MLIR-AIE.
#include "cli/npu_designs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/exit_code.h"
#include "cli/npu_report.h"
#include "cli/output.h"
#include "core/atomic_file.h"
#include "devices/npu/built/fingerprint.h"
#include "devices/npu/design/check.h"
#include "devices/npu/mlir/design_mlir.h"
#include "devices/npu/workbench/design_list.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

struct DesignsSettings {
  OutputOptions output;
  std::optional<std::string> name;
  bool mlir = false;
  bool config = false;
  bool insts = false;
  std::string calls;
  std::string target;
};

void CollectKernels(const std::vector<npu::CoreStep>& steps, std::set<std::string>& kernels) {
  for (const npu::CoreStep& step : steps) {
    std::visit(
        [&]<typename T>(const T& one) {
          if constexpr (std::is_same_v<T, npu::CallStep>) {
            kernels.insert(one.kernel);
          } else if constexpr (std::is_same_v<T, npu::LoopStep> ||
                               std::is_same_v<T, npu::RepeatStep> ||
                               std::is_same_v<T, npu::WhenStep>) {
            CollectKernels(one.body, kernels);
          }
        },
        step.step);
  }
}

std::set<std::string> KernelsOf(const npu::Design& design) {
  std::set<std::string> kernels;
  for (const npu::Core& core : design.cores) CollectKernels(core.program, kernels);
  return kernels;
}

/// What the fullest tile of a kind takes, and how many there are.
struct KindUse {
  int tiles = 0;
  npu::TileUse most;
};
KindUse Fullest(const std::vector<npu::TileUse>& uses, npu::TileKind kind) {
  KindUse all;
  for (const npu::TileUse& use : uses) {
    if (npu::KindOf(use.tile) != kind) continue;
    ++all.tiles;
    all.most.bytes = std::max(all.most.bytes, use.bytes);
    all.most.locks = std::max(all.most.locks, use.locks);
    all.most.descriptors = std::max(all.most.descriptors, use.descriptors);
    all.most.channels_in = std::max(all.most.channels_in, use.channels_in);
    all.most.channels_out = std::max(all.most.channels_out, use.channels_out);
    all.most.masters = std::max(all.most.masters, use.masters);
    all.most.slaves = std::max(all.most.slaves, use.slaves);
  }
  return all;
}

constexpr npu::TileKind kKinds[] = {npu::TileKind::kShim, npu::TileKind::kMemory,
                                    npu::TileKind::kCore};

Json ToJson(const npu::NamedDesign& named, bool with_tiles) {
  const npu::Design design = named.make();
  const std::vector<npu::TileUse> uses = npu::UseOf(design);
  Json json = {{"name", named.name},
               {"what", named.what},
               {"generation", npu::GenerationName(named.device.generation)},
               {"columns", named.device.columns},
               {"kernel_source", npu::KernelSourceOf(design)},
               {"kernel_object", npu::KernelObjectOf(design)},
               {"kernels", KernelsOf(design)},
               {"tiles", uses.size()},
               {"cores", design.cores.size()},
               {"buffers", design.buffers.size()},
               {"locks", design.locks.size()}};
  int descriptors = 0;
  for (const npu::TileUse& use : uses) descriptors += use.descriptors;
  json["descriptors"] = descriptors;
  Json problems = npu::CheckLimits(design);
  if (problems.empty()) problems = npu::CheckRoutes(design);
  json["problems"] = std::move(problems);
  if (with_tiles) json["fingerprint"] = npu::DesignFingerprint(named);
  if (!with_tiles) return json;
  Json tiles = Json::array();
  for (const npu::TileUse& use : uses) {
    tiles.push_back({{"tile", {use.tile.column, use.tile.row}},
                     {"kind", npu::TileKindName(npu::KindOf(use.tile))},
                     {"bytes", use.bytes},
                     {"locks", use.locks},
                     {"descriptors", use.descriptors},
                     {"channels_in", use.channels_in},
                     {"channels_out", use.channels_out},
                     {"masters", use.masters},
                     {"slaves", use.slaves},
                     {"packet_rules", use.packet_rules}});
  }
  json["use"] = std::move(tiles);
  return json;
}

/// A result of JSON, where it is to go.
int Hand(const DesignsSettings& settings, const Json& json) {
  if (settings.target.empty()) {
    PrintJson(json);
    return kExitOk;
  }
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  AtomicFile file(settings.target);
  file.Write(std::as_bytes(std::span(text)));
  file.Commit();
  return kExitOk;
}

int List(const DesignsSettings& settings) {
  const std::vector<npu::NamedDesign> designs = npu::AllDesigns();
  if (settings.output.json) {
    Json list = Json::array();
    for (const npu::NamedDesign& named : designs) list.push_back(ToJson(named, false));
    return Hand(settings, {{"designs", std::move(list)}});
  }
  Print(fmt::format("{:<20} {:>5} {:>5} {:>7} {:>5} {:>5}  {}\n", "design", "tiles", "cores",
                    "buffers", "locks", "BDs", "what"));
  for (const npu::NamedDesign& named : designs) {
    const npu::Design design = named.make();
    int descriptors = 0;
    const std::vector<npu::TileUse> uses = npu::UseOf(design);
    for (const npu::TileUse& use : uses) descriptors += use.descriptors;
    Print(fmt::format("{:<20} {:>5} {:>5} {:>7} {:>5} {:>5}  {}\n", named.name, uses.size(),
                      design.cores.size(), design.buffers.size(), design.locks.size(), descriptors,
                      named.what));
  }
  return kExitOk;
}

void Describe(const npu::NamedDesign& named) {
  const npu::Design design = named.make();
  const std::vector<npu::TileUse> uses = npu::UseOf(design);
  Print(fmt::format("{}: {}, on {}\nkernels: {} of {}\n", named.name, named.what,
                    npu::DeviceName(named.device), fmt::join(KernelsOf(design), ", "),
                    npu::KernelSourceOf(design)));
  for (const npu::TileKind kind : kKinds) {
    const KindUse use = Fullest(uses, kind);
    const npu::TileResources& all = npu::ResourcesOf(kind);
    Print(fmt::format("{:>2} {}s, the fullest:", use.tiles, npu::TileKindName(kind)));
    if (all.data_bytes > 0) Print(fmt::format(" {} of {} bytes,", use.most.bytes, all.data_bytes));
    Print(
        fmt::format(" {} of {} locks, {} of {} BDs{}, {} of {} channels in and {} out,\n   {} of "
                    "{} masters and "
                    "{} of {} slaves of the switch\n",
                    use.most.locks, all.locks, use.most.descriptors, all.descriptors,
                    kind == npu::TileKind::kShim ? " (the runtime's come on top)" : "",
                    use.most.channels_in, all.channels, use.most.channels_out, use.most.masters,
                    npu::PortCount(kind, npu::PortSide::kMaster), use.most.slaves,
                    npu::PortCount(kind, npu::PortSide::kSlave)));
  }
  std::vector<std::string> problems = npu::CheckLimits(design);
  if (problems.empty()) problems = npu::CheckRoutes(design);
  if (problems.empty()) Print("within the hardware's counts, every stream has two ends\n");
  for (const std::string& problem : problems) Print("problem: " + problem + "\n");
}

int Write(const DesignsSettings& settings, const npu::NamedDesign& named) {
  if (!settings.mlir) {
    if (settings.target.empty()) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("--{}: words for a file, and there is no --output",
                              settings.config ? "config" : "insts"));
    }
    SaveStream(settings.target, settings.config ? npu::EncodeConfiguration(named.make(), {})
                                                : npu::EncodeSequence(named.example()));
    return kExitOk;
  }
  const npu::Design design = named.make();
  npu::MlirOptions options;
  options.calls =
      settings.calls == "function" ? npu::MlirCalls::kFunction : npu::MlirCalls::kPointer;
  options.kernel_object = npu::KernelObjectOf(design);
  options.sequence = named.example();
  const std::string text = npu::DesignMlir(design, options);
  if (settings.target.empty()) {
    Print(text);
  } else {
    AtomicFile file(settings.target);
    file.Write(std::as_bytes(std::span(text)));
    file.Commit();
  }
  return kExitOk;
}

int RunDesigns(const DesignsSettings& settings) {
  const int forms = int{settings.mlir} + int{settings.config} + int{settings.insts};
  if (forms > 1 || (forms > 0 && settings.output.json)) {
    throw Error(ErrorKind::kInvalidArgument,
                "--mlir, --config, --insts and --json: one of them at a time");
  }
  if (forms == 0 && !settings.output.json && !settings.target.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "--output: of --mlir, --config, --insts or --json");
  }
  if (!settings.mlir && !settings.calls.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "--calls: of --mlir");
  }
  if (!settings.name) {
    if (forms > 0) {
      throw Error(ErrorKind::kInvalidArgument, "of which design?", "tandem npu designs lists them");
    }
    return List(settings);
  }
  const npu::NamedDesign named = npu::FindDesign(*settings.name);
  if (forms > 0) return Write(settings, named);
  if (settings.output.json) return Hand(settings, ToJson(named, true));
  Describe(named);
  return kExitOk;
}

}  // namespace

void AddNpuDesigns(CLI::App& npu, Action& action) {
  auto settings = std::make_shared<DesignsSettings>();
  CLI::App& command =
      *npu.add_subcommand("designs", "The array's configurations, and their text for MLIR-AIE")
           ->group("Commands");
  AddText(command, "DESIGN", settings->name, "", "One of them; all are listed without it");
  command.add_flag("--mlir", settings->mlir, "Write the design as MLIR, in its generic form");
  command.add_flag("--config", settings->config,
                   "Write the words that configure the array, without core programs");
  command.add_flag("--insts", settings->insts,
                   "Write the instruction stream of the run that --mlir has");
  AddChoice(command, "--calls", settings->calls, {"pointer", "function"},
            "How --mlir calls kernels: so that any mlir-opt reads it, or as MLIR-AIE's designs do")
      ->default_str("pointer");
  AddPath(command, "-o,--output", settings->target, "The file to write; --mlir without it prints");
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunDesigns(*settings); }; });
}

}  // namespace tandem::cli
