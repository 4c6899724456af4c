// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/probe/npu_probe.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "devices/npu/probe/distribution.h"
#include "devices/npu/probe/software_checks.h"
#include "devices/npu/probe/system_files.h"

namespace tandem::npu {
namespace {

constexpr const char* kKernelLog = "sudo dmesg | grep -iE 'amdxdna|AMD-Vi'";

struct Part {
  unsigned long device;
  unsigned long revision;
  Generation generation;
  const char* name;
  const char* firmware;  ///< Folder under amdnpu.
};
constexpr Part kParts[] = {
    {0x1502, 0x00, Generation::kNpu1, "Phoenix or Hawk Point", "1502_00"},
    {0x17F0, 0x10, Generation::kNpu2, "Strix Point", "17f0_10"},
    {0x17F0, 0x11, Generation::kNpu2, "Strix Halo", "17f0_11"},
    {0x17F0, 0x20, Generation::kNpu2, "Krackan", "17f0_10"},
};
/// NPUs of another kind, which the same driver takes.
constexpr unsigned long kLater[] = {0x17F1, 0x17F2, 0x17F3, 0x1B0A, 0x1B0B, 0x1B0C};

class Prober {
 public:
  explicit Prober(const NpuProbeOptions& options)
      : options_(options), distribution_(options.root) {}

  NpuReport Run() {
    if (!FindDevice()) return std::move(report_);
    kernel_ = ReadSmallFile(options_.root / "proc/sys/kernel/osrelease").value_or("");
    const bool bound = CheckDriver();
    CheckFirmware(bound);
    const bool opened = CheckNode(bound);
    CheckIommu(bound);
    CheckInterface(opened);
    Add(CheckMemlock(options_));
    Add(CheckXrt(options_, distribution_));
    Add(CheckPlugin(options_, distribution_));
    CheckPower(opened);
    if (report_.generation) {
      Add(CheckKernelSet(options_, *report_.generation));
    } else {
      NotReached("xclbin");
    }
    return std::move(report_);
  }

  NpuReport RunToNode() {
    if (!FindDevice()) return std::move(report_);
    kernel_ = ReadSmallFile(options_.root / "proc/sys/kernel/osrelease").value_or("");
    CheckNode(CheckDriver());
    return std::move(report_);
  }

 private:
  void Add(NpuCheck check) { report_.checks.push_back(std::move(check)); }
  void Ok(const char* name, std::string value) {
    Add({name, CheckState::kOk, std::move(value), {}, {}});
  }
  void NotReached(const char* name) { Add({name, CheckState::kNotReached, {}, {}, {}}); }
  void Broken(const char* name, std::string value, std::string reason, std::string mend) {
    Add({name, CheckState::kBroken, std::move(value), std::move(reason), std::move(mend)});
  }

  /// False where the report ends.
  bool FindDevice() {
    const auto devices = options_.root / "sys/bus/pci/devices";
    for (const std::string& name : NamesIn(devices)) {
      const auto folder = devices / name;
      if (ReadNumber(folder / "vendor") != 0x1022UL) continue;
      const auto device = ReadNumber(folder / "device");
      if (!device) continue;
      const unsigned long revision = ReadNumber(folder / "revision").value_or(0xFF);
      const bool later =
          std::find(std::begin(kLater), std::end(kLater), *device) != std::end(kLater);
      const bool ours = *device == 0x1502 || *device == 0x17F0;
      if (!later && !ours) continue;
      device_ = folder;
      report_.address = Printable(name);
      const std::string value =
          fmt::format("1022:{:04x} revision {:02x} at {}", *device, revision, report_.address);
      for (const Part& part : kParts) {
        if (part.device != *device || part.revision != revision) continue;
        part_ = &part;
        report_.generation = part.generation;
        report_.part = part.name;
        Ok("device", fmt::format("{}: {}, {}", value, part.name, GenerationName(part.generation)));
        return true;
      }
      report_.part = "an AMD NPU";
      Broken("device", value,
             later ? "a later generation, which Tandem has no designs for"
                   : "a revision that neither Tandem nor the driver knows",
             fmt::format("a later version of Tandem; report what lspci -nnv -s {} says",
                         report_.address));
      return true;
    }
    if (!ProcessorShouldHaveOne()) return false;
    Broken("device", "none on the PCI bus", "the processor is of a series that has an NPU",
           "switch it on in the BIOS: Advanced, CPU Configuration, IPU (or NPU); else update the "
           "BIOS");
    return false;
  }

  /// Zen 4 and Zen 5 parts for laptops.
  bool ProcessorShouldHaveOne() const {
    const std::string info = ReadSmallFile(options_.root / "proc/cpuinfo").value_or("");
    const auto field = [&](const char* name) {
      const size_t at = info.find(std::string("\n") + name);
      if (at == std::string::npos) return -1;
      const size_t colon = info.find(": ", at);
      if (colon == std::string::npos) return -1;
      const auto numbers = VersionOf(std::string_view(info).substr(colon + 2, 8));
      return numbers.empty() ? -1 : numbers.front();
    };
    if (info.find("AuthenticAMD") == std::string::npos) return false;
    const int family = field("cpu family");
    const int model = field("model\t");
    if (family == 0x19) return model == 0x74 || model == 0x75 || model == 0x78;
    return family == 0x1A && ((model >= 0x20 && model <= 0x2F) || (model >= 0x60 && model <= 0x7F));
  }

