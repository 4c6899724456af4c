// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Commands that bring what an NPU needs, by distribution. Internal to this folder.
#pragma once

#include <filesystem>
#include <string>

namespace tandem::npu {

class Distribution {
 public:
  /// Of the system under `root`, by its os-release.
  explicit Distribution(const std::filesystem::path& root);

  std::string InstallKernel() const;    ///< One that has amdxdna.
  std::string InstallFirmware() const;  ///< The NPU's.
  std::string InstallXrt() const;       ///< XRT with its plug-in for the NPU, and its headers.

 private:
  enum class Family {
    kDebian,
    kUbuntu,
    kArch,
    kFedora,
    kOther
  };
  /// "sudo apt install ..." of backports where Debian's own version lacks it.
  std::string Apt(const std::string& packages) const;
  bool BeforeUbuntu26() const;

  Family family_ = Family::kOther;
  int version_ = 0;  ///< The year of Ubuntu's; 0 where it has none, as in Debian's testing.
};

}  // namespace tandem::npu
