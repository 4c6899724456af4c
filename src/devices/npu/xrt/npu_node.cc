// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/xrt/npu_node.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <vector>

#include "core/error.h"

namespace tandem::npu {
namespace {

namespace fs = std::filesystem;

std::string Attribute(const fs::path& device, const char* name) {
  std::ifstream file(device / name);
  std::string value;
  file >> value;
  return value;
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::optional<Generation> GenerationOf(const std::string& device) {
  if (device == "0x1502") return Generation::kNpu1;
  if (device == "0x17f0") return Generation::kNpu2;
  return std::nullopt;
}

NpuNode Check(const fs::path& device, Generation generation) {
  NpuNode npu;
  npu.generation = generation;
  npu.address = device.filename().string();
  std::error_code error;
  const fs::path driver = fs::canonical(device / "driver", error).filename();
  if (error || driver != "amdxdna") {
    throw Error(ErrorKind::kNotFound, fmt::format("the NPU at {} has no driver", npu.address),
                "sudo modprobe amdxdna (Linux 6.14 or newer has it); if that fails, "
                "sudo dmesg | grep amdxdna says why: most often firmware that does not fit");
  }
  for (const fs::path& entry : Entries(device / "accel")) {
    const std::string name = entry.filename().string();
    if (name.starts_with("accel")) npu.node = "/dev/accel/" + name;
  }
  if (npu.node.empty() || !fs::exists(npu.node, error)) {
    throw Error(ErrorKind::kNotFound,
                fmt::format("the NPU at {} has a driver and no device node", npu.address),
                "sudo dmesg | grep amdxdna says why; inside a container, pass /dev/accel on");
  }
  if (access(npu.node.c_str(), R_OK | W_OK) != 0) {
    throw Error(
        ErrorKind::kIo,
        fmt::format("no permission on {}: {}", npu.node, std::generic_category().message(errno)),
        "sudo usermod -aG render $USER, then log in anew");
  }
  return npu;
}

}  // namespace

NpuNode FindNpuNode() {
  for (const fs::path& device : Entries("/sys/bus/pci/devices")) {
    if (Attribute(device, "vendor") != "0x1022") continue;
    if (const auto generation = GenerationOf(Attribute(device, "device"))) {
      return Check(device, *generation);
    }
  }
  throw Error(ErrorKind::kNotFound, "there is no NPU: no PCI device 1022:1502 or 1022:17f0",
              "some machines have it switched off in the BIOS (\"IPU\", \"NPU\"); without one, the "
              "emulator does the same");
}

bool NpuIsEmulated() { return dlsym(RTLD_DEFAULT, "tandem_npu_shim") != nullptr; }

uint64_t PinnableBytes() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

}  // namespace tandem::npu
