// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Finds an item of a list by name, in logarithmic time. A sorted index instead of a hash table: the
// names come out of files, and no choice of names can make it slow. Holds views of the names.
// Immutable after construction; any number of threads may search it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/utf8.h"

namespace tandem {

/// Whether a name out of a file is fit to be one: not empty, valid UTF-8, no control characters.
inline bool IsPrintableName(std::string_view name) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !name.empty() && std::none_of(name.begin(), name.end(), is_control) && IsValidUtf8(name);
}

class NameIndex {
 public:
  NameIndex() = default;
  /// `names` in the order of the list. The characters must outlive the index.
  explicit NameIndex(const std::vector<std::string_view>& names) {
    entries_.reserve(names.size());
    for (size_t i = 0; i < names.size(); ++i) entries_.emplace_back(names[i], i);
    std::sort(entries_.begin(), entries_.end());
  }

  /// Position in the list, or nullopt.
  std::optional<size_t> Find(std::string_view name) const {
    const auto found = std::lower_bound(entries_.begin(), entries_.end(), Entry(name, 0));
    if (found == entries_.end() || found->first != name) return std::nullopt;
    return found->second;
  }

  /// A name that occurs twice, or nullopt.
  std::optional<std::string_view> Duplicate() const {
    const auto found =
        std::adjacent_find(entries_.begin(), entries_.end(),
                           [](const Entry& a, const Entry& b) { return a.first == b.first; });
    if (found == entries_.end()) return std::nullopt;
    return found->first;
  }

 private:
  using Entry = std::pair<std::string_view, size_t>;
  std::vector<Entry> entries_;
};

}  // namespace tandem
