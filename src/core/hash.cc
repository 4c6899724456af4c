// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/hash.h"

// The library would be one more to install for four functions.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <new>

namespace tandem {

struct StreamHash::State {
  XXH3_state_t* state = XXH3_createState();
  ~State() { XXH3_freeState(state); }
};

StreamHash::StreamHash() : state_(std::make_unique<State>()) {
  if (state_->state == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_->state);
}

StreamHash::~StreamHash() = default;

void StreamHash::Add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->state, bytes.data(), bytes.size());
}

void StreamHash::AddText(std::string_view text) {
  AddNumber(text.size());
  Add(std::as_bytes(std::span(text.data(), text.size())));
}

void StreamHash::AddNumber(uint64_t number) { Add(std::as_bytes(std::span(&number, 1))); }

std::array<uint8_t, 16> StreamHash::Value() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->state));
  std::array<uint8_t, 16> out{};
  for (size_t i = 0; i < out.size(); ++i) out[i] = canonical.digest[i];
  return out;
}

}  // namespace tandem
