// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the system shows of an NPU: a PCI device, its driver, its node. Lies in a folder of its own
// below the system's temporary one; paths are led there. Immutable once made; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "devices/npu/isa/tile.h"
#include "devices/npu/shim/fault.h"

namespace tandem::npu::shim {

class FakeTree {
 public:
  /// Throws Error kIo where the folder cannot be made.
  FakeTree(Generation generation, const Fault& fault);

  /// Where a path of the system leads; nothing for those that are left alone.
  std::optional<std::string> Lead(std::string_view path) const;
  /// The inverse, for what the system says: paths elsewhere stay as they are.
  std::string_view Back(std::string_view path) const;
  /// Removes the folder, if this process made it.
  void Remove() const;

  static constexpr std::string_view kNode = "/dev/accel/accel0";

 private:
  void Folder(const std::string& path) const;
  void File(const std::string& path, std::string_view content) const;
  void Link(const std::string& path, const std::string& target) const;
  void ShowOtherDevices() const;

  std::string root_;
  int process_ = 0;
};

}  // namespace tandem::npu::shim
