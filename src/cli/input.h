// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Text that comes from files and standard input: read whole, up to a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::cli {

/// Longest prompt read from standard input or a file: far beyond what any context holds.
inline constexpr size_t kMaxPromptBytes = size_t{8} << 20;
/// Longest text that `score` and `tokenize` take; the tokenizer refuses more.
inline constexpr size_t kMaxTextFileBytes = size_t{64} << 20;

/// All of standard input. Throws Error kInvalidArgument beyond `limit` bytes, kIo.
std::string ReadStdin(size_t limit);
/// All of `path`, which may be a pipe. Throws as ReadStdin.
std::string ReadTextFile(const std::filesystem::path& path, size_t limit);

/// Token ids separated by commas, white space or both, at least one. `what` names them in errors.
/// Throws Error kInvalidArgument.
std::vector<int32_t> ParseIds(std::string_view text, std::string_view what);

}  // namespace tandem::cli
