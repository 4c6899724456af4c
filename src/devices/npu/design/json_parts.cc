// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/design/json_parts.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "core/error.h"

namespace tandem::npu {
namespace {

/// The 16 upper bits of a float, rounded to nearest, ties to even.
uint32_t ToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return bits >> 16 | 0x40;
  return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

std::vector<uint8_t> ReadInit(const JsonValue& value, const Buffer& buffer) {
  const int64_t bytes = ElementBytes(buffer.type);
  if (static_cast<int64_t>(value.size()) != buffer.elements) {
    value.Fail(fmt::format("{} values for {} elements", value.size(), buffer.elements));
  }
  std::vector<uint8_t> init;
  value.ForEach([&](const JsonValue& element) {
    uint32_t bits = 0;
    switch (buffer.type) {
      case ElementType::kBf16: bits = ToBf16(static_cast<float>(element.Real())); break;
      case ElementType::kF32:
        bits = std::bit_cast<uint32_t>(static_cast<float>(element.Real()));
        break;
      default: {
        // Either sign: i8 255 is -1.
        const int64_t half = int64_t{1} << (8 * bytes - 1);
        bits = static_cast<uint32_t>(element.Integer(-half, 2 * half - 1));
      }
    }
    for (int64_t i = 0; i < bytes; ++i) init.push_back(static_cast<uint8_t>(bits >> (8 * i)));
  });
  return init;
}

}  // namespace

Tile TileMembers(const JsonValue& value) {
  return {value.At("col").Int(0, 127), value.At("row").Int(0, kRows - 1)};
}

Buffer ReadBuffer(const JsonValue& value) {
  value.CheckKeys({"name", "col", "row", "tile", "address", "type", "elements", "init"});
  Buffer buffer;
  buffer.name = value.At("name").Text();
  if (value.Has("tile")) {
    // null: memory of the host.
    if (const JsonValue tile = value.At("tile"); !tile.IsNull()) buffer.tile = tile.AsTile();
  } else {
    buffer.tile = TileMembers(value);
  }
  buffer.address = value.At("address").Integer(0, (int64_t{1} << 48) - 1);
  buffer.type = value.At("type").Type();
  buffer.elements = value.At("elements").Integer(0, kMostElements);
  if (buffer.tile) {
    const int64_t room = ResourcesOf(KindOf(*buffer.tile)).data_bytes;
    if (buffer.address > room ||
        buffer.elements * ElementBytes(buffer.type) > room - buffer.address) {
      value.Fail(fmt::format("ends beyond the {} bytes of its tile", room));
    }
  }
  if (const auto init = value.Find("init")) {
    if (!buffer.tile) init->Fail("a buffer in no tile has no content at start");
    buffer.init = ReadInit(*init, buffer);
  }
  return buffer;
}

Lock ReadLock(const JsonValue& value) {
  value.CheckKeys({"name", "col", "row", "tile", "id", "init"});
  Lock lock;
  lock.name = value.At("name").Text();
  lock.tile = value.Has("tile") ? value.At("tile").AsTile() : TileMembers(value);
  lock.id = value.At("id").Int(0, ResourcesOf(KindOf(lock.tile)).locks - 1);
  lock.init = value.At("init").Integer(0, 63);
  return lock;
}

void ReadTransferShape(const JsonValue& value, Transfer& transfer) {
  transfer.offset = value.At("offset").Integer(0, kMostElements);
  transfer.length = value.At("len").Integer(1, kMostElements);
  if (value.Has("sizes") || value.Has("strides")) {
    transfer.sizes = value.At("sizes").Integers(1, kMostElements);
    transfer.strides = value.At("strides").Integers(0, kMostElements);
  }
  if (const auto pad = value.Find("pad")) {
    pad->ForEach([&](const JsonValue& pair) {
      const std::vector<int64_t> counts = pair.Integers(0, kMostElements);
      if (counts.size() != 2) pair.Fail("padding is [before, after]");
      transfer.padding.push_back({counts[0], counts[1]});
    });
  }
  if (const auto iteration = value.Find("iteration")) {
    iteration->CheckKeys({"size", "stride", "current"});
    transfer.iteration = {iteration->At("size").Integer(1, 1 << 20),
                          iteration->At("stride").Integer(0, kMostElements),
                          iteration->At("current").Integer(0, 1 << 20)};
  }
  if (const auto packet = value.Find("packet")) transfer.packet = packet->AsPacket();
  if (const auto burst = value.Find("burst")) transfer.burst = burst->Integer(0, 1 << 20);
}

size_t Lookup(const NameIndex& names, const JsonValue& value) {
  const auto found = names.find(value.Text());
  if (found == names.end()) value.Fail(fmt::format("there is no {}", Printable(value.Text())));
  return found->second;
}

}  // namespace tandem::npu
