// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/built/kernel_set.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/mapped_file.h"
#include "formats/json_file.h"

namespace tandem::npu {
namespace {

constexpr uint64_t kMostManifestBytes = 1 << 20;
constexpr size_t kMostDesigns = 1000;

[[noreturn]] void Corrupt(const std::filesystem::path& file, const std::string& problem) {
  throw Error(ErrorKind::kCorruptFile,
              fmt::format("{}: {}", Printable(file.string(), 400), problem), "make npu-kernels");
}

/// A member that is a short text.
std::string TextOf(const nlohmann::json& json, const char* key, const std::filesystem::path& file) {
  const auto member = json.is_object() ? json.find(key) : json.end();
  if (member == json.end() || !member->is_string() ||
      member->get_ref<const std::string&>().size() > 200) {
    Corrupt(file, fmt::format("\"{}\" is missing, or no text", key));
  }
  return member->get<std::string>();
}

std::filesystem::path Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::filesystem::path NamedKernelFolder() { return Variable("TANDEM_NPU_KERNELS"); }

std::filesystem::path KernelFolder() {
  if (auto named = NamedKernelFolder(); !named.empty()) return named;
  if (const auto data = Variable("XDG_DATA_HOME"); !data.empty()) return data / "tandem" / "npu";
  return Variable("HOME") / ".local" / "share" / "tandem" / "npu";
}

std::string BuildCommand(Generation generation) {
  return fmt::format("make npu-kernels GENERATION={}", GenerationName(generation));
}

bool CheckVersion(const KernelSet& set, const std::string& name, Generation generation,
                  std::string_view fingerprint) {
  const auto built = std::find_if(set.designs.begin(), set.designs.end(),
                                  [&](const BuiltDesign& one) { return one.name == name; });
  if (built == set.designs.end()) return false;
  if (built->fingerprint == fingerprint) return true;
  throw Error(ErrorKind::kUnsupported,
              fmt::format("{}: of another version of Tandem, whose design was another one",
                          Printable(built->xclbin.string(), 400)),
              BuildCommand(generation));
}

KernelSet LoadKernelSet(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "manifest.json";
  const JsonDocument json = ParseJsonFile(file, kMostManifestBytes);
  if (!json->is_object() || json->value("tandem_npu_kernels", nlohmann::json()) != 1) {
    Corrupt(file, "not a manifest of this version");
  }
  KernelSet set;
  set.folder = folder;
  set.mlir_aie = TextOf(json, "mlir_aie", file);
  const auto designs = json->find("designs");
  if (designs == json->end() || !designs->is_array() || designs->size() > kMostDesigns) {
    Corrupt(file, "\"designs\" is no list");
  }
  for (const nlohmann::json& one : *designs) {
    const std::filesystem::path xclbin = TextOf(one, "xclbin", file);
    if (xclbin.empty() || xclbin != xclbin.filename()) {
      Corrupt(file, fmt::format("xclbin {}: not beside the manifest", Printable(xclbin.string())));
    }
    set.designs.push_back({TextOf(one, "name", file), TextOf(one, "generation", file),
                           TextOf(one, "fingerprint", file), folder / xclbin});
  }
  return set;
}

void CheckXclbin(const std::filesystem::path& file) {
  constexpr size_t kLengthAt = 0x130;
  constexpr size_t kHeaderBytes = 0x1C8;
  const MappedFile map(file);
  const auto bytes = map.bytes();
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), "xclbin2", 8) != 0) {
    Corrupt(file, "not an xclbin");
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data() + kLengthAt, sizeof length);
  if (length != bytes.size()) {
    Corrupt(file, fmt::format("{} bytes, and its header says {}", bytes.size(), length));
  }
}

}  // namespace tandem::npu
