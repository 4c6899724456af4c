// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Asking a driver through its node.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "devices/npu/probe/npu_probe.h"

namespace tandem::npu {
namespace {

// Of uapi/drm/drm.h and uapi/drm/amdxdna_accel.h, which are not on every machine that builds this.
struct DrmVersion {
  int major, minor, patch;
  size_t name_length;
  char* name;
  size_t date_length;
  char* date;
  size_t description_length;
  char* description;
};
struct GetInfo {
  uint32_t parameter;
  uint32_t bytes;
  uint64_t buffer;
};
static_assert(sizeof(GetInfo) == 16);
constexpr uint32_t kPowerMode = 9;
constexpr unsigned long kVersionRequest = _IOWR('d', 0x00, DrmVersion);
constexpr unsigned long kGetInfoRequest = _IOWR('d', 0x40 + 7, GetInfo);

}  // namespace

NodeAnswer OpenNode(const std::filesystem::path& node) {
  NodeAnswer answer;
  const int file = ::open(node.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    answer.error = errno;
    return answer;
  }
  char name[64] = {};
  DrmVersion version = {};
  version.name = name;
  version.name_length = sizeof name - 1;
  if (::ioctl(file, kVersionRequest, &version) == 0) {
    answer.driver = name;
    answer.level = version.minor;
    uint8_t mode[8] = {};
    GetInfo info = {kPowerMode, sizeof mode, reinterpret_cast<uint64_t>(&mode)};
    // Other vendors number their requests otherwise.
    if (answer.driver.starts_with("amdxdna") && ::ioctl(file, kGetInfoRequest, &info) == 0)
      answer.power_mode = mode[0];
  }
  ::close(file);
  return answer;
}

}  // namespace tandem::npu
