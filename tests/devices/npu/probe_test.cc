// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem doctor's part about the NPU, on trees that stand for machines: one where all is in order,
// and the same with one thing wrong each.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "devices/npu/built/kernel_set.h"
#include "devices/npu/probe/npu_probe.h"
#include "devices/npu/xrt/plugin_library.h"

namespace tandem::npu::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDevice = "sys/devices/pci0000:00/0000:c6:00.1";
constexpr const char* kXrt = "usr/lib/x86_64-linux-gnu/";

/// A machine as files. Phoenix, Debian 13 with backports, everything in order.
class Machine {
 public:
  Machine() {
    static int count = 0;
    root_ = fs::temp_directory_path() /
            ("tandem-probe-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    Write(std::string(kDevice) + "/vendor", "0x1022\n");
    Write(std::string(kDevice) + "/device", "0x1502\n");
    Write(std::string(kDevice) + "/revision", "0x00\n");
    Write(std::string(kDevice) + "/fw_version", "1.5.2.380\n");
    Write(std::string(kDevice) + "/accel/accel0/dev", "261:0\n");
    Link("sys/bus/pci/devices/0000:c6:00.1", "../../../devices/pci0000:00/0000:c6:00.1");
    // Others on the bus.
    Write("sys/bus/pci/devices/0000:c4:00.0/vendor", "0x1002\n");
    Write("sys/bus/pci/devices/0000:c4:00.0/device", "0x1502\n");
    Link(std::string(kDevice) + "/driver", "../../../bus/pci/drivers/amdxdna");
    Link(std::string(kDevice) + "/iommu_group", "../../../kernel/iommu_groups/25");
    Write("sys/module/amdxdna/taint", "\n");
    Write("dev/accel/accel0", "");
    Write("proc/sys/kernel/osrelease", "7.0.4-amd64\n");
    Write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n");
    Write("proc/self/status", "Name:\ttandem\nCapEff:\t0000000000000000\n");
    Write("proc/self/cgroup", "0::/user.slice/user-1000.slice/session-3.scope\n");
    Write("proc/cpuinfo",
          "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 116\nflags\t\t: "
          "fpu avx2\n");
    Write("etc/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"13\"\nID=debian\n");
    Write("lib/firmware/amdnpu/1502_00/npu.sbin.zst", "x");
    Write(kXrt + std::string("libxrt_coreutil.so.2.25.0"), "x");
    Link(kXrt + std::string("libxrt_coreutil.so.2"), "libxrt_coreutil.so.2.25.0");
    Write(kXrt + std::string("libxrt_driver_xdna.so.2.25.0"), "x");
    WriteManifest("npu1", "1234");
    WriteXclbin(1024, 1024);
    options_.root = root_;
    options_.kernels = root_ / "kernels";
    options_.memlock = UINT64_MAX;
    options_.plugin = "/usr/lib/tandem/libtandem_npu_xrt.so";
    options_.fingerprints = [](Generation generation) {
      const std::string name(GenerationName(generation));
      return std::map<std::string, std::string>{{"gemm-" + name, "1234"}};
    };
    options_.open_node = [this](const fs::path& node) {
      EXPECT_EQ(node, root_ / "dev/accel/accel0");
      return answer;
    };
  }
  ~Machine() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  void Write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  void Link(const std::string& name, const std::string& target) {
    fs::create_directories((root_ / name).parent_path());
    fs::create_symlink(target, root_ / name);
  }
  void Remove(const std::string& name) { fs::remove_all(root_ / name); }
  void WriteManifest(const std::string& generation, const std::string& fingerprint) {
    Write("kernels/manifest.json",
          R"({"tandem_npu_kernels": 1, "mlir_aie": "1.3.4", "designs": [{"name": "gemm-)" +
              generation + R"(", "generation": ")" + generation + R"(", "fingerprint": ")" +
              fingerprint + R"(", "xclbin": "gemm.xclbin"}]})");
  }
  void WriteXclbin(uint64_t bytes, uint64_t said) {
    std::string text(bytes, '\0');
    std::memcpy(text.data(), "xclbin2", 8);
    std::memcpy(text.data() + 0x130, &said, sizeof said);
    Write("kernels/gemm.xclbin", text);
  }
  NpuProbeOptions& options() { return options_; }
  const NpuProbeOptions& options() const { return options_; }
  NpuReport Probe() const { return ProbeNpu(options_); }

  NodeAnswer answer = {0, "amdxdna_accel_driver", 8, 0};

 private:
  fs::path root_;
  NpuProbeOptions options_;
};

