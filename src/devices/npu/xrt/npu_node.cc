// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/xrt/npu_node.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "core/error.h"
#include "devices/npu/probe/npu_probe.h"

namespace tandem::npu {

NpuNode FindNpuNode() {
  const NpuReport report = ProbeNode({});
  for (const NpuCheck& check : report.checks) {
    if (check.state != CheckState::kBroken) continue;
    const ErrorKind kind = check.name == "permission" ? ErrorKind::kIo
                           : check.name == "device" && !report.address.empty()
                               ? ErrorKind::kUnsupported
                               : ErrorKind::kNotFound;
    throw Error(
        kind,
        fmt::format("the NPU cannot be used: {}: {}: {}", check.name, check.value, check.reason),
        check.mend);
  }
  if (!report.generation) {
    throw Error(ErrorKind::kNotFound, "there is no NPU: no PCI device 1022:1502 or 1022:17f0",
                "some machines have it switched off in the BIOS (\"IPU\", \"NPU\"); without one, "
                "the emulator does the same");
  }
  return {*report.generation, report.address, report.node};
}

bool NpuIsEmulated() { return dlsym(RTLD_DEFAULT, "tandem_npu_shim") != nullptr; }

}  // namespace tandem::npu
