// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/shim/fault.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "core/error.h"

namespace tandem::npu::shim {

Fault ParseFault(std::string_view text) {
  constexpr std::pair<std::string_view, FaultKind> kNames[] = {
      {"", FaultKind::kNone},           {"hang", FaultKind::kHang},
      {"timeout", FaultKind::kTimeout}, {"abort", FaultKind::kAbort},
      {"error", FaultKind::kError},     {"nothing", FaultKind::kNothing},
      {"gone", FaultKind::kGone},       {"memory", FaultKind::kNoMemory},
      {"memlock", FaultKind::kMemlock}, {"denied", FaultKind::kDenied},
      {"node", FaultKind::kNoNode}};
  const std::string_view all = text;
  Fault fault;
  if (const size_t at = text.find('@'); at != std::string_view::npos) {
    std::string_view number = text.substr(at + 1);
    fault.on = number.ends_with('+');
    if (fault.on) number.remove_suffix(1);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), fault.first);
    if (error != std::errc() || end != number.data() + number.size()) fault.first = 0;
    text = text.substr(0, at);
  }
  for (const auto& [name, kind] : kNames) {
    if (name != text || fault.first == 0) continue;
    fault.kind = kind;
    return fault;
  }
  throw Error(
      ErrorKind::kInvalidArgument,
      fmt::format("TANDEM_NPU_SHIM_FAULT: '{}' is none", Printable(all)),
      "hang, timeout, abort, error, nothing, gone, memory, memlock, denied, node; @N: at the N-th "
      "command, @N+: from it on");
}

}  // namespace tandem::npu::shim
