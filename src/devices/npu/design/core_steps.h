// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a core does, as a small program over its locks and buffers. A compiler makes an executable
// of it; the emulator executes it as it is. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tandem::npu {

struct CoreStep;

/// Waits until a lock (index in the design) is `value`, or at least that, and takes as much.
struct AcquireStep {
  size_t lock = 0;
  int64_t value = 1;
  bool at_least = true;
};
struct ReleaseStep {
  size_t lock = 0;
  int64_t value = 1;
};
/// Calls a kernel with buffers (indices in the design) of the core's own memory.
struct CallStep {
  std::string kernel;
  std::vector<size_t> buffers;
};
struct LoopStep {
  int64_t count = 0;  ///< 0: for ever.
  std::vector<CoreStep> body;
};
/// Does the body as often as a word of a buffer says.
struct RepeatStep {
  size_t buffer = 0;
  int64_t word = 0;
  std::vector<CoreStep> body;
};
/// Does the body when one of the mask's bits is set in a word of a buffer.
struct WhenStep {
  size_t buffer = 0;
  int64_t word = 0;
  uint32_t mask = 0;
  std::vector<CoreStep> body;
};

struct CoreStep {
  std::variant<AcquireStep, ReleaseStep, CallStep, LoopStep, RepeatStep, WhenStep> step;
};

}  // namespace tandem::npu
