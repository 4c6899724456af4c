// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "program/program.h"

#include <fmt/format.h>

#include <utility>

namespace tandem {

ValueId Program::AddValue(std::string value_name, RowSet rows, int64_t planes, int64_t width) {
  values.push_back({std::move(value_name), rows, planes, width});
  return static_cast<ValueId>(values.size()) - 1;
}

std::string Print(const Program& program) {
  std::string out = fmt::format("{}: {} ops, {} values, {} caches\n", program.name,
                                program.ops.size(), program.values.size(), program.caches.size());
  const auto list = [&](const std::vector<ValueId>& ids) {
    std::string text;
    for (const ValueId id : ids) {
      const Value& value = program.values[static_cast<size_t>(id)];
      const std::string planes = value.planes > 1 ? fmt::format("{},", value.planes) : "";
      text += fmt::format("{}{}[{}{},{}]", text.empty() ? "" : " ", value.name, planes,
                          value.rows == RowSet::kAll ? "T" : "W", value.width);
    }
    return text;
  };
  for (size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    const OpUse use = UseOf(op.body);
    uint64_t bytes = 0;
    for (const WeightView& matrix : use.matrices) bytes += matrix.DataBytes();
    out += fmt::format("{:4} {:>6} {:>3} {:<14} {} -> {}", i,
                       op.rows == RowSet::kAll ? "all" : "wanted",
                       op.layer == kNoId ? "-" : std::to_string(op.layer), OpName(op.body),
                       list(use.reads), list(use.writes));
    if (use.cache_written != kNoId) {
      out += " -> " + program.caches[static_cast<size_t>(use.cache_written)].name;
    }
    if (use.cache_read != kNoId) {
      out += " of " + program.caches[static_cast<size_t>(use.cache_read)].name;
    }
    if (bytes > 0) out += fmt::format(", {:.2f} MB", static_cast<double>(bytes) * 1e-6);
    out += '\n';
  }
  return out;
}

uint64_t MatrixBytesPerToken(const Program& program) {
  uint64_t bytes = 0;
  for (const Op& op : program.ops) {
    for (const WeightView& matrix : UseOf(op.body).matrices) bytes += matrix.DataBytes();
  }
  return bytes;
}

}  // namespace tandem
