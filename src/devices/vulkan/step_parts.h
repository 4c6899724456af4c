// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Values and scratch of a step as kernels take them: what the plain and the fused lowering share.
#pragma once

#include <cstdint>

#include "devices/vulkan/recorder.h"
#include "devices/vulkan/step_plan.h"

namespace tandem::vulkan {

class StepParts {
 protected:
  /// Floats of a tensor: `count` from `first` on. Codes of 8 bits are counted by four.
  struct Part {
    Tensor tensor;
    uint64_t first = 0;
    uint64_t count = 0;
    bool empty() const { return count == 0; }
  };

  /// Rows as floats, as codes of 8 bits with their groups, or as both.
  struct Activation {
    Part floats, codes, groups;
  };

  StepParts(const Program& program, StepPlan& plan) : program_(program), plan_(plan) {}

  static Access In(const Part& part) { return AccessOf(part, false); }
  static Access Out(const Part& part) { return AccessOf(part, true); }

  uint64_t Width(ValueId id) const {
    return static_cast<uint64_t>(program_.values[static_cast<size_t>(id)].width);
  }
  uint64_t Planes(ValueId id) const {
    return static_cast<uint64_t>(program_.values[static_cast<size_t>(id)].planes);
  }
  Part All(ValueId id) const { return {plan_.Value(id), 0, Planes(id) * plan_.PlaneElements(id)}; }
  Part Plane(ValueId id, int plane) const {
    const uint64_t elements = plan_.PlaneElements(id);
    return {plan_.Value(id), static_cast<uint64_t>(plane) * elements, elements};
  }
  Part Scratch(size_t slot, uint64_t floats) {
    return {plan_.Scratch(slot, floats * sizeof(float)), 0, floats};
  }

  const Program& program_;
  StepPlan& plan_;

 private:
  static Access AccessOf(const Part& part, bool writes) {
    return {part.tensor, part.first * sizeof(float), part.count * sizeof(float), writes, false};
  }
};

}  // namespace tandem::vulkan
