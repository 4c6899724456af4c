// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The NPU behind XRT: what there is of it, and the configurations that the emulated one takes.
#include "cli/npu_xrt.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/npu_report.h"
#include "cli/output.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "devices/npu/arrays/gemm_configuration.h"
#include "devices/npu/probe/npu_probe.h"
#include "devices/npu/xrt/npu_node.h"
#include "devices/npu/xrt/xclbin_file.h"
#include "devices/npu/xrt/xrt_backend.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Found {
  std::optional<npu::NpuNode> node;
  std::optional<std::string> xrt;
  std::optional<Error> problem;
};

Found Look() {
  Found found;
  try {
    found.node = npu::FindNpuNode();
    found.xrt = npu::MakeXrtBackend({found.node->generation, 0})->description();
  } catch (const Error& error) {
    found.problem = error;
  }
  return found;
}

/// Exit status 1 where the NPU cannot be used.
int RunInfo(const OutputOptions& output) {
  const Found found = Look();
  const uint64_t pinnable = npu::LockableBytes();
  if (output.json) {
    Json json = {{"usable", !found.problem.has_value()},
                 {"emulated", npu::NpuIsEmulated()},
                 {"generation", nullptr},
                 {"address", nullptr},
                 {"node", nullptr},
                 {"xrt", nullptr},
                 {"pinnable_bytes", nullptr},
                 {"problem", nullptr},
                 {"mend", nullptr}};
    if (found.node) {
      json["generation"] = npu::GenerationName(found.node->generation);
      json["address"] = found.node->address;
      json["node"] = found.node->node;
    }
    if (found.xrt) json["xrt"] = *found.xrt;
    if (pinnable != UINT64_MAX) json["pinnable_bytes"] = pinnable;
    if (found.problem) {
      json["problem"] = found.problem->message();
      json["mend"] = found.problem->hint();
    }
    PrintJson(json);
    return found.problem ? kExitFailure : kExitOk;
  }
  if (found.node) {
    Print(fmt::format("device   {} at {}, {}{}\n", npu::GenerationName(found.node->generation),
                      found.node->address, found.node->node,
                      npu::NpuIsEmulated() ? ", emulated" : ""));
  }
  if (found.xrt) Print(fmt::format("xrt      {}\n", *found.xrt));
  Print(fmt::format("memlock  {}\n", pinnable == UINT64_MAX
                                         ? "no limit"
                                         : fmt::format("{} MB may be pinned", pinnable >> 20)));
  if (found.problem) throw *found.problem;
  return kExitOk;
}

struct XclbinSettings {
  OutputOptions output;
  std::string type = "i8";
  std::string out;
  std::string generation = "npu1";
  std::string target;
};

int RunXclbin(const XclbinSettings& settings) {
  npu::GemmConfig config;
  config.device.generation =
      settings.generation == "npu1" ? npu::Generation::kNpu1 : npu::Generation::kNpu2;
  config.device.columns = npu::MaxColumns(config.device.generation);
  config.type = settings.type == "i8"   ? npu::GemmType::kI8
                : settings.type == "i4" ? npu::GemmType::kI4
                                        : npu::GemmType::kBf16;
  const std::string out = !settings.out.empty()     ? settings.out
                          : settings.type == "bf16" ? "f32"
                                                    : "i32";
  config.output = npu::ParseGemmOutput(out).value();
  RequireDesign(config);
  const npu::ArrayConfiguration configuration = npu::GemmConfiguration(config);
  const std::vector<std::byte> bytes = npu::MakeEmulatedXclbin(configuration);
  AtomicFile file(settings.target);
  file.Write(std::span(bytes));
  file.Commit();
  log::Info("{}: {}, {} bytes", Printable(settings.target, 400), configuration.name, bytes.size());
  return kExitOk;
}

}  // namespace

void AddNpuInfo(CLI::App& npu, Action& action) {
  auto output = std::make_shared<OutputOptions>();
  CLI::App& command = *npu.add_subcommand("info", "Say whether XRT reaches an NPU, and if not, why")
                           ->group("Commands");
  AddJson(command, *output);
  command.final_callback([output, &action] { action = [output] { return RunInfo(*output); }; });
}

void AddNpuXclbin(CLI::App& npu, Action& action) {
  auto settings = std::make_shared<XclbinSettings>();
  CLI::App& command =
      *npu.add_subcommand("xclbin", "Write the xclbin of products for the emulated accelerator")
           ->group("Commands");
  AddChoice(command, "--type", settings->type, {"i8", "i4", "bf16"}, "Type of the weights")
      ->default_str("i8");
  AddChoice(command, "--out", settings->out, {"i8", "i16", "i32", "bf16", "f32"},
            "Type of the result")
      ->default_str("i32, f32 for bf16");
  AddChoice(command, "--generation", settings->generation, {"npu1", "npu2"},
            "npu1: Phoenix, Hawk Point; npu2: Strix, Krackan")
      ->default_str("npu1");
  AddPath(command, "-o,--output", settings->target, "The xclbin to write")->required();
  AddQuiet(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunXclbin(*settings); }; });
}

}  // namespace tandem::cli
