// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Tells models apart without reading their weights.
#pragma once

#include "engine/model_data.h"
#include "engine/session_file.h"

namespace tandem {

/// A hash of a model's metadata, tensor names, types, shapes and offsets, and file sizes. Two files
/// that differ only in the values of weights have the same one.
Fingerprint ModelFingerprint(const ModelData& data);

}  // namespace tandem
