// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A session on disk: tokens, and the keys and values they left. Layout, little-endian:
//
//   "TNDMSESS"  u32 version  u32 element type of keys and values  16 bytes model fingerprint
//   u64 tokens  u64 positions run  u64 cache tensors
//   per cache tensor: u64 layer, KV heads, head dimension, window, first position held
//   i32 ids of the tokens
//   per cache tensor: keys of the positions held, then values
//   16 bytes XXH3 of everything before
//
// A file is used only after its length agrees with its own header, and its hash with its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "engine/kv_store.h"

namespace tandem {

using Fingerprint = std::array<uint8_t, 16>;

/// Replaces `path` atomically. Throws Error kIo.
void WriteSession(const std::filesystem::path& path, const Program& program,
                  const Fingerprint& model, const std::vector<int32_t>& tokens, const KvStore& kv);

/// Reads a session of this model into `kv`, which must be fresh, and returns its tokens, each
/// inside [0, vocab_rows). Keys and values stored in another element type are converted. Throws
/// Error: kNotFound, kIo, kCorruptFile (cut, changed, not a session), kUnsupported (another
/// version, another model), kResource (more tokens than the context). `kv` is unspecified after an
/// error.
std::vector<int32_t> ReadSession(const std::filesystem::path& path, const Program& program,
                                 const Fingerprint& model, KvStore& kv);

}  // namespace tandem
