// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/xrt/plugin_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "core/error.h"

namespace tandem::npu {
namespace {

namespace fs = std::filesystem;
constexpr const char* kName = "libtandem_npu_xrt.so";

/// The folder of what this function was linked into: the program, or a library. Of a program that
/// is its first argument, which may be anything but for a full path; then the system knows better,
/// unless a loader was called with the program's name.
fs::path OwnFolder() {
  Dl_info info{};
  std::error_code error;
  fs::path file = "/proc/self/exe";
  if (dladdr(reinterpret_cast<const void*>(&OwnFolder), &info) != 0 &&
      fs::path(info.dli_fname).is_absolute()) {
    file = info.dli_fname;
  }
  const fs::path own = fs::canonical(file, error);
  return error ? fs::path() : own.parent_path();
}

std::vector<std::string> Candidates() {
  const char* const named = std::getenv("TANDEM_NPU_XRT");
  if (named != nullptr && *named != '\0') return {named};
  std::vector<std::string> files;
  if (const fs::path own = OwnFolder(); !own.empty()) {
    for (const char* const folder : {".", "../lib", "../lib/tandem"}) {
      const fs::path file = (own / folder / kName).lexically_normal();
      std::error_code error;
      if (fs::exists(file, error)) files.push_back(file.string());
    }
  }
  files.emplace_back(kName);
  return files;
}

const TandemXrtApi* Open() {
  std::string said;
  for (const std::string& file : Candidates()) {
    // Local, so that XRT's names meet nobody else's.
    void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      if (said.empty()) said = dlerror();
      continue;
    }
    const auto get = reinterpret_cast<decltype(&tandem_npu_xrt)>(dlsym(library, "tandem_npu_xrt"));
    const TandemXrtApi* const api = get == nullptr ? nullptr : get();
    if (api != nullptr && api->abi == kTandemXrtAbi) return api;
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: of another version of Tandem", Printable(file, 400)),
                "build both from the same sources");
  }
  throw Error(
      ErrorKind::kNotFound,
      fmt::format("Tandem's plug-in for XRT cannot be opened: {}", Printable(said, 300)),
      "it is built where XRT 2.18 or newer has its headers (docs/npu-xrt.md); its libraries "
      "must be found, too");
}

}  // namespace

std::string FindXrtPlugin() {
  for (const std::string& file : Candidates()) {
    std::error_code error;
    if (fs::path(file).has_parent_path() && fs::exists(file, error)) return file;
  }
  return {};
}

const TandemXrtApi& XrtPlugin() {
  static const TandemXrtApi* const api = Open();
  return *api;
}

}  // namespace tandem::npu