  bool CheckDriver() {
    const std::string driver = LinkName(device_ / "driver");
    const auto module = options_.root / "sys/module/amdxdna";
    if (driver == "amdxdna") {
      const std::string version = ReadSmallFile(module / "version").value_or("");
      const bool outside = !ReadSmallFile(module / "taint").value_or("").empty();
      Ok("driver",
         fmt::format("amdxdna{}{}, {} Linux {}", version.empty() ? "" : " ", Printable(version),
                     outside ? "built outside of" : "of", Printable(kernel_)));
      return true;
    }
    if (!driver.empty()) {
      Broken("driver", Printable(driver), "another driver has the device", kKernelLog);
      return false;
    }
    std::error_code error;
    if (std::filesystem::exists(module, error)) {
      Broken("driver", "amdxdna is loaded, and did not take the device",
             fmt::format("its reason is in the kernel's log{}",
                         UnderHypervisor() ? "; under a hypervisor it refuses" : ""),
             kKernelLog);
      return false;
    }
    const auto config = ReadWholeConfig();
    const bool without = config && config->find("CONFIG_DRM_ACCEL_AMDXDNA=") == std::string::npos;
    const std::vector<int> version = VersionOf(kernel_);
    const bool old = version.size() > 1 && std::pair(version[0], version[1]) < std::pair(6, 14);
    if (without || (!config && old)) {
      Broken("driver", fmt::format("Linux {}", Printable(kernel_)),
             without ? "the kernel was built without amdxdna" : "kernels before 6.14 lack amdxdna",
             distribution_.InstallKernel());
    } else {
      Broken("driver", fmt::format("Linux {}", Printable(kernel_)), "amdxdna is not loaded",
             "sudo modprobe amdxdna");
    }
    return false;
  }

  /// The kernel's configuration is more than a small file.
  std::optional<std::string> ReadWholeConfig() const {
    return FindLine(options_.root / "boot" / ("config-" + kernel_), "CONFIG_DRM_ACCEL_AMDXDNA");
  }

  bool UnderHypervisor() const {
    return HasWord(ReadSmallFile(options_.root / "proc/cpuinfo").value_or(""), "hypervisor");
  }

  void CheckFirmware(bool bound) {
    if (const auto version = ReadSmallFile(device_ / "fw_version"); version && !version->empty()) {
      const std::vector<int> numbers = VersionOf(*version);
      // 1.0 of npu2 speaks protocol 6, 1.1 speaks 7; npu1's 1.5 speaks 5.
      const int minor = numbers.size() > 1 ? numbers[1] : -1;
      const int protocol = minor == 0 ? 6 : minor == 1 ? 7 : minor == 5 ? 5 : 0;
      Ok("firmware", protocol > 0 ? fmt::format("{}, protocol {}", Printable(*version), protocol)
                                  : Printable(*version));
      return;
    }
    if (part_ == nullptr) return NotReached("firmware");
    const auto folder = options_.root / "lib/firmware/amdnpu" / part_->firmware;
    std::string files;
    for (const std::string& name : NamesIn(folder)) {
      if (name.starts_with("npu")) files += (files.empty() ? "" : ", ") + Printable(name);
    }
    if (files.empty()) {
      Broken("firmware", fmt::format("no amdnpu/{}/npu.sbin", part_->firmware),
             "the driver cannot start the NPU without", distribution_.InstallFirmware());
    } else if (bound) {
      Add({"firmware", CheckState::kUnknown, files, "the driver does not say which it loaded", {}});
    } else {
      const std::vector<int> version = VersionOf(kernel_);
      const bool old = !version.empty() && version.front() < 7;
      Add({"firmware", CheckState::kUnknown, files,
           old ? "if the log says \"Incompatible firmware protocol\", the file is newer than the "
                 "driver"
               : "the driver did not start it",
           old ? distribution_.InstallKernel() : kKernelLog});
    }
  }

