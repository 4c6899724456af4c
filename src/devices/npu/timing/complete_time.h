// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What every model of time ends with. Internal to timing.
#pragma once

#include "devices/npu/timing/array_constants.h"
#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {

/// Fills in what follows from the seconds of cores, DRAM and dispatch. `work`: seconds of the runs,
/// each as long as the slower one of its cores and DRAM; `macs`: of the problem, on the columns of
/// `device`; `clock`: of the cores, Hz; `streams`: cores wait for the streams that feed them.
inline void CompleteTime(const Device& device, GemmType type, double clock, double work,
                         double macs, bool streams, GemmTime& time) {
  time.seconds = work + time.dispatch_seconds;
  time.cycles = time.seconds * clock;
  time.tops = 2 * macs / time.seconds / 1e12;
  time.share_of_peak = macs / (time.cycles * PeakMacs(device.generation, type) *
                               static_cast<double>(device.columns) * kCoreRows);
  if (time.dispatch_seconds > work) {
    time.bound = GemmBound::kDispatch;
  } else if (time.dram_seconds > time.core_seconds) {
    time.bound = GemmBound::kDram;
  } else {
    time.bound = streams ? GemmBound::kStream : GemmBound::kCompute;
  }
}

}  // namespace tandem::npu
