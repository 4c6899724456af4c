// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels by name, for those who run core programs on this machine. Thread-safe: a kernel
// touches its buffers and nothing else.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace tandem::npu {

struct Kernel {
  std::string_view name;
  std::span<const size_t> buffer_bytes;  ///< One per argument: how much it touches.
  void (*run)(std::byte* const* buffers);
};

/// "gemm_i8_npu1", ...: the names in gemm_kernels.cc without "tandem_". Nullptr for others.
const Kernel* FindKernel(std::string_view name);

}  // namespace tandem::npu
