// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The demonstration model that is linked into the program.
#pragma once

#include <cstddef>
#include <span>

namespace tandem {

/// The bytes of models/fable-e4b-q8_0.gguf, 64-byte aligned, for the life of the program.
std::span<const std::byte> EmbeddedModel();

}  // namespace tandem
