// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Finds the first of several stop strings in a text that arrives in pieces, and lets through only
// what no stop string can begin in. First is the one that is complete first, of those complete
// together the longest, whatever the pieces. One text per object; one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tandem {

class StopMatcher {
 public:
  /// REQUIRES: no empty string.
  explicit StopMatcher(std::vector<std::string> stops);

  /// Adds text and returns what may be shown now: everything before a stop string, less an end that
  /// could still become one; whole characters if `text` is. Returns nothing more once matched.
  std::string Push(std::string_view text);
  /// At the end of the text: what was held back.
  std::string Flush();
  bool matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool matched_ = false;
};

}  // namespace tandem
