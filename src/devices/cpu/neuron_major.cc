// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/neuron_major.h"

#include <atomic>
#include <utility>

namespace tandem::cpu {
namespace {

constexpr size_t kAlignment = 64;

size_t Aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

NeuronCopies::Copy NeuronCopies::Make(ThreadTeam& team, const IsaKernels& kernels,
                                      const WeightView& w) {
  Copy copy;
  // As for multiply_int8: other widths are those of small test models.
  if (w.cols % 32 != 0 || kernels.group_of(w.type) == 0) return copy;
  const NeuronFormat format = NeuronFormatOf(w.type);
  const int64_t panels = (w.rows + kPanelRows - 1) / kPanelRows;
  const int64_t scales = w.cols / format.group * panels * kPanelRows;
  const size_t code_bytes = Aligned(static_cast<size_t>(w.cols / 4 * panels * format.CellBytes()));
  const size_t scale_bytes = Aligned(static_cast<size_t>(scales * format.ScaleBytes()));
  const size_t min_bytes = format.min ? static_cast<size_t>(scales) * sizeof(float) : 0;
  const size_t total = code_bytes + scale_bytes + min_bytes;
  copy.memory = std::make_unique_for_overwrite<std::byte[]>(total + kAlignment);
  void* begin = copy.memory.get();
  size_t room = total + kAlignment;
  auto* const memory = static_cast<std::byte*>(std::align(kAlignment, total, begin, room));
  copy.weights = {w.type,
                  w.cols,
                  panels,
                  memory,
                  memory + code_bytes,
                  reinterpret_cast<float*>(memory + code_bytes + scale_bytes)};
  std::atomic<bool> finite{true};
  team.ParallelFor(panels, 1, [&](int64_t first, int64_t last, int) {
    for (int64_t panel = first; panel < last; ++panel) {
      if (!kernels.pack_neurons(w, panel, copy.weights)) finite = false;
    }
  });
  if (!finite) copy.memory.reset();
  return copy;
}

const NeuronWeights* NeuronCopies::Find(ThreadTeam& team, const IsaKernels& kernels,
                                        const WeightView& w) {
  const std::tuple key(w.data, w.rows, w.cols);
  auto it = copies_.find(key);
  if (it == copies_.end()) it = copies_.emplace(key, Make(team, kernels, w)).first;
  return it->second.memory == nullptr ? nullptr : &it->second.weights;
}

}  // namespace tandem::cpu
