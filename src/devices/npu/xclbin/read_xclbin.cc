// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "core/error.h"
#include "devices/npu/xclbin/xclbin.h"
#include "devices/npu/xclbin/xclbin_layout.h"

namespace tandem::npu {
namespace {

using namespace xclbin;

/// XRT reads as many, and no NPU's container has more than a dozen.
constexpr uint32_t kMostSections = 64;

/// A piece of the file. Every access is checked.
class View {
 public:
  View(std::span<const std::byte> bytes, std::string_view name, std::string_view what)
      : bytes_(bytes), name_(name), what_(what) {}

  [[noreturn]] void Fail(const std::string& problem) const {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}: {}", name_, what_, problem));
  }
  std::span<const std::byte> Part(uint64_t at, uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) {
      Fail(fmt::format("{} bytes at {} of {}", size, at, bytes_.size()));
    }
    return bytes_.subspan(at, size);
  }
  template <typename T>
  T Get(uint64_t at) const {
    T value;
    std::memcpy(&value, Part(at, sizeof(T)).data(), sizeof(T));
    return value;
  }
  /// An array that is there from `at` on as {count, offset}, of elements of so many bytes.
  View Array(uint64_t at, size_t element, std::string_view what) const {
    const auto count = Get<uint32_t>(at);
    const auto offset = Get<uint32_t>(at + 4);
    return {Part(offset, uint64_t{count} * element), name_, what};
  }
  size_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::string_view what_;
};

std::optional<View> Section(const View& file, std::string_view name, Kind kind,
                            std::string_view what) {
  const auto count = file.Get<uint32_t>(kSectionCount);
  if (count > kMostSections) file.Fail(fmt::format("{} sections", count));
  for (uint32_t i = 0; i < count; ++i) {
    const size_t header = kSections + size_t{i} * kSectionBytes;
    if (file.Get<uint32_t>(header) != kind) continue;
    return View(file.Part(file.Get<uint64_t>(header + kSectionOffset),
                          file.Get<uint64_t>(header + kSectionSize)),
                name, what);
  }
  return std::nullopt;
}

void ReadPartition(const View& view, Xclbin& out) {
  namespace part = partition;
  out.operations_per_cycle = view.Get<uint32_t>(part::kOperationsPerCycle);
  out.columns = view.Get<uint16_t>(part::kColumnWidth);
  const View starts = view.Array(part::kStartColumns, 2, "start columns");
  // Of eight columns.
  if (starts.size() > 64) starts.Fail("more than columns");
  for (size_t at = 0; at < starts.size(); at += 2) {
    out.start_columns.push_back(starts.Get<uint16_t>(at));
  }
  if (view.Get<uint32_t>(part::kPdis) == 0) view.Fail("has no device image");
  const View pdis = view.Array(part::kPdis, part::kPdiBytes, "device images");
  const auto image =
      view.Part(pdis.Get<uint32_t>(part::kPdiImage + 4), pdis.Get<uint32_t>(part::kPdiImage));
  if (image.empty()) view.Fail("has an empty device image");
  out.pdi.assign(image.begin(), image.end());
}

/// The kernel's name stands in the layout, in front of its instance's.
void ReadKernel(const View& layout, Xclbin& out) {
  if (layout.Get<int32_t>(0) < 1) layout.Fail("has no kernel");
  const auto field = layout.Part(8 + kIpName, kIpNameBytes);
  out.kernel.clear();
  for (const std::byte byte : field) {
    const auto c = static_cast<char>(byte);
    if (c == '\0' || c == ':') break;
    out.kernel.push_back(c);
  }
  if (out.kernel.empty()) layout.Fail("the kernel has no name");
}

void ReadBuffers(const View& connectivity, Xclbin& out) {
  const auto count = connectivity.Get<int32_t>(0);
  if (count < 0) connectivity.Fail(fmt::format("{} connections", count));
  const auto connections = connectivity.Part(4, static_cast<uint64_t>(count) * kConnectionBytes);
  out.buffers = 0;
  for (size_t i = 0; i < connections.size(); i += kConnectionBytes) {
    if (connectivity.Get<int32_t>(4 + i) >= 3 && connectivity.Get<int32_t>(8 + i) == 0) {
      ++out.buffers;
    }
  }
}

}  // namespace

Xclbin ReadXclbin(std::span<const std::byte> bytes, std::string_view name) {
  const View file(bytes, name, "xclbin");
  if (bytes.size() < kSections || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    file.Fail("not an xclbin");
  }
  if (file.Get<uint64_t>(kLength) != bytes.size()) {
    file.Fail(
        fmt::format("announces {} bytes, there are {}", file.Get<uint64_t>(kLength), bytes.size()));
  }
  Xclbin out;
  out.uuid = file.Get<std::array<uint8_t, 16>>(kUuid);
  const auto partition = Section(file, name, kAiePartition, "partition");
  if (!partition) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: an xclbin of no NPU", name),
                "make npu-kernels builds those that Tandem takes");
  }
  ReadPartition(*partition, out);
  const auto layout = Section(file, name, kIpLayout, "layout");
  if (!layout) file.Fail("has no kernel");
  ReadKernel(*layout, out);
  if (const auto connectivity = Section(file, name, kConnectivity, "connectivity")) {
    ReadBuffers(*connectivity, out);
  }
  return out;
}

}  // namespace tandem::npu
