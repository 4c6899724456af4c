// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/isa_kernels.h"

#include "devices/cpu/isa_tables.h"

namespace tandem::cpu {
namespace {

#define TANDEM_KERNELS(isa)                                                               \
  {                                                                                       \
    isa::GroupOf, isa::Quantize, isa::MultiplyInt8, isa::MultiplyFloat, isa::PackNeurons, \
        isa::MultiplyNeurons                                                              \
  }
#define TANDEM_ROW_KERNELS(isa)                                                             \
  {                                                                                         \
    isa::RmsNorm, isa::Add, isa::AddMix, isa::Scale, isa::Dot, isa::Scores, isa::AddValues, \
        isa::ToHalf, isa::ExpSum, isa::GeluTimes, isa::SoftCap, isa::CutBelow, isa::Rotate, \
        isa::Predict, isa::Correct                                                          \
  }
#define TANDEM_PEAK_LOOPS(isa) \
  { isa::PeakInt8, isa::PeakFloat, isa::ReadSum }

constexpr IsaKernels kPortable = TANDEM_KERNELS(portable);
constexpr IsaKernels kAvx2 = TANDEM_KERNELS(avx2);
constexpr IsaKernels kAvx512 = TANDEM_KERNELS(avx512);

constexpr RowKernels kReferenceRows = TANDEM_ROW_KERNELS(reference);
constexpr RowKernels kPortableRows = TANDEM_ROW_KERNELS(portable);
constexpr RowKernels kAvx2Rows = TANDEM_ROW_KERNELS(avx2);
constexpr RowKernels kAvx512Rows = TANDEM_ROW_KERNELS(avx512);

constexpr PeakLoops kPortablePeaks = TANDEM_PEAK_LOOPS(portable);
constexpr PeakLoops kAvx2Peaks = TANDEM_PEAK_LOOPS(avx2);
constexpr PeakLoops kAvx512Peaks = TANDEM_PEAK_LOOPS(avx512);

}  // namespace

const IsaKernels& KernelsOf(Isa isa) {
  switch (isa) {
    case Isa::kAvx2: return kAvx2;
    case Isa::kAvx512: return kAvx512;
    default: return kPortable;
  }
}

const RowKernels& RowKernelsOf(Isa isa) {
  switch (isa) {
    case Isa::kReference: return kReferenceRows;
    case Isa::kPortable: return kPortableRows;
    case Isa::kAvx2: return kAvx2Rows;
    case Isa::kAvx512: return kAvx512Rows;
  }
  return kReferenceRows;
}

const PeakLoops& PeakLoopsOf(Isa isa) {
  switch (isa) {
    case Isa::kAvx2: return kAvx2Peaks;
    case Isa::kAvx512: return kAvx512Peaks;
    default: return kPortablePeaks;
  }
}

}  // namespace tandem::cpu
