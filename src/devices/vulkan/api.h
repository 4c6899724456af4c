// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Vulkan's own declarations, for the files of this folder only, and how its results become errors.
#pragma once

#include <volk.h>

#include <string_view>

namespace tandem::vulkan {

/// Throws the Error of a result that is not a success: kDeviceLost, kResource, or kInternal.
/// `what` is what was being done.
[[noreturn]] void Fail(VkResult result, std::string_view what);
inline void Check(VkResult result, std::string_view what) {
  if (result < 0) Fail(result, what);
}

}  // namespace tandem::vulkan