const NpuCheck& Find(const NpuReport& report, const std::string& name) {
  for (const NpuCheck& check : report.checks) {
    if (check.name == name) return check;
  }
  throw std::runtime_error("no check " + name);
}

TEST(NpuProbe, AMachineInOrder) {
  const Machine machine;
  const NpuReport report = machine.Probe();
  EXPECT_TRUE(report.usable());
  EXPECT_EQ(report.generation, Generation::kNpu1);
  EXPECT_EQ(report.part, "Phoenix or Hawk Point");
  EXPECT_EQ(report.address, "0000:c6:00.1");
  EXPECT_EQ(report.checks.size(), 12U);
  for (const NpuCheck& check : report.checks) {
    EXPECT_EQ(check.state, CheckState::kOk) << check.name << ": " << check.reason;
    EXPECT_EQ(check.reason + check.mend, "") << check.name;
    EXPECT_NE(check.value, "") << check.name;
  }
  EXPECT_EQ(Find(report, "firmware").value, "1.5.2.380, protocol 5");
  EXPECT_EQ(Find(report, "driver").value, "amdxdna, of Linux 7.0.4-amd64");
  EXPECT_EQ(Find(report, "xrt").value,
            "2.25.0 (/usr/lib/x86_64-linux-gnu/libxrt_coreutil.so.2.25.0)");
}

// What the way through XRT asks first, in the same words.
TEST(NpuProbe, TheNodeAlone) {
  Machine machine;
  const auto names = [](const NpuReport& report) {
    std::string all;
    for (const NpuCheck& check : report.checks) all += check.name + " ";
    return all;
  };
  NpuReport report = ProbeNode(machine.options());
  EXPECT_TRUE(report.usable());
  EXPECT_EQ(names(report), "device driver node permission ");
  EXPECT_EQ(report.node, "/dev/accel/accel0");
  EXPECT_EQ(report.address, "0000:c6:00.1");
  machine.answer.error = EACCES;
  report = ProbeNode(machine.options());
  EXPECT_EQ(report.checks.back().state, CheckState::kBroken);
  EXPECT_EQ(report.checks.back().mend, Find(machine.Probe(), "permission").mend);
  machine.Remove("dev/accel");
  report = ProbeNode(machine.options());
  EXPECT_FALSE(report.usable());
  EXPECT_EQ(report.node, "");
  machine.Remove("sys/bus/pci/devices/0000:c6:00.1");
  EXPECT_FALSE(ProbeNode(machine.options()).generation);
}

TEST(NpuProbe, EachPartByItsRevision) {
  const auto part = [](const char* device, const char* revision) {
    Machine machine;
    machine.Write(std::string(kDevice) + "/device", device);
    machine.Write(std::string(kDevice) + "/revision", revision);
    const NpuReport report = machine.Probe();
    const std::string& mend = Find(report, "device").mend;
    EXPECT_EQ(mend.find("lspci -nnv -s 0000:c6:00.1") == std::string::npos,
              report.generation.has_value())
        << mend;
    return report.part + (report.generation ? "" : " unknown");
  };
  EXPECT_EQ(part("0x17f0", "0x10"), "Strix Point");
  EXPECT_EQ(part("0x17f0", "0x11"), "Strix Halo");
  EXPECT_EQ(part("0x17f0", "0x20"), "Krackan");
  EXPECT_EQ(part("0x17f0", "0x30"), "an AMD NPU unknown");
  EXPECT_EQ(part("0x17f2", "0x00"), "an AMD NPU unknown");
}

TEST(NpuProbe, MachinesWithoutOne) {
  Machine machine;
  machine.Remove("sys/bus/pci/devices/0000:c6:00.1");
  NpuReport report = machine.Probe();
  // The processor says that there should be one.
  ASSERT_EQ(report.checks.size(), 1U);
  EXPECT_EQ(report.checks[0].state, CheckState::kBroken);
  EXPECT_NE(report.checks[0].mend.find("BIOS"), std::string::npos);
  machine.Write("proc/cpuinfo", "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 116\n");
  report = machine.Probe();
  EXPECT_TRUE(report.checks.empty());
  EXPECT_FALSE(report.usable());
  machine.Remove("sys");
  machine.Remove("proc");
  EXPECT_TRUE(machine.Probe().checks.empty());
}

