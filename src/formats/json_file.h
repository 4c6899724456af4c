// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON out of files, parsed strictly: a document that is not JSON, nests deeper than the limit or
// names a member twice is an Error that names the file. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "core/json_document.h"

namespace tandem {

/// Parses `text`; `name` (printable) stands for the file in errors. Throws Error kCorruptFile, with
/// the byte offset of a syntax error.
JsonDocument ParseJson(std::string_view text, std::string_view name);

/// Parses a file of at most `max_bytes`. Throws Error: kNotFound, kIo, kCorruptFile, kUnsupported
/// (too large).
JsonDocument ParseJsonFile(const std::filesystem::path& path, uint64_t max_bytes);

}  // namespace tandem
