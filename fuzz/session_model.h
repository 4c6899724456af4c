// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The model whose sessions are fuzzed: small, with a full and a windowed layer and a shared one.
#pragma once

#include "engine/kv_store.h"
#include "engine/session_file.h"

namespace tandem::fuzz {

/// Of the model. Lives as long as the process.
const Program& SessionProgram();
inline constexpr Fingerprint kSessionModel = {'f', 'u', 'z', 'z'};
/// Sessions of up to 24 tokens, whose rings are shorter than that.
KvShape SessionShape(DType type);

}  // namespace tandem::fuzz
