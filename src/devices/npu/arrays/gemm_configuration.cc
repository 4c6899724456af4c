// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/arrays/gemm_configuration.h"

namespace tandem::npu {

ArrayConfiguration GemmConfiguration(const GemmConfig& config) {
  return {GemmDesignName(config), MakeGemmDesign(config), 3};
}

}  // namespace tandem::npu
