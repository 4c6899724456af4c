// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A hash table from piece to token id: built once, then read by any number of threads. It borrows
// the pieces, which must outlive it and stay where they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

class PieceTable {
 public:
  /// A table with room for all of `pieces`; Insert() says which are in it.
  explicit PieceTable(std::span<const std::string> pieces);

  /// Adds pieces[id]. Returns false, and changes nothing, if an equal piece is there already.
  bool Insert(int32_t id);

  /// The id of `piece`, or kNoToken.
  int32_t Find(std::string_view piece) const;

 private:
  struct Slot {
    uint32_t tag;
    int32_t id;
  };

  // Where `piece` is, or the empty slot where it belongs.
  size_t SlotOf(std::string_view piece, uint64_t hash) const;

  std::span<const std::string> pieces_;
  std::vector<Slot> slots_;  // a power of two of them, at most half full
};

}  // namespace tandem
