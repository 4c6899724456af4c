// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/probe/distribution.h"

#include <sstream>
#include <vector>

#include "devices/npu/probe/system_files.h"

namespace tandem::npu {
namespace {

constexpr const char* kPackages = "libxrt-npu2 libxrt-dev libxrt-utils";
constexpr const char* kSources = "XRT and its plug-in of https://github.com/amd/xdna-driver";

std::string Unquoted(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

}  // namespace

Distribution::Distribution(const std::filesystem::path& root) {
  std::istringstream lines(ReadSmallFile(root / "etc/os-release").value_or(""));
  std::string ids;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("ID=")) ids.insert(0, Unquoted(line.substr(3)) + " ");
    if (line.starts_with("ID_LIKE=")) ids += Unquoted(line.substr(8));
    if (line.starts_with("VERSION_ID=")) {
      const std::vector<int> version = VersionOf(Unquoted(line.substr(11)));
      if (!version.empty()) version_ = version.front();
    }
  }
  // Ubuntu is like Debian, so it goes first.
  for (const auto& [id, family] : {std::pair("ubuntu", Family::kUbuntu),
                                   {"debian", Family::kDebian},
                                   {"arch", Family::kArch},
                                   {"fedora", Family::kFedora}}) {
    if (family_ == Family::kOther && HasWord(ids, id)) family_ = family;
  }
}

std::string Distribution::Apt(const std::string& packages) const {
  if (family_ == Family::kDebian && version_ != 0 && version_ < 13) {
    return "upgrade to Debian 13, then sudo apt install -t trixie-backports " + packages;
  }
  const bool backports = family_ == Family::kDebian && version_ == 13;
  return std::string("sudo apt install ") + (backports ? "-t trixie-backports " : "") + packages;
}

bool Distribution::BeforeUbuntu26() const {
  return family_ == Family::kUbuntu && version_ != 0 && version_ < 26;
}

std::string Distribution::InstallKernel() const {
  switch (family_) {
    case Family::kDebian: return Apt("linux-image-amd64 firmware-amd-graphics");
    case Family::kUbuntu:
      return BeforeUbuntu26() ? Apt("linux-generic-hwe-24.04") + " (or Ubuntu 26.04)"
                              : Apt("linux-generic");
    case Family::kArch: return "sudo pacman -Syu linux linux-firmware";
    case Family::kFedora: return "sudo dnf upgrade kernel linux-firmware";
    case Family::kOther: break;
  }
  return "install Linux 6.14 or later with CONFIG_DRM_ACCEL_AMDXDNA, best 7.0";
}

std::string Distribution::InstallFirmware() const {
  switch (family_) {
    case Family::kDebian: return Apt("firmware-amd-graphics");
    case Family::kUbuntu: return Apt("linux-firmware");
    case Family::kArch: return "sudo pacman -S linux-firmware-other";
    case Family::kFedora: return "sudo dnf install amd-gpu-firmware linux-firmware";
    case Family::kOther: break;
  }
  return "install amdnpu of linux-firmware";
}

std::string Distribution::InstallXrt() const {
  switch (family_) {
    case Family::kUbuntu:
      // What 24.04 has under these names is the XRT of other cards.
      if (BeforeUbuntu26()) return "upgrade to Ubuntu 26.04, or build " + std::string(kSources);
      return Apt(kPackages);
    case Family::kDebian: return Apt(kPackages);
    case Family::kArch: return "sudo pacman -S xrt xrt-plugin-amdxdna";
    case Family::kFedora:
    case Family::kOther: break;
  }
  return "build " + std::string(kSources);
}

}  // namespace tandem::npu
