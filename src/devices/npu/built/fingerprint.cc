// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/built/fingerprint.h"

#include <fmt/format.h>

#include <iterator>
#include <span>

#include "core/hash.h"
#include "devices/npu/mlir/design_mlir.h"

namespace tandem::npu {

std::string KernelSourceOf(const Design& design) {
  return design.cores.empty() ? "" : "gemm_kernels.cc";
}

std::string KernelObjectOf(const Design& design) {
  if (design.cores.empty()) return {};
  const std::string source = KernelSourceOf(design);
  return fmt::format("{}.{}.o", source.substr(0, source.find_last_of('.')),
                     design.device.generation == Generation::kNpu1 ? "aie2" : "aie2p");
}

std::string DesignFingerprint(const Design& design) {
  MlirOptions options;
  options.calls = MlirCalls::kFunction;
  options.kernel_object = KernelObjectOf(design);
  StreamHash hash;
  hash.AddText(DesignMlir(design, options));
  std::string digits;
  const auto value = hash.Value();
  for (const uint8_t byte : std::span(value).first(8)) {
    fmt::format_to(std::back_inserter(digits), "{:02x}", byte);
  }
  return digits;
}

}  // namespace tandem::npu
