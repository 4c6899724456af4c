// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// XXH3 of bytes that come in pieces: finds accidents, not forgeries. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace tandem {

class StreamHash {
 public:
  StreamHash();
  ~StreamHash();
  StreamHash(const StreamHash&) = delete;
  StreamHash& operator=(const StreamHash&) = delete;

  void Add(std::span<const std::byte> bytes);
  /// A text with its length, so that neighbouring texts cannot run into each other.
  void AddText(std::string_view text);
  void AddNumber(uint64_t number);

  /// Of everything so far, 128 bits.
  std::array<uint8_t, 16> Value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem
