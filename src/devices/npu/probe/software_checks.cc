// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/probe/software_checks.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "core/error.h"
#include "devices/npu/built/kernel_set.h"
#include "devices/npu/probe/system_files.h"

namespace tandem::npu {
namespace {

constexpr uint64_t kMegabyte = 1 << 20;
/// The heap alone, and a heap with the weights that fit no less.
constexpr uint64_t kLeastMemlock = 64 * kMegabyte;
constexpr uint64_t kGoodMemlock = 3072 * kMegabyte;
/// The oldest XRT whose library for the NPU Tandem uses.
constexpr std::pair kLeastXrt = {2, 18};

/// Whether this process may lock what it likes: capability 14.
bool MayLockAll(const std::filesystem::path& root) {
  const std::string status = ReadSmallFile(root / "proc/self/status").value_or("");
  const size_t at = status.find("CapEff:\t");
  if (at == std::string::npos) return false;
  return (std::strtoull(status.c_str() + at + 8, nullptr, 16) >> 14 & 1) != 0;
}

struct Library {
  std::filesystem::path file;
  std::vector<int> version;
};

/// The libraries of a name, in the order in which loaders look; one for each place.
std::vector<Library> FindLibraries(const std::filesystem::path& root, const std::string& name) {
  std::vector<Library> found;
  std::set<std::filesystem::path> seen;
  for (const char* folder : {"usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib", "usr/local/lib",
                             "opt/xilinx/xrt/lib", "opt/xilinx/xrt/lib64"}) {
    std::error_code error;
    const auto place = std::filesystem::canonical(root / folder, error);
    if (error || !seen.insert(place).second) continue;
    Library best;
    for (const std::string& file : NamesIn(place)) {
      const std::string start = name + ".so.";
      if (!file.starts_with(start)) continue;
      std::vector<int> version = VersionOf(std::string_view(file).substr(start.size()));
      if (best.file.empty() || version.size() > best.version.size()) {
        best = {std::filesystem::path("/") / folder / file, std::move(version)};
      }
    }
    if (!best.file.empty()) found.push_back(std::move(best));
  }
  return found;
}

std::string VersionText(const Library& library) {
  std::string text;
  for (const int part : library.version) text += (text.empty() ? "" : ".") + std::to_string(part);
  return text;
}

}  // namespace

uint64_t LockableBytes() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

NpuCheck CheckMemlock(const NpuProbeOptions& options) {
  const uint64_t limit = options.memlock.value_or(LockableBytes());
  NpuCheck check = {"memlock", CheckState::kOk, {}, {}, {}};
  if (limit == UINT64_MAX) {
    check.value = "unlimited";
    return check;
  }
  check.value = limit >= kMegabyte ? fmt::format("{} MB", limit / kMegabyte)
                                   : fmt::format("{} KB", limit / 1024);
  if (MayLockAll(options.root)) {
    check.value += ", which does not bind this process";
    return check;
  }
  if (limit >= kGoodMemlock) return check;
  check.state = limit < kLeastMemlock ? CheckState::kBroken : CheckState::kLimited;
  check.reason = limit < kLeastMemlock
                     ? "XRT locks 64 MB before anything else, and its first mapping fails"
                     : "weights for the NPU are locked, too, and take up to 3 GB";
  // Which of three places counts, depends on who started us.
  const std::string group = ReadSmallFile(options.root / "proc/self/cgroup").value_or("");
  check.mend =
      group.find("user@") != std::string::npos
          ? "sudo mkdir -p /etc/systemd/system/user@.service.d && printf "
            "'[Service]\\nLimitMEMLOCK=infinity\\n' | sudo tee "
            "/etc/systemd/system/user@.service.d/99-tandem.conf, and start the machine anew; now: "
            "sudo prlimit --pid $$ --memlock=unlimited"
          : "echo '@render - memlock unlimited' | sudo tee /etc/security/limits.d/99-tandem.conf, "
            "and log in again; now: sudo prlimit --pid $$ --memlock=unlimited";
  return check;
}

NpuCheck CheckXrt(const NpuProbeOptions& options, const Distribution& distribution) {
  NpuCheck check = {"xrt", CheckState::kBroken, {}, {}, distribution.InstallXrt()};
  const std::vector<Library> cores = FindLibraries(options.root, "libxrt_coreutil");
  const std::vector<Library> plugins = FindLibraries(options.root, "libxrt_driver_xdna");
  if (cores.empty()) {
    check.value = "none";
    check.reason = "there is no libxrt_coreutil";
    return check;
  }
  check.value = fmt::format("{} ({})", VersionText(cores.front()), cores.front().file.string());
  if (cores.size() > 1) {
    check.reason = fmt::format("another one lies in {}: which is loaded is luck",
                               cores[1].file.parent_path().string());
    check.mend = "remove one of the two";
    return check;
  }
  if (plugins.empty()) {
    check.reason = "its plug-in for the NPU, libxrt_driver_xdna, is not there: it finds no device";
    return check;
  }
  const auto key = [](const Library& library) {
    return library.version.size() > 1 ? std::pair(library.version[0], library.version[1])
                                      : std::pair(-1, -1);
  };
  const auto core = key(cores.front());
  const auto plugin = key(plugins.front());
  if (core.first < 0) {
    check.state = CheckState::kUnknown;
    check.reason = "its file does not say its version";
    check.mend.clear();
  } else if (core < kLeastXrt) {
    check.reason = fmt::format("older than {}.{}", kLeastXrt.first, kLeastXrt.second);
  } else if (plugin.first >= 0 && plugin != core) {
    check.reason = fmt::format("its plug-in is of {}: both must be of one release",
                               VersionText(plugins.front()));
  } else {
    check.state = CheckState::kOk;
    check.mend.clear();
  }
  return check;
}

NpuCheck CheckPlugin(const NpuProbeOptions& options, const Distribution& distribution) {
  if (!options.plugin.empty()) {
    return {"plug-in", CheckState::kOk, Printable(options.plugin, 400), {}, {}};
  }
  return {"plug-in", CheckState::kBroken, "no libtandem_npu_xrt.so with the program",
          "it is built where XRT's headers are",
          distribution.InstallXrt() + "; then make build (docs/npu-xrt.md)"};
}

NpuCheck CheckKernelSet(const NpuProbeOptions& options, Generation generation) {
  const std::string_view name = GenerationName(generation);
  const std::string folder = Printable(options.kernels.string(), 400);
  NpuCheck check = {"xclbin", CheckState::kBroken, folder, {}, BuildCommand(generation)};
  KernelSet set;
  try {
    set = LoadKernelSet(options.kernels);
  } catch (const Error& error) {
    check.reason = error.kind() == ErrorKind::kNotFound
                       ? "there is no manifest.json: the kernels were not built yet"
                       : error.message();
    return check;
  }
  std::map<std::string, std::string> wanted;
  if (options.fingerprints) wanted = options.fingerprints(generation);
  std::string others;
  int matching = 0;
  for (const BuiltDesign& built : set.designs) {
    if (built.generation != name) {
      others = built.generation;
      continue;
    }
    try {
      CheckXclbin(built.xclbin);
      const auto want = wanted.find(built.name);
      if (want == wanted.end()) continue;
      if (CheckVersion(set, built.name, generation, want->second)) ++matching;
    } catch (const Error& error) {
      check.reason = error.message();
      return check;
    }
  }
  if (matching == 0) {
    check.reason = others.empty() ? "none of this program's designs is there"
                                  : fmt::format("only for {}", Printable(others));
    return check;
  }
  check.value = fmt::format("{} of {} designs in {}", matching, wanted.size(), folder);
  if (matching < static_cast<int>(wanted.size())) {
    check.state = CheckState::kLimited;
    check.reason = "the others were not built";
    return check;
  }
  check.state = CheckState::kOk;
  check.mend.clear();
  return check;
}

}  // namespace tandem::npu
