// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace tandem {
namespace {

// Length of the longest end of `text` that is a beginning of `stop`.
size_t Overlap(std::string_view text, std::string_view stop) {
  for (size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == stop.substr(0, length)) return length;
  }
  return 0;
}

}  // namespace

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

std::string StopMatcher::Push(std::string_view text) {
  if (matched_) return {};
  held_ += text;
  // Of the stop strings found, the one that ends first, so that it does not matter in which pieces
  // the text came; of those that end together, the longest.
  size_t end = std::string::npos;
  size_t show = held_.size();
  size_t overlap = 0;
  for (const std::string& stop : stops_) {
    overlap = std::max(overlap, Overlap(held_, stop));
    const size_t begin = held_.find(stop);
    if (begin == std::string::npos || begin + stop.size() > end) continue;
    show = begin + stop.size() < end ? begin : std::min(show, begin);
    end = begin + stop.size();
  }
  matched_ = end != std::string::npos;
  if (!matched_) show -= overlap;
  // Stop strings need not be whole characters, but what is shown must be.
  while (show > 0 && show < held_.size() &&
         (static_cast<unsigned char>(held_[show]) & 0xc0) == 0x80) {
    --show;
  }
  std::string out = held_.substr(0, show);
  held_.erase(0, show);
  return out;
}

std::string StopMatcher::Flush() { return matched_ ? std::string() : std::exchange(held_, {}); }

}  // namespace tandem
