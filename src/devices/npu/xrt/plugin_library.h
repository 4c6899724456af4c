// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Finds and opens libtandem_npu_xrt.so. Thread-safe; it stays open to the end.
#pragma once

#include <string>

#include "devices/npu/xrt/plugin.h"

namespace tandem::npu {

/// TANDEM_NPU_XRT names the file; else it is looked for beside the program, in ../lib and
/// ../lib/tandem from there, and where the system's loader looks. Throws Error kNotFound, with what
/// the loader said.
const TandemXrtApi& XrtPlugin();

/// Its file, without opening it; empty where it is in none of the places before the loader's.
std::string FindXrtPlugin();

}  // namespace tandem::npu
