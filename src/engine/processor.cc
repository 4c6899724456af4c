// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/processor.h"

#include <fstream>

#include "core/error.h"

namespace tandem {

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return Printable(line.substr(colon + 2));
    }
  }
  return "unknown processor";
}

}  // namespace tandem
