// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/emulator/address_walk.h"

#include <algorithm>

namespace tandem::npu {

AddressWalk::AddressWalk(const Descriptor& bd)
    : total_(bd.length),
      left_(bd.length),
      start_(bd.iteration_wrap > 0 ? bd.iteration_current * (bd.iteration_step + 1) : 0),
      wrap_{bd.d0_wrap, bd.d1_wrap, bd.d2_wrap},
      before_{bd.d0_before, bd.d1_before, bd.d2_before},
      after_{bd.d0_after, bd.d1_after, bd.d2_after},
      step_{bd.d0_step + 1, bd.d1_step + 1, bd.d2_step + 1, bd.d3_step + 1} {}

AddressWalk::Step AddressWalk::Peek() const {
  Step step;
  step.offset = start_ + at_[3] * step_[3];
  for (int d = 0; d < 3; ++d) {
    const int64_t at = at_[d] - before_[d];
    if (at < 0 || (wrap_[d] > 0 && at >= wrap_[d])) step.padding = true;
    step.offset += at * step_[d];
  }
  return step;
}

int64_t AddressWalk::Run() const {
  if (wrap_[0] == 0) return left_;
  int64_t end = before_[0];
  if (at_[0] >= end) end += wrap_[0];
  if (at_[0] >= end) end += after_[0];
  return std::min(end - at_[0], left_);
}

void AddressWalk::Advance(int64_t count) {
  left_ -= count;
  at_[0] += count;
  for (int d = 0; d < 3; ++d) {
    if (wrap_[d] == 0 || at_[d] < before_[d] + wrap_[d] + after_[d]) return;
    at_[d] = 0;
    ++at_[d + 1];
  }
}

}  // namespace tandem::npu
