// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the fused kernels have room for.
#pragma once

#include <cstdint>

namespace tandem::vulkan {

/// Quads of a vector that a thread of a tail holds: widths, and neurons of sparse layers, up to
/// 4 * threads * this.
inline constexpr int64_t kMostQuads = 16;
/// AltUp streams, all of which a tail holds in registers.
inline constexpr int64_t kMostFusedStreams = 4;
/// Floats of the heads that share keys, with a key and a value, in shared memory: of the 32 KB that
/// every device has, 12; their parts take 16.
inline constexpr int64_t kMostSharedHeadFloats = 3072;

}  // namespace tandem::vulkan
