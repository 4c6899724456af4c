// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong on purpose, from TANDEM_NPU_SHIM_FAULT: KIND, KIND@N or KIND@N+. Of commands: the
// N-th one (the first), or all from it on with +. A value.
#pragma once

#include <cstdint>
#include <string_view>

namespace tandem::npu::shim {

enum class FaultKind : uint8_t {
  kNone,
  // Of commands.
  kHang,     ///< "hang": never completes.
  kTimeout,  ///< "timeout", "abort", "error": completes in that state without having run.
  kAbort,
  kError,
  kNothing,  ///< "nothing": completes without having run.
  kGone,     ///< "gone": the device vanishes; every call from then on fails with ENODEV.
  // Of the device.
  kNoMemory,  ///< "memory": no buffer beyond the heap.
  kMemlock,   ///< "memlock": mappings fail as they do beyond RLIMIT_MEMLOCK.
  kDenied,    ///< "denied": the node cannot be opened by this user.
  kNoNode,    ///< "node": there is a PCI device and a driver, but no node.
};

struct Fault {
  FaultKind kind = FaultKind::kNone;
  uint64_t first = 1;
  bool on = false;  ///< And all that follow.

  bool Is(FaultKind what) const { return kind == what; }
  /// Whether the command of this number, from 1, meets it.
  bool Meets(uint64_t command) const { return on ? command >= first : command == first; }
};

/// kNone for an empty text. Throws Error kInvalidArgument for others that it does not know.
Fault ParseFault(std::string_view text);

}  // namespace tandem::npu::shim
