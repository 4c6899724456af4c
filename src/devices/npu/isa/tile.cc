// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/isa/tile.h"

#include <fmt/format.h>

namespace tandem::npu {

std::string_view GenerationName(Generation generation) {
  return generation == Generation::kNpu1 ? "npu1" : "npu2";
}

std::optional<Device> ParseDevice(std::string_view name) {
  Device device;
  if (name.starts_with("npu1")) {
    device.generation = Generation::kNpu1;
  } else if (name.starts_with("npu2")) {
    device.generation = Generation::kNpu2;
  } else {
    return std::nullopt;
  }
  device.columns = MaxColumns(device.generation);
  name.remove_prefix(4);
  if (name.empty()) return device;
  if (name.size() != 5 || name[0] != '_' || name.substr(2) != "col") return std::nullopt;
  const int columns = name[1] - '0';
  if (columns < 1 || columns >= device.columns) return std::nullopt;
  device.columns = columns;
  return device;
}

std::string DeviceName(const Device& device) {
  std::string name(GenerationName(device.generation));
  if (device.columns != MaxColumns(device.generation)) {
    name += fmt::format("_{}col", device.columns);
  }
  return name;
}

std::string_view TileKindName(TileKind kind) {
  switch (kind) {
    case TileKind::kShim: return "shim";
    case TileKind::kMemory: return "memory tile";
    case TileKind::kCore: return "core tile";
  }
  return "";
}

std::string_view DirectionName(Direction direction) {
  return direction == Direction::kS2mm ? "S2MM" : "MM2S";
}

std::string TileText(Tile tile) {
  return fmt::format("{} ({},{})", TileKindName(KindOf(tile)), tile.column, tile.row);
}

const TileResources& ResourcesOf(TileKind kind) {
  static constexpr TileResources kShim{0, 0, 2, 16, 8, 16};
  static constexpr TileResources kMemory{0x80000, 0, 6, 48, 8, 64};
  static constexpr TileResources kCore{0x10000, 0x4000, 2, 16, 6, 16};
  switch (kind) {
    case TileKind::kShim: return kShim;
    case TileKind::kMemory: return kMemory;
    case TileKind::kCore: break;
  }
  return kCore;
}

}  // namespace tandem::npu
