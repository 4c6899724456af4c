// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/arrays/gemm_configuration.h"

#include <fmt/format.h>

namespace tandem::npu {

ArrayConfiguration GemmConfiguration(const GemmConfig& config) {
  return {fmt::format("gemm-{}-{}-{}", GemmTypeName(config.type), GemmOutputName(config.output),
                      DeviceName(config.device)),
          MakeGemmDesign(config), 3};
}

}  // namespace tandem::npu
