// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/shim/fake_tree.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "core/error.h"
#include "devices/npu/shim/system.h"

namespace tandem::npu::shim {
namespace {

constexpr std::string_view kAddress = "0000:c5:00.1";
constexpr std::string_view kDevices = "/sys/bus/pci/devices";
constexpr std::string_view kDriver = "/sys/bus/pci/drivers/amdxdna";
const std::string kDevice = fmt::format("/sys/devices/pci0000:00/{}", kAddress);
/// Led as wholes.
const std::array<std::string_view, 6> kLed = {
    kDevices, kDriver, kDevice, "/sys/class/accel", "/dev/accel", "/sys/module/amdxdna"};

bool Below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

FakeTree::FakeTree(Generation generation, const Fault& fault) : process_(getpid()) {
  const char* const temporary = std::getenv("TMPDIR");
  root_ = fmt::format("{}/tandem-npu-shim-XXXXXX", temporary != nullptr ? temporary : "/tmp");
  if (mkdtemp(root_.data()) == nullptr) {
    throw Error(ErrorKind::kIo, fmt::format("{}: {}", root_, std::strerror(errno)));
  }
  const bool npu1 = generation == Generation::kNpu1;
  Folder(kDevice);
  const auto attribute = [&](std::string_view name, std::string_view value) {
    File(fmt::format("{}/{}", kDevice, name), fmt::format("{}\n", value));
  };
  attribute("vendor", "0x1022");
  attribute("device", npu1 ? "0x1502" : "0x17f0");
  attribute("revision", npu1 ? "0x00" : "0x10");
  attribute("class", "0x118000");
  attribute("vbnv", npu1 ? "RyzenAI-npu1 (emulated)" : "RyzenAI-npu4 (emulated)");
  attribute("device_type", "0");
  attribute("fw_version", npu1 ? "1.5.2.391" : "1.1.2.64");
  Folder(kDevice + "/accel/accel0");
  File(kDevice + "/accel/accel0/dev", "261:0\n");
  Link(kDevice + "/accel/accel0/device", kDevice);
  Link(kDevice + "/driver", std::string(kDriver));
  Folder("/sys/class/accel");
  Link("/sys/class/accel/accel0", kDevice + "/accel/accel0");
  Folder(std::string(kDriver));
  Link(fmt::format("{}/{}", kDriver, kAddress), kDevice);
  Folder("/sys/module/amdxdna");
  Folder(std::string(kDevices));
  Link(fmt::format("{}/{}", kDevices, kAddress), kDevice);
  ShowOtherDevices();
  if (!fault.Is(FaultKind::kNoNode)) {
    Folder("/dev/accel");
    File(std::string(kNode), "");
  }
}

std::optional<std::string> FakeTree::Lead(std::string_view path) const {
  for (const std::string_view led : kLed) {
    if (Below(path, led)) return fmt::format("{}{}", root_, path);
  }
  return std::nullopt;
}

std::string_view FakeTree::Back(std::string_view path) const {
  return Below(path, root_) && path.size() > root_.size() ? path.substr(root_.size()) : path;
}

void FakeTree::Remove() const {
  if (getpid() != process_) return;
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

void FakeTree::Folder(const std::string& path) const {
  for (size_t slash = 1; slash != std::string::npos;) {
    slash = path.find('/', slash + 1);
    mkdir((root_ + path.substr(0, slash)).c_str(), 0755);
  }
}

void FakeTree::File(const std::string& path, std::string_view content) const {
  const int fd = System().open((root_ + path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const bool written =
      fd >= 0 && write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  if (fd >= 0) System().close(fd);
  if (!written) {
    throw Error(ErrorKind::kIo, fmt::format("{}{}: {}", root_, path, std::strerror(errno)));
  }
}

void FakeTree::Link(const std::string& path, const std::string& target) const {
  const bool led = Below(target, kDevice) || Below(target, kDriver);
  const std::string to = led ? root_ + target : target;
  if (symlink(to.c_str(), (root_ + path).c_str()) != 0 && errno != EEXIST) {
    throw Error(ErrorKind::kIo, fmt::format("{}{}: {}", root_, path, std::strerror(errno)));
  }
}

void FakeTree::ShowOtherDevices() const {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(System().opendir(std::string(kDevices).c_str()),
                                                   closedir);
  if (folder == nullptr) return;
  while (const dirent* const entry = readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name.starts_with('.')) continue;
    const std::string path = fmt::format("{}/{}", kDevices, name);
    const std::unique_ptr<char, void (*)(void*)> real(System().realpath(path.c_str(), nullptr),
                                                      std::free);
    if (real != nullptr) Link(path, real.get());
  }
}

}  // namespace tandem::npu::shim