/// One thing wrong: which check says so, how, and what mends it.
struct Case {
  const char* name;
  std::function<void(Machine&)> breaks;
  const char* check;
  CheckState state;
  const char* text;  ///< Of value and reason.
  const char* mend;
};

void ExpectAll(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    Machine machine;
    one.breaks(machine);
    const NpuReport report = machine.Probe();
    const NpuCheck& check = Find(report, one.check);
    const std::string text = check.value + ": " + check.reason;
    EXPECT_EQ(check.state, one.state) << one.name << ": " << text;
    EXPECT_NE(text.find(one.text), std::string::npos) << one.name << ": " << text;
    EXPECT_NE(check.mend.find(one.mend), std::string::npos) << one.name << ": " << check.mend;
    EXPECT_EQ(report.usable(),
              one.state == CheckState::kLimited || one.state == CheckState::kUnknown)
        << one.name;
    // A permission is never called a missing device.
    if (std::string_view(one.check) == "permission") {
      EXPECT_EQ(Find(report, "device").state, CheckState::kOk);
      EXPECT_EQ(Find(report, "node").state, CheckState::kOk);
      EXPECT_EQ(text.find("no device"), std::string::npos);
    }
  }
}

TEST(NpuProbe, DriverAndFirmware) {
  const std::string device = kDevice;
  const auto unbound = [device](Machine& m) { m.Remove(device + "/driver"); };
  ExpectAll({
      {"refused", unbound, "driver", CheckState::kBroken, "did not take the device", "dmesg"},
      {"not loaded",
       [&](Machine& m) {
         unbound(m);
         m.Remove("sys/module/amdxdna");
       },
       "driver", CheckState::kBroken, "not loaded", "sudo modprobe amdxdna"},
      {"not built",
       [&](Machine& m) {
         unbound(m);
         m.Remove("sys/module/amdxdna");
         m.Write("boot/config-7.0.4-amd64", "CONFIG_DRM_ACCEL=y\n# CONFIG_DRM_ACCEL_AMDXDNA= no\n");
       },
       "driver", CheckState::kBroken, "built without amdxdna", "-t trixie-backports linux-image"},
      {"old kernel",
       [&](Machine& m) {
         unbound(m);
         m.Remove("sys/module/amdxdna");
         m.Write("proc/sys/kernel/osrelease", "6.12.48+deb13-amd64\n");
       },
       "driver", CheckState::kBroken, "before 6.14", "linux-image-amd64"},
      {"another driver",
       [&](Machine& m) {
         unbound(m);
         m.Link(device + "/driver", "../../../bus/pci/drivers/vfio-pci");
       },
       "driver", CheckState::kBroken, "vfio-pci", "dmesg"},
      {"no firmware",
       [&](Machine& m) {
         unbound(m);
         m.Remove(device + "/fw_version");
         m.Remove("lib/firmware");
       },
       "firmware", CheckState::kBroken, "amdnpu/1502_00", "firmware-amd-graphics"},
      {"firmware too new",
       [&](Machine& m) {
         unbound(m);
         m.Remove(device + "/fw_version");
         m.Write("proc/sys/kernel/osrelease", "6.18.2\n");
       },
       "driver", CheckState::kBroken, "did not take", "dmesg"},
      {"says no firmware", [&](Machine& m) { m.Remove(device + "/fw_version"); }, "firmware",
       CheckState::kUnknown, "does not say", ""},
      {"old interface", [](Machine& m) { m.answer.level = 0; }, "interface", CheckState::kLimited,
       "0.0", "linux-image"},
      {"low power", [](Machine& m) { m.answer.power_mode = 1; }, "power", CheckState::kLimited,
       "low", "xrt-smi configure --pmode default"},
      {"unknown power", [](Machine& m) { m.answer.power_mode = {}; }, "power", CheckState::kUnknown,
       "does not say", ""},
  });
}

