// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The little of UTF-8 that everything needs: where a code point ends, and whether bytes are text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tandem {

/// Length in bytes (1-4) of the valid UTF-8 sequence at the start of `text`, or 0 when there is
/// none: empty, stray continuation byte, overlong form, surrogate, beyond U+10FFFF, or cut short.
size_t Utf8SequenceLength(std::string_view text);

/// Length that the first byte of a sequence announces (1-4), or 0 for a byte that cannot start one.
size_t Utf8AnnouncedLength(unsigned char first_byte);

/// Whether the whole of `text` is valid UTF-8.
bool IsValidUtf8(std::string_view text);

/// `text` with each invalid byte replaced by U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);

}  // namespace tandem
