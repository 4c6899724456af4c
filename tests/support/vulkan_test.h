// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// For tests that need a Vulkan device: TANDEM_REQUIRE_VULKAN() skips a test with the reason where
// there is none.
#pragma once

#include <gtest/gtest.h>

#include "devices/vulkan/vulkan_device.h"

namespace tandem::testing {

/// Why there is no Vulkan device to test with; empty when there is one.
inline const std::string& VulkanProblem() {
  static const std::string problem = ProbeVulkan().problem;
  return problem;
}

}  // namespace tandem::testing

#define TANDEM_REQUIRE_VULKAN()                                                   \
  do {                                                                            \
    const std::string& vulkan_problem = ::tandem::testing::VulkanProblem();       \
    if (!vulkan_problem.empty()) GTEST_SKIP() << "no Vulkan: " << vulkan_problem; \
  } while (false)
