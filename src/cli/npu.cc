// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu: a workbench for those who write or read what the NPU is told.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/npu_attention.h"
#include "cli/npu_designs.h"
#include "cli/npu_gemm.h"
#include "cli/npu_mlp.h"
#include "cli/npu_norm.h"
#include "cli/npu_selftest.h"
#include "cli/npu_xrt.h"
#include "cli/output.h"
#include "core/atomic_file.h"
#include "core/log.h"
#include "core/mapped_file.h"
#include "devices/npu/design/design.h"
#include "devices/npu/design/sequence.h"
#include "devices/npu/stream/disassembly.h"
#include "devices/npu/stream/stream.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

struct EncodeSettings {
  OutputOptions output;
  std::string input;
  std::string target;
  std::string flow = "buffer";
};

void WriteWords(const std::string& target, const npu::Stream& stream) {
  const std::vector<uint32_t> words = npu::WriteStream(stream);
  AtomicFile file(target);
  // Streams are little-endian, and so is the host.
  file.Write(std::as_bytes(std::span(words)));
  file.Commit();
  log::Info("{}: {} operations, {} bytes", Printable(target, 400), stream.ops.size(),
            4 * words.size());
}

/// The words of what a file says; what is wrong with it is said with its name.
template <typename Encode>
npu::Stream Encoded(const EncodeSettings& settings, const Encode& encode) {
  try {
    return encode();
  } catch (const Error& error) {
    throw Error(error.kind(),
                fmt::format("{}: {}", Printable(settings.input, 400), error.message()),
                error.hint());
  }
}

/// Nobody wants a stream in the place of what it says.
void RequireOtherFile(const EncodeSettings& settings) {
  std::error_code none;
  if (!std::filesystem::equivalent(settings.input, settings.target, none)) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("-o: {} is what is read", Printable(settings.target, 400)),
              "another file for the stream");
}

int RunEncode(const EncodeSettings& settings) {
  RequireOtherFile(settings);
  const npu::Sequence sequence = npu::LoadSequence(settings.input);
  const auto flow =
      settings.flow == "elf" ? npu::ArgumentFlow::kElf : npu::ArgumentFlow::kInstructionBuffer;
  WriteWords(settings.target,
             Encoded(settings, [&] { return npu::EncodeSequence(sequence, flow); }));
  return kExitOk;
}

int RunConfig(const EncodeSettings& settings) {
  RequireOtherFile(settings);
  const npu::Design design = npu::LoadDesign(settings.input);
  const npu::ProgramLoader programs = npu::ProgramsBeside(settings.input);
  WriteWords(settings.target,
             Encoded(settings, [&] { return npu::EncodeConfiguration(design, programs); }));
  return kExitOk;
}

struct InstsSettings {
  OutputOptions output;
  std::string input;
};

Json ToJson(const npu::Disassembled& op, size_t word) {
  Json json = {{"word", word}, {"op", op.name}};
  if (op.tile) json["tile"] = {op.tile->column, op.tile->row};
  if (op.address) json["address"] = *op.address;
  if (!op.reg.empty() && op.reg != "?") json["register"] = op.reg;
  if (!op.fields.empty()) {
    // Some operations name a field several times.
    Json fields = Json::array();
    for (const auto& [name, value] : op.fields) {
      fields.push_back({{"name", name}, {"value", value}});
    }
    json["fields"] = std::move(fields);
  }
  if (op.name == "MASKWRITE" || op.name.starts_with("MASKPOLL")) {
    json["value"] = op.data[0];
    json["mask"] = op.data[1];
  } else if (!op.data.empty()) {
    json["data"] = op.data;
  }
  return json;
}

int RunInsts(const InstsSettings& settings) {
  const MappedFile file(settings.input);
  const npu::ReadResult read = npu::ReadStream(file.bytes(), Printable(settings.input, 400));
  const npu::Stream& stream = read.stream;
  const auto* const version = stream.encoding == npu::Encoding::kPlain ? "0.1" : "1.0";
  const std::string_view generation = npu::GenerationName(stream.device.generation);
  if (settings.output.json) {
    Json ops = Json::array();
    for (size_t i = 0; i < stream.ops.size(); ++i) {
      ops.push_back(ToJson(npu::Disassemble(stream.device, stream.ops[i]), read.offsets[i]));
    }
    PrintJson({{"generation", generation},
               {"columns", stream.device.columns},
               {"version", version},
               {"bytes", file.size()},
               {"ops", std::move(ops)}});
    return kExitOk;
  }
  Print(fmt::format("{}, {} columns, version {}, {} operations, {} bytes\n", generation,
                    stream.device.columns, version, stream.ops.size(), file.size()));
  for (size_t i = 0; i < stream.ops.size(); ++i) {
    const npu::Disassembled op = npu::Disassemble(stream.device, stream.ops[i]);
    std::string line = fmt::format("{:>6}  {:<18} {}", read.offsets[i], op.name, npu::TextOf(op));
    while (line.ends_with(' ')) line.pop_back();
    Print(line + "\n");
  }
  return kExitOk;
}

/// A command that reads one file and writes another.
void AddEncoder(CLI::App& npu, Action& action, const std::string& name, const std::string& help,
                const std::string& input, const std::string& input_help,
                int (*run)(const EncodeSettings&), bool with_flow) {
  auto settings = std::make_shared<EncodeSettings>();
  CLI::App& command = *npu.add_subcommand(name, help)->group("Commands");
  AddPath(command, input, settings->input, input_help)->required();
  AddPath(command, "-o,--output", settings->target, "The instruction stream to write")->required();
  if (with_flow) {
    AddChoice(command, "--flow", settings->flow, {"buffer", "elf"},
              "Who adds the device's addresses of arguments from the sixth on: the stream, or XRT")
        ->default_str("buffer");
  }
  AddQuiet(command, settings->output);
  command.final_callback(
      [settings, run, &action] { action = [settings, run] { return run(*settings); }; });
}

void AddInsts(CLI::App& npu, Action& action) {
  auto settings = std::make_shared<InstsSettings>();
  CLI::App& command =
      *npu.add_subcommand("insts", "Say what an instruction stream does")->group("Commands");
  AddPath(command, "STREAM", settings->input, "The stream")->required();
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunInsts(*settings); }; });
}

}  // namespace

void AddNpuCommand(CLI::App& app, Action& action) {
  CLI::App& npu =
      *app.add_subcommand("npu", "What the NPU is told: instruction streams and configurations")
           ->group("Look closer");
  npu.require_subcommand(1);
  AddEncoder(npu, action, "encode", "Write the instruction stream of a runtime sequence",
             "SEQUENCE", "The sequence, as JSON", RunEncode, /*with_flow=*/true);
  AddEncoder(npu, action, "config", "Write the configuration of a lowered design", "DESIGN",
             "The design, as JSON", RunConfig, /*with_flow=*/false);
  AddInsts(npu, action);
  AddNpuDesigns(npu, action);
  AddNpuGemm(npu, action);
  AddNpuInfo(npu, action);
  AddNpuXclbin(npu, action);
  AddNpuMlp(npu, action);
  AddNpuNorm(npu, action);
  AddNpuAttention(npu, action);
  AddNpuSelfTest(npu, action);
}

}  // namespace tandem::cli