  /// Node, permission, and what the driver answers.
  bool CheckNode(bool bound) {
    if (!bound) {
      NotReached("node");
      NotReached("permission");
      return false;
    }
    std::string name;
    for (const std::string& one : NamesIn(device_ / "accel")) {
      if (one.starts_with("accel")) name = one;
    }
    if (name.empty()) {
      Broken("node", "none", "the driver made none: starting the NPU failed", kKernelLog);
      NotReached("permission");
      return false;
    }
    const std::string shown = "/dev/accel/" + Printable(name);
    const auto node = options_.root / "dev/accel" / name;
    std::error_code error;
    const auto status = std::filesystem::status(node, error);
    // A folder that may not be searched says nothing of what is in it.
    if (status.type() == std::filesystem::file_type::not_found) {
      Broken("node", shown, "the kernel has it, and it is not in /dev",
             "sudo udevadm trigger --subsystem-match=accel (in a container: pass the device)");
      NotReached("permission");
      return false;
    }
    Ok("node", shown);
    report_.node = shown;
    answer_ = options_.open_node ? options_.open_node(node) : OpenNode(node);
    if (answer_.error == EACCES || answer_.error == EPERM) {
      struct stat what = {};
      const bool known = ::stat(node.c_str(), &what) == 0;
      const bool for_group = known && (what.st_mode & 0060) == 0060 && what.st_gid != 0;
      Broken("permission", shown, "permission denied: this user may not open it",
             for_group || !known
                 ? "sudo usermod -aG render $USER, then log in again"
                 : "echo 'SUBSYSTEM==\"accel\", GROUP=\"render\", MODE=\"0660\"' | sudo tee "
                   "/etc/udev/rules.d/60-tandem-npu.rules && sudo udevadm control --reload && sudo "
                   "udevadm trigger --subsystem-match=accel && sudo usermod -aG render $USER, then "
                   "log in again");
      return false;
    }
    if (answer_.error != 0) {
      Broken("permission", shown,
             fmt::format("it may be opened, and that fails: {}", std::strerror(answer_.error)),
             kKernelLog);
      return false;
    }
    Ok("permission", "may be opened");
    return true;
  }

  void CheckIommu(bool bound) {
    const std::string line = ReadSmallFile(options_.root / "proc/cmdline").value_or("");
    std::error_code error;
    const bool group = std::filesystem::is_symlink(device_ / "iommu_group", error);
    for (const char* off : {"amd_iommu=off", "iommu=off"}) {
      if (!HasWord(line, off) || group) continue;
      Broken(
          "iommu", off, "the driver needs the IOMMU",
          fmt::format("take {} out of GRUB_CMDLINE_LINUX in /etc/default/grub, sudo update-grub, "
                      "and start anew",
                      off));
      return;
    }
    if (group) {
      if (answer_.error == EOPNOTSUPP) {
        Broken("iommu", "on", "this kernel forbids sharing address spaces with devices",
               distribution_.InstallKernel());
      } else {
        Ok("iommu", "on");
      }
    } else if (answer_.error == ENODEV || answer_.error == ENOSPC || answer_.error == EINVAL ||
               answer_.error == EOPNOTSUPP) {
      Broken("iommu", "the device has no group", "the driver needs the IOMMU",
             "switch the IOMMU on in the BIOS (AMD CBS, NBIO; SVM on some laptops)");
    } else if (!bound) {
      NotReached("iommu");
    } else {
      Add({"iommu", CheckState::kUnknown, {}, "the device has no group", {}});
    }
  }

  void CheckInterface(bool opened) {
    if (!opened) return NotReached("interface");
    if (!answer_.level) {
      Add({"interface", CheckState::kUnknown, {}, "the driver does not say its version", {}});
      return;
    }
    const std::string value = fmt::format("{} 0.{}", Printable(answer_.driver), *answer_.level);
    if (*answer_.level >= 6) {
      Ok("interface", value);
    } else {
      Add({"interface", CheckState::kLimited, value,
           "older than 0.6: XRT may ask for what the driver has not",
           distribution_.InstallKernel()});
    }
  }

  void CheckPower(bool opened) {
    if (!opened) return NotReached("power");
    constexpr const char* kModes[] = {"default", "low", "medium", "high", "turbo"};
    if (!answer_.power_mode || *answer_.power_mode < 0 || *answer_.power_mode > 4) {
      Add({"power", CheckState::kUnknown, {}, "the driver does not say its mode", {}});
    } else if (*answer_.power_mode == 1) {
      Add({"power", CheckState::kLimited, "low", "half the clock or less",
           "sudo xrt-smi configure --pmode default"});
    } else {
      Ok("power", kModes[*answer_.power_mode]);
    }
  }

  const NpuProbeOptions& options_;
  const Distribution distribution_;
  NpuReport report_;
  std::filesystem::path device_;
  const Part* part_ = nullptr;
  std::string kernel_;
  NodeAnswer answer_;
};

}  // namespace

std::string_view CheckStateName(CheckState state) {
  switch (state) {
    case CheckState::kOk: return "ok";
    case CheckState::kLimited: return "limited";
    case CheckState::kBroken: return "broken";
    case CheckState::kUnknown: return "unknown";
    case CheckState::kNotReached: break;
  }
  return "not reached";
}

bool NpuReport::usable() const {
  return generation && std::none_of(checks.begin(), checks.end(), [](const NpuCheck& check) {
           return check.state == CheckState::kBroken || check.state == CheckState::kNotReached;
         });
}

NpuReport ProbeNpu(const NpuProbeOptions& options) { return Prober(options).Run(); }

NpuReport ProbeNode(const NpuProbeOptions& options) { return Prober(options).RunToNode(); }

}  // namespace tandem::npu
