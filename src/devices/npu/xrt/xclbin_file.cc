// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/xrt/xclbin_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/error.h"
#include "core/log.h"
#include "core/mapped_file.h"
#include "devices/npu/built/fingerprint.h"
#include "devices/npu/built/kernel_set.h"
#include "devices/npu/xclbin/emulated_pdi.h"
#include "devices/npu/xclbin/xclbin.h"

namespace tandem::npu {
namespace {

namespace fs = std::filesystem;

/// What to do where there is none that Tandem takes.
std::string Build(Generation generation) {
  return BuildCommand(generation) +
         " builds those that Tandem takes; TANDEM_NPU_KERNELS says in which folder they are";
}

void Check(const Xclbin& xclbin, const ArrayConfiguration& configuration, bool emulated,
           const std::string& name) {
  const Device& device = configuration.design.device;
  const std::string build = Build(device.generation);
  const bool ours = IsEmulatedPdi(xclbin.pdi);
  bool other = xclbin.columns != device.columns;
  // 8 columns are npu2's; of 4 only our own images say whose they are.
  if (ours) other = other || ReadEmulatedPdi(xclbin.pdi, name).configuration.device != device;
  if (other) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{}: for another generation than {}, or {} columns rather than {}", name,
                    GenerationName(device.generation), xclbin.columns, device.columns),
        build);
  }
  if (ours && !emulated) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: for the emulated NPU; hardware needs machine code", name), build);
  }
  if (!ours && emulated) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: has machine code, which the emulated NPU does not execute", name),
                "without TANDEM_NPU_KERNELS it gets its own");
  }
  if (xclbin.buffers < configuration.arguments) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: its kernel takes {} buffers, {} are needed", name, xclbin.buffers,
                            configuration.arguments),
                build);
  }
}

}  // namespace

std::vector<std::byte> MakeEmulatedXclbin(const ArrayConfiguration& configuration) {
  const Device& device = configuration.design.device;
  Xclbin xclbin;
  xclbin.buffers = configuration.arguments > 0 ? configuration.arguments : kMostKernelBuffers;
  xclbin.columns = device.columns;
  xclbin.start_columns = {device.generation == Generation::kNpu1 ? 1 : 0};
  // What MLIR-AIE writes; the driver takes it for a hint.
  xclbin.operations_per_cycle = 2048;
  xclbin.pdi = WriteEmulatedPdi(configuration.design);
  return WriteXclbin(xclbin);
}

XclbinBytes XclbinFiles::Find(const ArrayConfiguration& configuration) {
  XclbinBytes found;
  std::string name = configuration.name + ".xclbin";
  // The emulated accelerator gets its own where no folder is named.
  const fs::path folder = emulated_ ? NamedKernelFolder() : KernelFolder();
  if (folder.empty()) {
    found.bytes = MakeEmulatedXclbin(configuration);
  } else {
    const fs::path path = folder / name;
    name = Printable(path.string(), 400);
    try {
      const MappedFile file(path);
      const auto bytes = file.bytes();
      found.bytes.assign(bytes.begin(), bytes.end());
    } catch (const Error& error) {
      throw Error(error.kind(), error.message(), Build(configuration.design.device.generation));
    }
  }
  const Xclbin xclbin = ReadXclbin(found.bytes, name);
  Check(xclbin, configuration, emulated_, name);
  if (!folder.empty()) CheckManifest(folder, configuration);
  found.kernel = xclbin.kernel;
  return found;
}

// Words come from this program, and machine code from the one that had it built: of two versions
// they would not fit.
void XclbinFiles::CheckManifest(const fs::path& folder, const ArrayConfiguration& configuration) {
  const Generation generation = configuration.design.device.generation;
  bool listed = false;
  try {
    if (!set_) set_ = LoadKernelSet(folder);
    listed = CheckVersion(*set_, configuration.name, generation,
                          DesignFingerprint(configuration.design));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
  }
  if (listed || warned_) return;
  warned_ = true;
  log::Write(
      log::Level::kWarning,
      fmt::format("npu: {} is taken as it is: {}, so nothing says whether it is of this "
                  "version of Tandem",
                  Printable((folder / (configuration.name + ".xclbin")).string(), 400),
                  set_ ? "manifest.json does not list it" : "there is no manifest.json beside it"),
      BuildCommand(generation) + " builds both");
}

}  // namespace tandem::npu
