// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Writing MLIR in its generic form. Values.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "devices/npu/design/model.h"

namespace tandem::npu {

/// A string literal of MLIR, quotes included.
std::string MlirString(std::string_view text);
/// "memref<16xi32>".
std::string MemRefType(ElementType type, int64_t elements);

/// Lines, each as deep as its regions are.
class MlirText {
 public:
  template <typename... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    text_.append(2 * depth_, ' ');
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  /// A line that begins a region, and one that ends it.
  template <typename... Args>
  void Open(fmt::format_string<Args...> format, Args&&... args) {
    Line(format, std::forward<Args>(args)...);
    ++depth_;
  }
  template <typename... Args>
  void Close(fmt::format_string<Args...> format, Args&&... args) {
    --depth_;
    Line(format, std::forward<Args>(args)...);
  }
  /// The label of a block, which stands further out than its operations.
  void Label(std::string_view name) {
    --depth_;
    Line("{}", name);
    ++depth_;
  }
  /// "%7" and so on, for values that nobody else names.
  std::string NewValue() { return fmt::format("%{}", next_value_++); }

  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
  size_t depth_ = 0;
  size_t next_value_ = 0;
};

}  // namespace tandem::npu
