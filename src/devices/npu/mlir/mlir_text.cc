// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/mlir/mlir_text.h"

namespace tandem::npu {

std::string MlirString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || byte < 0x20 || byte >= 0x7F) {
      fmt::format_to(std::back_inserter(quoted), "\\{:02X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string MemRefType(ElementType type, int64_t elements) {
  return fmt::format("memref<{}x{}>", elements, ElementTypeName(type));
}

}  // namespace tandem::npu
