// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Volk's functions, which look Vulkan's up.
#define VOLK_IMPLEMENTATION
#include "devices/vulkan/api.h"
