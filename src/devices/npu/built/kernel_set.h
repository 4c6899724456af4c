// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The xclbins that make npu-kernels built: a folder with a manifest. Values; thread-safe.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

struct BuiltDesign {
  std::string name;         ///< "gemm-i8-i32-npu1"
  std::string generation;   ///< "npu1"
  std::string fingerprint;  ///< Of the design that it was built of.
  std::filesystem::path xclbin;
};
struct KernelSet {
  std::filesystem::path folder;
  std::string mlir_aie;  ///< Version.
  std::vector<BuiltDesign> designs;
};

/// $TANDEM_NPU_KERNELS; empty where that is unset or empty.
std::filesystem::path NamedKernelFolder();
/// Where xclbins are looked for: that, or tandem/npu in the user's data folder.
std::filesystem::path KernelFolder();
/// Reads the manifest of a folder. Throws Error: kNotFound without one, kIo, kCorruptFile for one
/// that is none or names files elsewhere.
KernelSet LoadKernelSet(const std::filesystem::path& folder);

/// The command that builds the xclbins of a generation anew.
std::string BuildCommand(Generation generation);

/// Whether the manifest lists the xclbin of a design of this program. Throws Error kUnsupported for
/// one that was built of a design with another fingerprint (fingerprint.h): by another version of
/// Tandem.
bool CheckVersion(const KernelSet& set, const std::string& name, Generation generation,
                  std::string_view fingerprint);

/// Checks the frame of an xclbin: magic, and its length against the file's. Throws Error:
/// kNotFound, kIo, kCorruptFile. Source: struct axlf in XRT's xclbin.h.
void CheckXclbin(const std::filesystem::path& file);

}  // namespace tandem::npu
