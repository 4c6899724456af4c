// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A core's program as the emulator executes it: steps of the design in a row, with jumps. A value.
// Internal to the emulator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "devices/npu/design/design.h"
#include "devices/npu/isa/tile.h"
#include "devices/npu/kernels/registry.h"

namespace tandem::npu {

struct CoreOp {
  enum class Kind : uint8_t {
    kAcquire,  ///< tile, lock, value (negative: at least)
    kRelease,  ///< tile, lock, value
    kCall,     ///< kernel, offsets
    kEnter,    ///< Begins a loop of `value` rounds (0: for ever) that ends at `target`.
    kEnterAs,  ///< The same of as many rounds as the word at offsets[0] says, 0 included.
    kRepeat,   ///< Ends one that began at `target`.
    kWhen,     ///< Goes on at `target` unless the word at offsets[0] has bits of `mask`.
  };
  Kind kind = Kind::kAcquire;
  Tile tile;
  size_t lock = 0;
  int64_t value = 0;
  uint32_t mask = 0;
  size_t target = 0;
  const Kernel* kernel = nullptr;
  std::vector<size_t> offsets;  ///< Bytes in the core's memory.
};

struct CoreRun {
  std::vector<CoreOp> ops;
  size_t at = 0;
  std::vector<int64_t> rounds;  ///< Left of the loops around, innermost last.

  bool done() const { return at == ops.size(); }
  void Restart() {
    at = 0;
    rounds.clear();
  }
};

/// Checks a program against its design and the kernels there are. Throws Error kInvalidArgument
/// that names core and step.
CoreRun CompileCore(const Design& design, const Core& core);

}  // namespace tandem::npu