TEST(NpuProbe, NodeAndPermission) {
  ExpectAll({
      {"no node", [](Machine& m) { m.Remove("dev"); }, "node", CheckState::kBroken, "not in /dev",
       "udevadm trigger"},
      {"none made", [](Machine& m) { m.Remove(std::string(kDevice) + "/accel"); }, "node",
       CheckState::kBroken, "made none", "dmesg"},
      {"denied", [](Machine& m) { m.answer.error = EACCES; }, "permission", CheckState::kBroken,
       "permission denied", "usermod -aG render"},
      {"fails", [](Machine& m) { m.answer.error = EIO; }, "permission", CheckState::kBroken,
       "Input/output error", "dmesg"},
      {"no IOMMU",
       [](Machine& m) {
         m.Remove(std::string(kDevice) + "/iommu_group");
         m.answer.error = ENODEV;
       },
       "iommu", CheckState::kBroken, "no group", "BIOS"},
      {"IOMMU off",
       [](Machine& m) {
         m.Remove(std::string(kDevice) + "/iommu_group");
         m.Write("proc/cmdline", "quiet amd_iommu=off\n");
         m.answer.error = ENODEV;
       },
       "iommu", CheckState::kBroken, "amd_iommu=off", "GRUB_CMDLINE_LINUX"},
      {"SVA forbidden", [](Machine& m) { m.answer.error = EOPNOTSUPP; }, "iommu",
       CheckState::kBroken, "forbids", "linux-image"},
  });
  // What comes after is not blamed.
  Machine machine;
  machine.answer.error = EACCES;
  const NpuReport report = machine.Probe();
  EXPECT_EQ(Find(report, "power").state, CheckState::kNotReached);
  EXPECT_EQ(Find(report, "xrt").state, CheckState::kOk);
}

TEST(NpuProbe, MemoryLock) {
  ExpectAll({
      {"8 MB", [](Machine& m) { m.options().memlock = 8 << 20; }, "memlock", CheckState::kBroken,
       "8 MB", "limits.d"},
      {"64 KB", [](Machine& m) { m.options().memlock = 64 << 10; }, "memlock", CheckState::kBroken,
       "64 KB", "limits.d"},
      {"1 GB", [](Machine& m) { m.options().memlock = 1 << 30; }, "memlock", CheckState::kLimited,
       "1024 MB", "limits.d"},
      {"desktop",
       [](Machine& m) {
         m.options().memlock = 8 << 20;
         m.Write("proc/self/cgroup",
                 "0::/user.slice/user-1000.slice/user@1000.service/app.slice\n");
       },
       "memlock", CheckState::kBroken, "8 MB", "LimitMEMLOCK=infinity"},
  });
  Machine machine;
  machine.options().memlock = 8 << 20;
  machine.Write("proc/self/status", "CapEff:\t0000000000004000\n");
  EXPECT_EQ(Find(machine.Probe(), "memlock").state, CheckState::kOk);
}

TEST(NpuProbe, Xrt) {
  const std::string folder = kXrt;
  const std::string core = folder + "libxrt_coreutil.so.2.25.0";
  const std::string plugin = folder + "libxrt_driver_xdna.so.2.25.0";
  ExpectAll({
      {"none", [&](Machine& m) { m.Remove("usr"); }, "xrt", CheckState::kBroken,
       "no libxrt_coreutil", "apt install -t trixie-backports libxrt-npu2"},
      {"no plug-in", [&](Machine& m) { m.Remove(plugin); }, "xrt", CheckState::kBroken,
       "libxrt_driver_xdna, is not there", "libxrt-npu2"},
      {"other release",
       [&](Machine& m) {
         m.Remove(plugin);
         m.Write(folder + "libxrt_driver_xdna.so.2.21.75", "x");
       },
       "xrt", CheckState::kBroken, "of 2.21.75", "libxrt-npu2"},
      {"old",
       [&](Machine& m) {
         m.Remove(core);
         m.Write(folder + "libxrt_coreutil.so.2.13.0", "x");
       },
       "xrt", CheckState::kBroken, "older than 2.18", "libxrt-npu2"},
      {"two", [](Machine& m) { m.Write("opt/xilinx/xrt/lib/libxrt_coreutil.so.2.21.0", "x"); },
       "xrt", CheckState::kBroken, "/opt/xilinx/xrt/lib", "remove one"},
      {"another distribution",
       [](Machine& m) {
         m.Remove("usr");
         m.Write("etc/os-release", "ID=arch\n");
       },
       "xrt", CheckState::kBroken, "no libxrt", "pacman -S xrt"},
      {"an Ubuntu whose packages of that name are another XRT",
       [](Machine& m) {
         m.Remove("usr");
         m.Write("etc/os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n");
       },
       "xrt", CheckState::kBroken, "no libxrt", "upgrade to Ubuntu 26.04, or build XRT"},
      {"one that has it",
       [](Machine& m) {
         m.Remove("usr");
         m.Write("etc/os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"26.04\"\n");
       },
       "xrt", CheckState::kBroken, "no libxrt", "sudo apt install libxrt-npu2 libxrt-dev"},
      {"built without XRT's headers", [](Machine& m) { m.options().plugin.clear(); }, "plug-in",
       CheckState::kBroken, "no libtandem_npu_xrt.so",
       "apt install -t trixie-backports libxrt-npu2 libxrt-dev libxrt-utils; then make build"},
  });
}

