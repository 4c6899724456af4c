// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3 as GGUF stores it: metadata keys.
#pragma once

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "gemma3/hparams.h"

namespace tandem::gemma3 {

/// Reads the gemma3.* keys. The result is validated. Throws Error kUnsupported for another
/// architecture, kNotFound, kCorruptFile.
HyperParams ReadGgufParams(const GgufFile& file);

/// Declares the gemma3.* keys.
void WriteGgufParams(const HyperParams& params, GgufWriter& writer);

}  // namespace tandem::gemma3
