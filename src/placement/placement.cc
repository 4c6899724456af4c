// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "placement/placement.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"

namespace tandem {

std::vector<PlacedSpan> Place(const Program& program, std::span<Device* const> devices,
                              size_t preferred, size_t fallback) {
  std::vector<PlacedSpan> spans;
  for (size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    Support support = devices[preferred]->Supports(program, op);
    const size_t device = support.yes ? preferred : fallback;
    if (!support.yes) {
      const Support other = devices[fallback]->Supports(program, op);
      if (!other.yes) {
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("no device runs op {} ({}): {}: {}; {}: {}", i, OpName(op.body),
                                devices[preferred]->name(), support.reason,
                                devices[fallback]->name(), other.reason));
      }
    }
    if (!spans.empty() && spans.back().device == device) {
      spans.back().ops.end = i + 1;
    } else {
      spans.push_back({{i, i + 1}, device, std::move(support.reason)});
    }
  }
  return spans;
}

}  // namespace tandem
