// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/json_file.h"

#include <fmt/format.h>

#include <string>

#include "core/error.h"
#include "core/mapped_file.h"

namespace tandem {

JsonDocument ParseJson(std::string_view text, std::string_view name) {
  // The library takes a zero byte for the end of the text, and would ignore what follows it.
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: not valid JSON at byte {}: a zero byte", name, zero + 1));
  }
  JsonBuilder builder(name);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.TakeRoot();
}

JsonDocument ParseJsonFile(const std::filesystem::path& path, uint64_t max_bytes) {
  const MappedFile file(path);
  const std::string name = Printable(path.string(), 4096);
  if (file.size() > max_bytes) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: {} bytes of JSON, the limit is {}", name, file.size(), max_bytes));
  }
  return ParseJson({reinterpret_cast<const char*>(file.bytes().data()), file.size()}, name);
}

}  // namespace tandem
