// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu mlp.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/options.h"

namespace tandem::cli {

void AddNpuMlp(CLI::App& npu, Action& action);

}  // namespace tandem::cli
