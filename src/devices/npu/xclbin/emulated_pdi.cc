// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/xclbin/emulated_pdi.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "core/error.h"
#include "devices/npu/cdo/cdo.h"
#include "devices/npu/xclbin/core_table.h"

namespace tandem::npu {
namespace {

constexpr uint32_t kMagic[] = {0x4D444E54, 0x49445045};  // "TNDM" "EPDI"
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderWords = 7;

}  // namespace

std::vector<std::byte> WriteEmulatedPdi(const Design& design) {
  for (const Core& core : design.cores) {
    if (!core.elf.empty()) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("{} has machine code, which the emulated NPU does not execute",
                              TileText(core.tile)));
    }
  }
  const std::vector<uint32_t> cdo = EncodeCdo(EncodeConfiguration(design, {}).ops);
  const std::vector<uint32_t> table = WriteCoreTable(design);
  std::vector<uint32_t> words = {kMagic[0],
                                 kMagic[1],
                                 kVersion,
                                 design.device.generation == Generation::kNpu1 ? 1U : 2U,
                                 static_cast<uint32_t>(design.device.columns),
                                 static_cast<uint32_t>(cdo.size()),
                                 static_cast<uint32_t>(table.size())};
  words.insert(words.end(), cdo.begin(), cdo.end());
  words.insert(words.end(), table.begin(), table.end());
  const auto bytes = std::as_bytes(std::span(words));
  return {bytes.begin(), bytes.end()};
}

bool IsEmulatedPdi(std::span<const std::byte> bytes) {
  return bytes.size() >= sizeof(kMagic) && std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) == 0;
}

EmulatedPdi ReadEmulatedPdi(std::span<const std::byte> bytes, std::string_view name) {
  const auto fail = [&](const std::string& problem) {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", name, problem));
  };
  if (!IsEmulatedPdi(bytes)) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{}: not an image for the emulated NPU, which executes no machine code", name));
  }
  std::array<uint32_t, kHeaderWords> header{};
  if (bytes.size() < sizeof(header)) fail("ends within the header");
  std::memcpy(header.data(), bytes.data(), sizeof(header));
  const auto [magic0, magic1, version, generation, columns, cdo_words, table_words] = header;
  if (version != kVersion) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: version {} of images for the emulated NPU", name, version));
  }
  if (generation != 1 && generation != 2) fail(fmt::format("generation {}", generation));
  EmulatedPdi pdi;
  Device device;
  device.generation = generation == 1 ? Generation::kNpu1 : Generation::kNpu2;
  if (columns == 0 || columns > static_cast<uint32_t>(MaxColumns(device.generation))) {
    fail(fmt::format("{} columns", columns));
  }
  device.columns = static_cast<int>(columns);
  const uint64_t body = bytes.size() - sizeof(header);
  if (uint64_t{cdo_words} + table_words > body / 4) {
    fail(fmt::format("announces {} and {} words, {} bytes follow", cdo_words, table_words, body));
  }
  const auto cdo = bytes.subspan(sizeof(header), 4 * size_t{cdo_words});
  pdi.configuration.device = device;
  pdi.configuration.ops = DecodeCdo(cdo, name);
  std::vector<uint32_t> table(table_words);
  if (!table.empty()) {
    std::memcpy(table.data(), bytes.data() + sizeof(header) + cdo.size(), 4 * table.size());
  }
  pdi.programs = ReadCoreTable(device, table, name);
  return pdi;
}

}  // namespace tandem::npu
