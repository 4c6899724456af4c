// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What happens when a file that is mapped into memory, a model for one, is cut by somebody else
// while it is in use, or its disk fails. There is no way back from inside whatever was reading it,
// so the program ends: with one line that names the file, and nothing half-written left behind.
#pragma once

namespace tandem::cli {

/// Handles SIGBUS of mapped files: says which, removes temporary files and ends the program with
/// kExitIo. Any other SIGBUS ends it as if nobody handled it.
void InstallFileLossHandler();

}  // namespace tandem::cli
