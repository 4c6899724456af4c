// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A design as text of MLIR-AIE, which makes an xclbin of it. Pure functions; thread-safe.
//
// The operations and their attributes are those of MLIR-AIE 1.3.4 (AIEOps.td, AIEX.td), in MLIR's
// generic form, so that an mlir-opt which has never heard of them reads them, too. What the runtime
// adds itself, the way of completion tokens out of the shims, is left to it.
#pragma once

#include <optional>
#include <string>

#include "devices/npu/design/design.h"
#include "devices/npu/design/sequence.h"

namespace tandem::npu {

/// How cores call kernels. The two differ in nothing else.
enum class MlirCalls : uint8_t {
  /// Through the function's address: whoever does not know aie.core cannot look for a function
  /// beyond it.
  kPointer,
  /// func.call, as MLIR-AIE's own designs do it.
  kFunction,
};

struct MlirOptions {
  MlirCalls calls = MlirCalls::kPointer;
  /// File that holds the kernels, "gemm_kernels.aie2.o". Needed where cores call some.
  std::string kernel_object;
  /// What the host asks in one run, of copies, waits and tasks alone; nothing for none.
  std::optional<Sequence> sequence;
};

/// The text. Throws Error: kInvalidArgument for designs beyond the hardware (check.h), kUnsupported
/// for what this MLIR-AIE cannot say: iterations of static BDs, kernels whose buffers have several
/// sizes, conditions on buffers that are not of 32-bit words, other steps of a sequence.
std::string DesignMlir(const Design& design, const MlirOptions& options);

/// A kernel's name in its object.
std::string KernelSymbol(const std::string& kernel);

}  // namespace tandem::npu
