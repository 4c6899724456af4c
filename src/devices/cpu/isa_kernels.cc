// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/isa_kernels.h"

#include "devices/cpu/isa_tables.h"

namespace tandem::cpu {
namespace {

#define TANDEM_KERNELS(isa)                                                                       \
  {                                                                                               \
    isa::GroupOf, isa::Quantize, isa::MultiplyInt8, isa::MultiplyFloat, isa::UnpackHalf,          \
        isa::UnpackBf16, isa::Dot, isa::DotHalf, isa::AddScaled, isa::AddScaledHalf, isa::ExpSum, \
        isa::GeluTimes, isa::SoftCap                                                              \
  }

constexpr IsaKernels kPortable = TANDEM_KERNELS(portable);
constexpr IsaKernels kAvx2 = TANDEM_KERNELS(avx2);
constexpr IsaKernels kAvx512 = TANDEM_KERNELS(avx512);

}  // namespace

const IsaKernels& KernelsOf(Isa isa) {
  switch (isa) {
    case Isa::kAvx2: return kAvx2;
    case Isa::kAvx512: return kAvx512;
    default: return kPortable;
  }
}

}  // namespace tandem::cpu
