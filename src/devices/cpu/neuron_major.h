// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies of the `down` matrices of sparse layers that lie by inputs (neuron_weights.h says why),
// made when they are first used. A model that is a slice of another, with the first inputs of a
// matrix, uses the first part of the same copy. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "core/thread_team.h"
#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/neuron_weights.h"
#include "formats/weight_view.h"

namespace tandem::cpu {

class NeuronCopies {
 public:
  /// The copy of `w`, which must stay where it is for as long as this lives. nullptr for a matrix
  /// that cannot have one: its type has no 8-bit products, or a scale is not finite.
  const NeuronWeights* Find(ThreadTeam& team, const IsaKernels& kernels, const WeightView& w);

  /// Memory that a copy of `w` takes; 0 where there cannot be one.
  static uint64_t BytesOf(const IsaKernels& kernels, const WeightView& w);

 private:
  struct Copy {
    NeuronWeights weights;
    std::shared_ptr<std::byte[]> memory;  ///< nullptr: `w` cannot have one.
    size_t row_stride = 0;
  };

  static Copy Make(ThreadTeam& team, const IsaKernels& kernels, const WeightView& w);
  /// Lets the copy of a matrix with fewer inputs use that of one with more, where it can.
  static void Share(const Copy& wide, Copy& narrow);

  /// By the first weight and the shape: a slice begins where the whole does.
  std::map<std::tuple<const std::byte*, int64_t, int64_t>, Copy> copies_;
};

}  // namespace tandem::cpu
