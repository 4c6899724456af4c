// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The container in which XRT takes a configuration of the NPU (xclbin, "axlf"): one kernel, one
// partition, one device image. Pure functions; thread-safe.
//
// Source: XRT, core/include/xrt/detail/xclbin.h (structures), and what xclbinutil 2.25 makes of the
// three documents that MLIR-AIE gives it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::npu {

struct Xclbin {
  /// Tells contexts apart in user space. WriteXclbin makes one of the content where it is zero.
  std::array<uint8_t, 16> uuid{};
  std::string kernel = "MLIR_AIE";
  /// Arguments of the kernel behind opcode, instructions and their count.
  int buffers = 0;
  int columns = 0;                 ///< Width of the partition.
  std::vector<int> start_columns;  ///< Where it may lie, as the driver counts.
  uint32_t operations_per_cycle = 0;
  std::vector<std::byte> pdi;  ///< The device image.
};

/// What the driver translates in a run.
inline constexpr int kMostKernelBuffers = 5;

/// The seven sections of an NPU's container. The same content gives the same bytes. Throws Error
/// kInvalidArgument.
std::vector<std::byte> WriteXclbin(const Xclbin& xclbin);
/// Reads untrusted bytes: what is above, of the first kernel and the first image. `name`
/// (printable) stands for the source in errors. Throws Error: kCorruptFile for bytes that
/// contradict themselves, kUnsupported for containers of other devices.
Xclbin ReadXclbin(std::span<const std::byte> bytes, std::string_view name);

}  // namespace tandem::npu
