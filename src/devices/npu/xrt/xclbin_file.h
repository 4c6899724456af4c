// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The xclbins of configurations. One thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/built/kernel_set.h"

namespace tandem::npu {

struct XclbinBytes {
  std::vector<std::byte> bytes;
  std::string kernel;
};

/// Those of KernelFolder(); the emulated accelerator gets xclbins that are made for it unless
/// $TANDEM_NPU_KERNELS is set.
class XclbinFiles {
 public:
  explicit XclbinFiles(bool emulated) : emulated_(emulated) {}

  /// NAME.xclbin. Throws Error: kNotFound, kIo, kCorruptFile, also of the manifest beside it;
  /// kUnsupported for one of another generation, for one whose cores have no machine code where
  /// hardware is to run it, and for one that the manifest says was built of another design. Where
  /// no manifest says of which one, it is taken, with a warning for the first.
  XclbinBytes Find(const ArrayConfiguration& configuration);

 private:
  void CheckManifest(const std::filesystem::path& folder, const ArrayConfiguration& configuration);

  bool emulated_;
  std::optional<KernelSet> set_;  ///< Once it was read.
  bool warned_ = false;
};

/// One for the emulated accelerator.
std::vector<std::byte> MakeEmulatedXclbin(const ArrayConfiguration& configuration);

}  // namespace tandem::npu
