// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "devices/npu/xclbin/xclbin.h"
#include "devices/npu/xclbin/xclbin_layout.h"

namespace tandem::npu {
namespace {

using namespace xclbin;

/// What ties kernel, image and layout together; the values are MLIR-AIE's.
constexpr uint64_t kDpuKernelId = 0x901;
constexpr uint64_t kPdiId = 1;
constexpr uint32_t kPreCdoGroup = 0xC1;
constexpr uint8_t kPrimary = 1;

/// Bytes that grow, little-endian; offsets count from the beginning.
class Bytes {
 public:
  std::vector<std::byte> data;

  explicit Bytes(size_t size = 0) : data(size) {}
  size_t size() const { return data.size(); }
  template <typename T>
  void Set(size_t at, T value) {
    std::memcpy(data.data() + at, &value, sizeof(value));
  }
  template <typename T>
  size_t Add(T value) {
    const size_t at = size();
    data.resize(at + sizeof(value));
    Set(at, value);
    return at;
  }
  size_t AddBytes(std::span<const std::byte> bytes) {
    const size_t at = size();
    data.insert(data.end(), bytes.begin(), bytes.end());
    return at;
  }
  size_t AddText(std::string_view text) { return AddBytes(std::as_bytes(std::span(text))); }
  void SetText(size_t at, std::string_view text) {
    std::memcpy(data.data() + at, text.data(), text.size());
  }
  void Align(size_t to) { data.resize((size() + to - 1) / to * to); }
};

void SetArray(Bytes& bytes, size_t at, size_t count, size_t offset) {
  bytes.Set(at, static_cast<uint32_t>(count));
  bytes.Set(at + 4, static_cast<uint32_t>(offset));
}

/// The two memories of which XRT knows: where buffers are, and where instructions are. Sizes are
/// nominal.
Bytes MemTopology() {
  Bytes bytes;
  bytes.Add<uint64_t>(2);
  const std::pair<uint64_t, std::string_view> memories[] = {{0x10000, "HOST"}, {0xC000, "SRAM"}};
  for (const auto& [kilobytes, tag] : memories) {
    bytes.Add<uint64_t>(0x0102);  // MEM_DRAM, used
    bytes.Add<uint64_t>(kilobytes);
    bytes.Add<uint64_t>(0x4000000);
    const size_t at = bytes.Add<uint64_t>(0);
    bytes.Add<uint64_t>(0);
    bytes.SetText(at, tag);
  }
  return bytes;
}

Bytes IpLayout(const Xclbin& xclbin) {
  Bytes bytes(8 + kIpBytes);
  bytes.Set<uint32_t>(0, 1);
  bytes.Set<uint32_t>(8, kIpPsKernel);
  bytes.Set<uint32_t>(12, static_cast<uint32_t>(1 | kDpuKernelId << 16));  // subtype DPU
  bytes.Set<uint64_t>(16, UINT64_MAX);                                     // no base address
  bytes.SetText(8 + kIpName, xclbin.kernel + ":MLIRAIE");
  return bytes;
}

/// Which argument lies in which memory; groups of one memory each, so both tables are alike.
Bytes Connectivity(const Xclbin& xclbin) {
  Bytes bytes;
  bytes.Add(static_cast<uint32_t>(1 + xclbin.buffers));
  const auto add = [&](int argument, uint32_t memory) {
    bytes.Add(static_cast<uint32_t>(argument));
    bytes.Add<uint32_t>(0);
    bytes.Add(memory);
  };
  add(1, 1);
  for (int i = 0; i < xclbin.buffers; ++i) add(3 + i, 0);
  return bytes;
}

Bytes Metadata(const Xclbin& xclbin) {
  std::string arguments;
  int id = 0;
  const auto add = [&](std::string_view name, bool global, int size, int offset,
                       std::string_view type) {
    arguments += fmt::format(
        "          <arg name=\"{}\" addressQualifier=\"{}\" id=\"{}\" size=\"0x{:x}\" "
        "offset=\"0x{:02x}\" hostOffset=\"0x0\" hostSize=\"0x{:x}\" type=\"{}\"/>\n",
        name, global ? 1 : 0, id++, size, offset, size, type);
  };
  add("opcode", false, 8, 0, "uint64_t");
  add("instr", true, 8, 8, "char *");
  add("ninstr", false, 4, 16, "uint32_t");
  for (int i = 0; i < xclbin.buffers; ++i) {
    add(fmt::format("bo{}", i), true, 8, 20 + 8 * i, "void*");
  }
  Bytes bytes;
  bytes.AddText(fmt::format(
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<project>\n  <platform>\n    <device>\n"
      "      <core>\n        <kernel name=\"{}\" language=\"c\" type=\"dpu\">\n"
      "          <extended-data subtype=\"1\" functional=\"0\" dpu_kernel_id=\"0x{:x}\"/>\n"
      "{}          <instance name=\"MLIRAIE\"/>\n        </kernel>\n      </core>\n"
      "    </device>\n  </platform>\n</project>\n",
      xclbin.kernel, kDpuKernelId, arguments));
  return bytes;
}

Bytes Partition(const Xclbin& xclbin) {
  namespace part = partition;
  Bytes bytes(part::kBytes);
  const size_t no_text = bytes.Add<uint64_t>(0);
  bytes.Set(part::kName, static_cast<uint32_t>(no_text));
  bytes.Set(part::kCommitId, static_cast<uint32_t>(no_text));
  bytes.Set(part::kOperationsPerCycle, xclbin.operations_per_cycle);
  bytes.Set(part::kColumnWidth, static_cast<uint16_t>(xclbin.columns));
  const size_t columns = bytes.size();
  for (const int column : xclbin.start_columns) bytes.Add(static_cast<uint16_t>(column));
  SetArray(bytes, part::kStartColumns, xclbin.start_columns.size(), columns);
  bytes.Align(8);

  const size_t image = bytes.AddBytes(xclbin.pdi);
  bytes.Align(8);
  const size_t kernels = bytes.Add(kDpuKernelId);
  const size_t pre = bytes.Add<uint64_t>(kPreCdoGroup);
  const size_t name = bytes.AddText("DPU");
  bytes.Add('\0');
  bytes.Align(8);
  Bytes group(part::kGroupBytes);
  group.Set(part::kGroupName, static_cast<uint32_t>(name));
  group.Set(part::kGroupType, kPrimary);
  group.Set(part::kGroupPdiId, kPdiId);
  SetArray(group, part::kGroupKernels, 1, kernels);
  SetArray(group, part::kGroupPre, 1, pre);
  const size_t groups = bytes.AddBytes(group.data);
  Bytes pdi(part::kPdiBytes);
  std::memcpy(pdi.data.data(), xclbin.uuid.data(), xclbin.uuid.size());
  SetArray(pdi, part::kPdiImage, xclbin.pdi.size(), image);
  SetArray(pdi, part::kPdiGroups, 1, groups);
  const size_t pdis = bytes.AddBytes(pdi.data);
  SetArray(bytes, part::kPdis, 1, pdis);
  return bytes;
}

void Check(const Xclbin& xclbin) {
  const auto fail = [](const std::string& problem) {
    throw Error(ErrorKind::kInvalidArgument, "xclbin: " + problem);
  };
  if (xclbin.buffers < 1 || xclbin.buffers > kMostKernelBuffers) {
    fail(fmt::format("{} buffers: 1 to {}", xclbin.buffers, kMostKernelBuffers));
  }
  if (xclbin.columns < 1 || xclbin.columns > 8) fail(fmt::format("{} columns", xclbin.columns));
  const bool plain = std::all_of(xclbin.kernel.begin(), xclbin.kernel.end(), [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  });
  if (xclbin.kernel.empty() || xclbin.kernel.size() > 40 || !plain) {
    fail("a kernel's name has up to 40 letters, digits and _");
  }
  if (xclbin.pdi.empty() || xclbin.pdi.size() > UINT32_MAX / 2) {
    fail(fmt::format("an image of {} bytes", xclbin.pdi.size()));
  }
}

std::array<uint8_t, 16> UuidOf(const Xclbin& xclbin) {
  StreamHash hash;
  hash.AddText(xclbin.kernel);
  hash.AddNumber(static_cast<uint64_t>(xclbin.buffers));
  hash.AddNumber(static_cast<uint64_t>(xclbin.columns));
  hash.AddNumber(xclbin.operations_per_cycle);
  hash.Add(xclbin.pdi);
  return hash.Value();
}

}  // namespace

std::vector<std::byte> WriteXclbin(const Xclbin& given) {
  Check(given);
  Xclbin xclbin = given;
  if (xclbin.uuid == std::array<uint8_t, 16>{}) xclbin.uuid = UuidOf(xclbin);

  const Bytes connectivity = Connectivity(xclbin);
  const Bytes topology = MemTopology();
  const std::pair<Kind, Bytes> sections[] = {{kMemTopology, topology},
                                             {kAiePartition, Partition(xclbin)},
                                             {kEmbeddedMetadata, Metadata(xclbin)},
                                             {kIpLayout, IpLayout(xclbin)},
                                             {kConnectivity, connectivity},
                                             {kGroupConnectivity, connectivity},
                                             {kGroupTopology, topology}};
  Bytes bytes(kSections + std::size(sections) * kSectionBytes);
  bytes.SetText(0, {kMagic, sizeof(kMagic)});
  // No signature, and no key.
  std::fill_n(bytes.data.begin() + 8, kLength - 16, std::byte{0xFF});
  for (size_t i = 0; i < std::size(sections); ++i) {
    const auto& [kind, content] = sections[i];
    bytes.Align(8);
    const size_t at = bytes.AddBytes(content.data);
    const size_t header = kSections + i * kSectionBytes;
    bytes.Set<uint32_t>(header, kind);
    bytes.Set<uint64_t>(header + kSectionOffset, at);
    bytes.Set<uint64_t>(header + kSectionSize, content.size());
  }
  bytes.Align(8);
  bytes.Set<uint64_t>(kLength, bytes.size());
  bytes.Set<uint8_t>(kVersion + 2, 2);
  bytes.Set<uint8_t>(kVersion + 3, 1);
  bytes.Set(kUuid, xclbin.uuid);
  bytes.Set<uint32_t>(kSectionCount, std::size(sections));
  return std::move(bytes.data);
}

}  // namespace tandem::npu
