// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Offsets and sizes of an xclbin's structures, in bytes. Internal to the library.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem::npu::xclbin {

inline constexpr char kMagic[8] = {'x', 'c', 'l', 'b', 'i', 'n', '2', '\0'};
inline constexpr size_t kLength = 0x130;
inline constexpr size_t kVersion = 0x148;  ///< u16 patch, u8 major, u8 minor.
inline constexpr size_t kUuid = 0x1A0;
inline constexpr size_t kSectionCount = 0x1C0;
inline constexpr size_t kSections = 0x1C8;
inline constexpr size_t kSectionBytes = 40;
/// In a section's header.
inline constexpr size_t kSectionName = 4;
inline constexpr size_t kSectionOffset = 24;
inline constexpr size_t kSectionSize = 32;

/// Kinds of sections.
enum Kind : uint32_t {
  kEmbeddedMetadata = 2,
  kMemTopology = 6,
  kConnectivity = 7,
  kIpLayout = 8,
  kGroupTopology = 26,
  kGroupConnectivity = 27,
  kAiePartition = 32
};

/// aie_partition: arrays are {count, offset in the section}.
namespace partition {
inline constexpr size_t kName = 4;
inline constexpr size_t kOperationsPerCycle = 8;
inline constexpr size_t kColumnWidth = 32;
inline constexpr size_t kStartColumns = 40;
inline constexpr size_t kPdis = 120;
inline constexpr size_t kCommitId = 128;
inline constexpr size_t kBytes = 184;
/// Of a PDI.
inline constexpr size_t kPdiBytes = 96;
inline constexpr size_t kPdiImage = 16;
inline constexpr size_t kPdiGroups = 24;
/// Of a CDO group.
inline constexpr size_t kGroupBytes = 96;
inline constexpr size_t kGroupName = 0;
inline constexpr size_t kGroupType = 4;
inline constexpr size_t kGroupPdiId = 8;
inline constexpr size_t kGroupKernels = 16;
inline constexpr size_t kGroupPre = 24;
}  // namespace partition

/// ip_layout: a count, then from byte 8 on.
inline constexpr size_t kIpBytes = 80;
inline constexpr size_t kIpName = 16;
inline constexpr size_t kIpNameBytes = 64;
inline constexpr uint32_t kIpPsKernel = 7;

inline constexpr size_t kConnectionBytes = 12;

}  // namespace tandem::npu::xclbin
