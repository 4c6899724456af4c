// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/piece_table.h"

#include <bit>
#include <cstring>
#include <random>

#include "tokenizer/vocab.h"

namespace tandem {
namespace {

uint64_t Mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Drawn once per process, so that no file can be built whose pieces all collide. No result
// depends on it.
uint64_t Seed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }();
  return seed;
}

// Odd constants with about half their bits set.
constexpr uint64_t kMulA = 0x9e3779b97f4a7c15;
constexpr uint64_t kMulB = 0xd1b54a32d192ed03;

uint64_t Hash(std::string_view text, uint64_t seed) {
  uint64_t hash = seed ^ text.size();
  while (text.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, text.data(), 8);
    hash = Mix(hash ^ word ^ kMulA, seed | 1) ^ hash * kMulB;
    text.remove_prefix(8);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, text.data(), text.size());
  return Mix(hash ^ tail ^ kMulB, kMulA ^ (seed << 1)) ^ hash >> 32;
}

}  // namespace

PieceTable::PieceTable(std::span<const std::string> pieces)
    : pieces_(pieces), slots_(std::bit_ceil(2 * pieces.size() + 2), Slot{0, kNoToken}) {}

size_t PieceTable::SlotOf(std::string_view piece, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.id == kNoToken) return i;
    if (slot.tag == tag && pieces_[static_cast<size_t>(slot.id)] == piece) return i;
  }
}

bool PieceTable::Insert(int32_t id) {
  const std::string_view piece = pieces_[static_cast<size_t>(id)];
  const uint64_t hash = Hash(piece, Seed());
  Slot& slot = slots_[SlotOf(piece, hash)];
  if (slot.id != kNoToken) return false;
  slot = {static_cast<uint32_t>(hash >> 32), id};
  return true;
}

int32_t PieceTable::Find(std::string_view piece) const {
  return slots_[SlotOf(piece, Hash(piece, Seed()))].id;
}

}  // namespace tandem
