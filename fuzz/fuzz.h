// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What every fuzz target checks: of hostile bytes comes a value that keeps its promises, or a
// tandem::Error that is fit to show. Any other exception escapes the target and ends the process,
// as a failed Check() does. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/utf8.h"

namespace tandem::fuzz {

/// Ends the process, which the fuzzer takes for a find, unless `holds`.
inline void Check(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

inline void CheckLine(std::string_view text) {
  Check(IsValidUtf8(text), "an error is valid UTF-8");
  for (const char c : text) {
    Check(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "an error is one printable line");
  }
}

/// Runs `action` and returns whether it refused the input, with an error that is not our fault.
template <typename Action>
bool Refuses(Action&& action) {
  try {
    action();
    return false;
  } catch (const Error& error) {
    Check(error.kind() != ErrorKind::kInternal, "no input breaks an invariant of ours");
    Check(!error.message().empty() && error.message().size() < 2000, "an error is one short line");
    CheckLine(error.message());
    CheckLine(error.hint());
    return true;
  }
}

inline std::span<const std::byte> Bytes(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}

inline std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace tandem::fuzz

/// What libFuzzer calls, with an exact copy of the input on the heap. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
