// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/design/model.h"

#include <fmt/format.h>

#include <iterator>

#include "core/error.h"

namespace tandem::npu {
namespace {
constexpr std::string_view kTypeNames[] = {"i8", "i16", "i32", "bf16", "f32"};
}

std::string_view ElementTypeName(ElementType type) { return kTypeNames[static_cast<size_t>(type)]; }

std::optional<ElementType> ParseElementType(std::string_view name) {
  for (size_t i = 0; i < std::size(kTypeNames); ++i) {
    if (kTypeNames[i] == name) return static_cast<ElementType>(i);
  }
  return std::nullopt;
}

std::string ChannelText(const Channel& channel) {
  return fmt::format("{} {} {}", TileText(channel.tile), DirectionName(channel.direction),
                     channel.channel);
}

void CheckTile(const Device& device, Tile tile, std::string_view where) {
  if (Contains(device, tile)) return;
  throw Error(
      ErrorKind::kInvalidArgument,
      fmt::format("{}: tile ({},{}): {} has columns 0 to {}, rows 0 to {}", where, tile.column,
                  tile.row, DeviceName(device), device.columns - 1, kRows - 1));
}

void CheckChannel(const Device& device, const Channel& channel, std::string_view where) {
  CheckTile(device, channel.tile, where);
  const TileKind kind = KindOf(channel.tile);
  const int count = ResourcesOf(kind).channels;
  if (channel.channel >= 0 && channel.channel < count) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("{}: channel {}: a {} has channels 0 to {}", where, channel.channel,
                          TileKindName(kind), count - 1));
}

}  // namespace tandem::npu
