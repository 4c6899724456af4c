// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether products with cooperative matrices are right on this device: each kernel and tile is
// tried on a small random matrix before its first use, against the plain kernel. Drivers differ in
// what they make of them, and nothing else would say so. One thread at a time.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "devices/vulkan/gemm.h"
#include "devices/vulkan/memory.h"

namespace tandem::vulkan {

class GemmChecks {
 public:
  GemmChecks(Context& context, Memory& memory, Pipelines& pipelines, bool tries = true)
      : context_(context), memory_(memory), pipelines_(pipelines), tries_(tries) {}

  /// ChooseGemm for this device; never with cooperative matrices once one of them was wrong, which
  /// the log says. Throws Error kDeviceLost, kResource.
  Gemm Choose(const Layout& layout, uint64_t rows, uint64_t count);

  /// The largest difference between the results of `gemm` and of the plain kernel, as a share of
  /// the largest result; not a number where one is none.
  double Difference(const Gemm& gemm, const Layout& layout);

 private:
  Context& context_;
  Memory& memory_;
  Pipelines& pipelines_;
  std::set<std::pair<Kernel, std::vector<uint32_t>>> tried_;
  bool tries_;
  bool refused_ = false;
};

}  // namespace tandem::vulkan
