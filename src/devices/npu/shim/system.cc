// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/shim/system.h"

#include <dlfcn.h>

#include <type_traits>

namespace tandem::npu::shim {
namespace {

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

const SystemCalls& System() {
  static const SystemCalls calls = [] {
    SystemCalls system{};
    const auto find = [](auto& function, const char* name) {
      function = Next<std::remove_reference_t<decltype(function)>>(name);
    };
    find(system.open, "open");
    find(system.openat, "openat");
    find(system.fopen, "fopen");
    find(system.opendir, "opendir");
    find(system.stat, "stat");
    find(system.lstat, "lstat");
    find(system.fstatat, "fstatat");
    find(system.statx, "statx");
    find(system.access, "access");
    find(system.faccessat, "faccessat");
    find(system.readlink, "readlink");
    find(system.readlinkat, "readlinkat");
    find(system.realpath, "realpath");
    find(system.ioctl, "ioctl");
    find(system.mmap, "mmap");
    find(system.close, "close");
    return system;
  }();
  return calls;
}

}  // namespace tandem::npu::shim
