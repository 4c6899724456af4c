// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The array designs that Tandem has, by name. Values; thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "devices/npu/design/design.h"
#include "devices/npu/design/sequence.h"

namespace tandem::npu {

struct NamedDesign {
  std::string name;  ///< "gemm-i8-i32-npu1"
  std::string what;  ///< For people, one line.
  Device device;
  std::function<Design()> make;
  std::function<Sequence()> example;  ///< A smallest run that every part of it takes part in.
};

/// All of them, in the order in which people read them.
std::vector<NamedDesign> AllDesigns();
/// One of them. Throws Error kInvalidArgument that lists the names.
NamedDesign FindDesign(std::string_view name);

/// As that of its design (built/fingerprint.h).
std::string DesignFingerprint(const NamedDesign& named);

}  // namespace tandem::npu
