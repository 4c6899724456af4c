// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu norm.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/options.h"

namespace tandem::cli {

void AddNpuNorm(CLI::App& npu, Action& action);

}  // namespace tandem::cli
