// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What `tandem npu gemm`, `mlp`, `attention` and `designs` share: the array they ask for, and what
// they say of a run.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/output.h"
#include "devices/npu/arrays/backend_runner.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/stream/stream.h"
#include "devices/npu/timing/gemm_time.h"

namespace tandem::cli {

/// The array of --generation ("npu1", "npu2") and --columns (0: all). Throws Error
/// kInvalidArgument for more columns than it has.
npu::Device ArrayOf(const std::string& generation, int columns);

/// The options that commands which compute on an array share.
struct ArraySettings {
  OutputOptions output;
  std::string save;  ///< A folder; empty: nothing is saved.
  std::string generation = "npu1";
  int columns = 0;              ///< 0: all.
  std::optional<double> clock;  ///< Of the cores, GHz; else the generation's.
  std::string kernel = "peano";
  bool model_only = false;
  std::string device = "emulator";
  uint64_t seed = 1;
};
void AddArrayOptions(CLI::App& command, ArraySettings& settings);

/// Whether Tandem has a design for a configuration. Throws Error kInvalidArgument that names
/// --columns or --out, what they may be, and `instead` as the hint.
void RequireDesign(const npu::GemmConfig& config, const std::string& instead = {});

/// The array behind --device ("emulator", "xrt"), configured. Throws Error as MakeXrtBackend and
/// ArrayBackend::Configure.
/// An emulated run of about `bytes` to and from the host is shown on `progress`.
std::unique_ptr<npu::BackendRunner> MakeRunner(const std::string& device,
                                               const npu::GemmConfig& config,
                                               ProgressLine& progress, double bytes);

/// What came of a run, against its reference.
struct NpuOutcome {
  bool ok = true;
  double max_abs_error = 0;
  std::optional<double> relative_error;  ///< Of all results together, where rounding is to be seen.
  std::string difference;                ///< What is wrong: "3 of 4096, the first at ...".
};
/// As text or JSON. `outcome` and `runner`: null where nothing was computed. Times are the model's;
/// in JSON they are those of hardware where that ran.
void ReportRun(const OutputOptions& output, const npu::GemmTime& model, const NpuOutcome* outcome,
               const npu::BackendRunner* runner);

/// What --model-only reports. Throws Error kInvalidArgument where it is to run or save something.
void ReportModelOnly(const ArraySettings& settings, const npu::GemmTime& model);

/// Adds --save, a folder.
CLI::Option* AddSave(CLI::App& command, std::string& folder, const std::string& help);
/// Makes that folder, and sees whether files can be made in it. Throws Error kIo.
void MakeSaveFolder(const std::filesystem::path& folder);
/// Writes the words of a stream there. Throws Error kIo.
void SaveStream(const std::filesystem::path& path, const npu::Stream& stream);
/// Those of a list's runs, three at most, into that folder: first.bin, second.bin, third.bin.
/// Throws Error kIo.
void SaveStreams(const std::filesystem::path& folder, const std::vector<npu::Stream>& streams);

}  // namespace tandem::cli
