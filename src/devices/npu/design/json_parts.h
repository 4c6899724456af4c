// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Parts that sequences and designs have in common, out of JSON. Internal to the library.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "devices/npu/design/json_value.h"
#include "devices/npu/design/model.h"

namespace tandem::npu {

/// Buffers, or locks, by name: the last of a name counts.
using NameIndex = std::map<std::string, size_t, std::less<>>;

struct Names {
  NameIndex buffers;
  NameIndex locks;
  std::map<std::string, Channel, std::less<>> allocations;
};

/// {"col", "row"} of an object that has more.
Tile TileMembers(const JsonValue& value);
Buffer ReadBuffer(const JsonValue& value);
Lock ReadLock(const JsonValue& value);
/// Sizes, strides, padding, iteration, packet, burst: what both forms of a BD share. `type` is of
/// the buffer's elements.
void ReadTransferShape(const JsonValue& value, Transfer& transfer);
/// The index of a name. Fails at `value`.
size_t Lookup(const NameIndex& names, const JsonValue& value);

}  // namespace tandem::npu