TEST(NpuProbe, ThePluginIsFoundWithoutBeingOpened) {
  const Machine machine;
  const std::string file = machine.options().kernels / "manifest.json";  // No library at all.
  const char* const before = std::getenv("TANDEM_NPU_XRT");
  const std::string kept = before == nullptr ? "" : before;
  ASSERT_EQ(setenv("TANDEM_NPU_XRT", file.c_str(), 1), 0);
  EXPECT_EQ(FindXrtPlugin(), file);
  ASSERT_EQ(setenv("TANDEM_NPU_XRT", (file + "x").c_str(), 1), 0);
  EXPECT_EQ(FindXrtPlugin(), "");
  ASSERT_EQ(
      before == nullptr ? unsetenv("TANDEM_NPU_XRT") : setenv("TANDEM_NPU_XRT", kept.c_str(), 1),
      0);
}

TEST(NpuProbe, Xclbins) {
  ExpectAll({
      {"none", [](Machine& m) { m.Remove("kernels"); }, "xclbin", CheckState::kBroken,
       "not built yet", "make npu-kernels GENERATION=npu1"},
      {"another generation", [](Machine& m) { m.WriteManifest("npu2", "1234"); }, "xclbin",
       CheckState::kBroken, "only for npu2", "GENERATION=npu1"},
      {"another version", [](Machine& m) { m.WriteManifest("npu1", "99"); }, "xclbin",
       CheckState::kBroken, "of another version of Tandem", "make npu-kernels"},
      {"missing", [](Machine& m) { m.Remove("kernels/gemm.xclbin"); }, "xclbin",
       CheckState::kBroken, "gemm.xclbin", "make npu-kernels"},
      {"cut", [](Machine& m) { m.WriteXclbin(1000, 1024); }, "xclbin", CheckState::kBroken,
       "1000 bytes, and its header says 1024", "make npu-kernels"},
      {"no xclbin", [](Machine& m) { m.Write("kernels/gemm.xclbin", std::string(2000, 'x')); },
       "xclbin", CheckState::kBroken, "not an xclbin", "make npu-kernels"},
      {"no manifest", [](Machine& m) { m.Write("kernels/manifest.json", "[]"); }, "xclbin",
       CheckState::kBroken, "not a manifest", "make npu-kernels"},
      {"elsewhere",
       [](Machine& m) {
         m.Write("kernels/manifest.json",
                 R"({"tandem_npu_kernels": 1, "mlir_aie": "1", "designs": [{"name": "a",)"
                 R"("generation": "npu1", "fingerprint": "1", "xclbin": "../a"}]})");
       },
       "xclbin", CheckState::kBroken, "not beside the manifest", "make npu-kernels"},
      {"some",
       [](Machine& m) {
         m.options().fingerprints = [](Generation) {
           return std::map<std::string, std::string>{{"gemm-npu1", "1234"}, {"other", "1"}};
         };
       },
       "xclbin", CheckState::kLimited, "1 of 2", "make npu-kernels"},
  });
}

TEST(NpuProbe, ARealNodeThatIsNoNpu) {
  // Opens, and answers nothing.
  const NodeAnswer answer = OpenNode("/dev/null");
  EXPECT_EQ(answer.error, 0);
  EXPECT_EQ(answer.driver, "");
  EXPECT_FALSE(answer.level);
  EXPECT_FALSE(answer.power_mode);
  EXPECT_EQ(OpenNode("/dev/there-is-none").error, ENOENT);
}

}  // namespace
}  // namespace tandem::npu::test
