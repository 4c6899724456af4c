// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/rooms.h"

#include <algorithm>
#include <cstring>

namespace tandem::npu {
namespace {

constexpr int64_t kExponents = offsetof(ActivationTileHeader, exponents) / 4;
constexpr int64_t kValues = kActivationHeaderBytes / 4;

/// Header, exponents and values of the tile of A of `first` and the steps behind it.
std::vector<Piece> PiecesOf(const RoomTiles& tiles, int core_row, int64_t first) {
  const int64_t rows = PieceRows(tiles.rows);
  const int64_t steps = tiles.steps();
  const int64_t room = first * kRoomGroupWords + core_row * kRoomWords;
  const int64_t header = tiles.header_word + (first / steps * kCoreRows + core_row) * kExponents;
  constexpr int64_t kParts = 2;  // In rows that a shim's BD can count.
  const int64_t part = rows * kTileKI8 / 4 / kParts;
  return {{header, kExponents},
          {room + kExponents, rows / 4, 1, 0, steps, kRoomGroupWords},
          {room + kValues, part, kParts, part, steps, kRoomGroupWords}};
}

}  // namespace

int64_t RoomTiles::HeaderBytes() const {
  return steps() == 1 ? 0 : tiles() * kCoreRows * kExponents * 4;
}

Pieces SendRooms(const RoomTiles& tiles, int core_row, int64_t runs) {
  if (tiles.steps() == 1) return {{TilesInRooms(core_row, 0, tiles.count)}, runs};
  std::vector<Piece> chain = PiecesOf(tiles, core_row, 0);
  if (tiles.tiles() > 1) {
    for (Piece& piece : chain) {
      piece.step = tiles.steps() * kRoomGroupWords;
      piece.wraps = tiles.tiles();
    }
    chain.front().step = kCoreRows * kExponents;
  }
  return {chain, tiles.tiles() * runs};
}

std::vector<Piece> ChainOfRooms(const RoomTiles& tiles, int core_row) {
  if (tiles.steps() == 1) return {TilesInRooms(core_row, 0, tiles.count)};
  std::vector<Piece> chain;
  for (int64_t first = 0; first < tiles.count; first += tiles.steps()) {
    const std::vector<Piece> pieces = PiecesOf(tiles, core_row, first);
    chain.insert(chain.end(), pieces.begin(), pieces.end());
  }
  return chain;
}

std::vector<size_t> EndsOfRooms(int64_t bytes, int64_t columns) {
  std::vector<size_t> ends;
  for (int64_t column = 0; column < columns; ++column) {
    ends.push_back(static_cast<size_t>(bytes - column * kRoomGroupBytes - 4));
  }
  return ends;
}

void PackRoomHeaders(const RoomTiles& tiles, bool has_factors, std::span<std::byte> argument) {
  if (tiles.steps() == 1) return;
  std::byte* to = argument.data() + 4 * tiles.header_word;
  for (int64_t tile = 0; tile < tiles.tiles(); ++tile) {
    ActivationTileHeader header;
    header.rows = static_cast<uint32_t>(tiles.rows);
    header.has_factors = has_factors ? 1 : 0;
    header.steps =
        static_cast<uint32_t>(std::min(tiles.steps(), tiles.count - tile * tiles.steps()));
    header.piece_rows = static_cast<uint32_t>(PieceRows(tiles.rows));
    for (int core_row = 0; core_row < kCoreRows; ++core_row) {
      std::memcpy(to, &header, 4 * kExponents);
      to += 4 * kExponents;
    }
  }
}

}  // namespace tandem::npu
