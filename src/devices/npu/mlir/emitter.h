// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The parts of a design's text. Internal to this folder.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "devices/npu/mlir/design_mlir.h"
#include "devices/npu/mlir/mlir_text.h"

namespace tandem::npu {

/// What all parts write to and name things by. Refers to design and options.
struct MlirEmitter {
  MlirEmitter(const Design& the_design, const MlirOptions& the_options);

  const Design& design;
  const MlirOptions& options;
  MlirText text;
  std::map<std::pair<Tile, int>, size_t> locks;  ///< Their index, by tile and id.

  static std::string NameOf(Tile tile);
  std::string BufferType(size_t buffer) const;
  /// Action of a lock as MLIR-AIE numbers them.
  void UseLock(size_t lock, int action, int64_t value);
  /// "action" of AcquireGreaterEqual or Acquire.
  static int AcquireAction(bool at_least) { return at_least ? 2 : 0; }
  static constexpr int kReleaseAction = 1;
  /// A constant, and its name.
  std::string Constant(int64_t value, const char* type);
};

/// Kernels that cores call, by name: the indices of one call's buffers. Throws Error kUnsupported
/// where two calls differ in a buffer's type.
std::map<std::string, std::vector<size_t>> KernelsOf(const Design& design);

void EmitKernels(MlirEmitter& emitter, bool in_device);
void EmitCore(MlirEmitter& emitter, const Core& core);
void EmitDma(MlirEmitter& emitter, const TileDma& dma);
/// One BD of a buffer named `value` of this type.
void EmitTransfer(MlirEmitter& emitter, const Transfer& transfer, const std::string& value,
                  ElementType type, const std::string& memref);
void EmitSwitch(MlirEmitter& emitter, const StreamSwitch& one);
void EmitShimMux(MlirEmitter& emitter, const ShimMux& mux);
void EmitSequence(MlirEmitter& emitter, const Sequence& sequence);

}  // namespace tandem::npu
