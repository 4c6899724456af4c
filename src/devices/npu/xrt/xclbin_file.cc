// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/xrt/xclbin_file.h"

#include <fmt/format.h>

#include <algorithm>
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
constexpr const char* kBuild =
    "make npu-kernels builds those that Tandem takes; TANDEM_NPU_KERNELS says in which folder they "
    "are";

/// Refuses what the manifest beside an xclbin says is of another version of its design. Its words
/// come from this program and its machine code from then: the two would not fit.
void CheckVersion(const fs::path& folder, const ArrayConfiguration& configuration) {
  KernelSet set;
  try {
    set = LoadKernelSet(folder);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
  }
  const auto built =
      std::find_if(set.designs.begin(), set.designs.end(),
                   [&](const BuiltDesign& design) { return design.name == configuration.name; });
  if (built == set.designs.end()) {
    log::Warning("npu: {} has no manifest.json that names {}: taken as it is",
                 Printable(folder.string(), 400), configuration.name);
    return;
  }
  const std::string stale = WhyStale(*built, DesignFingerprint(configuration.design));
  if (stale.empty()) return;
  throw Error(ErrorKind::kUnsupported,
              fmt::format("{}: {}", Printable(folder.string(), 400), stale), kBuild);
}

void Check(const Xclbin& xclbin, const ArrayConfiguration& configuration, bool emulated,
           const std::string& name) {
  const Device& device = configuration.design.device;
  const bool ours = IsEmulatedPdi(xclbin.pdi);
  bool other = xclbin.columns != device.columns;
  // 8 columns are npu2's; of 4 only our own images say whose they are.
  if (ours) other = other || ReadEmulatedPdi(xclbin.pdi, name).configuration.device != device;
  if (other) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{}: for another generation than {}, or {} columns rather than {}", name,
                    GenerationName(device.generation), xclbin.columns, device.columns),
        kBuild);
  }
  if (ours && !emulated) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: for the emulated NPU; hardware needs machine code", name), kBuild);
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
                kBuild);
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

XclbinBytes FindXclbin(const ArrayConfiguration& configuration, bool emulated) {
  XclbinBytes found;
  std::string name = configuration.name + ".xclbin";
  // The emulated accelerator gets its own where no folder is named.
  const fs::path folder = emulated ? NamedKernelFolder() : KernelFolder();
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
      throw Error(error.kind(), error.message(), kBuild);
    }
  }
  const Xclbin xclbin = ReadXclbin(found.bytes, name);
  Check(xclbin, configuration, emulated, name);
  if (!folder.empty()) CheckVersion(folder, configuration);
  found.kernel = xclbin.kernel;
  return found;
}

}  // namespace tandem::npu
