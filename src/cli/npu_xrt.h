// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu info, tandem npu xclbin.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/options.h"

namespace tandem::cli {

void AddNpuInfo(CLI::App& npu, Action& action);
void AddNpuXclbin(CLI::App& npu, Action& action);

}  // namespace tandem::cli
