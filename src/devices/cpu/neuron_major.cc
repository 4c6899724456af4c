// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/neuron_major.h"

#include <atomic>
#include <utility>

namespace tandem::cpu {
namespace {

constexpr size_t kAlignment = 64;

size_t Aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

// Where the parts of a copy lie.
struct Layout {
  int64_t panels;
  size_t scales;
  size_t mins;
  size_t size;
};

Layout LayoutOf(const WeightView& w) {
  const NeuronFormat format = NeuronFormatOf(w.type);
  const int64_t panels = (w.rows + kPanelRows - 1) / kPanelRows;
  const int64_t scales = w.cols / format.group * panels * kPanelRows;
  const size_t code_bytes = Aligned(static_cast<size_t>(w.cols / 4 * panels * format.CellBytes()));
  const size_t scale_bytes = Aligned(static_cast<size_t>(scales * format.ScaleBytes()));
  const size_t min_bytes = format.min ? static_cast<size_t>(scales) * sizeof(float) : 0;
  return {panels, code_bytes, code_bytes + scale_bytes, code_bytes + scale_bytes + min_bytes};
}

// As for multiply_int8: other widths are those of small test models.
bool CanCopy(const IsaKernels& kernels, const WeightView& w) {
  return w.cols % 32 == 0 && kernels.group_of(w.type) != 0;
}

}  // namespace

NeuronCopies::Copy NeuronCopies::Make(ThreadTeam& team, const IsaKernels& kernels,
                                      const WeightView& w) {
  Copy copy;
  if (!CanCopy(kernels, w)) return copy;
  const Layout layout = LayoutOf(w);
  copy.memory = std::make_unique_for_overwrite<std::byte[]>(layout.size + kAlignment);
  void* begin = copy.memory.get();
  size_t room = layout.size + kAlignment;
  auto* const memory = static_cast<std::byte*>(std::align(kAlignment, layout.size, begin, room));
  copy.weights = {w.type,
                  w.cols,
                  layout.panels,
                  memory,
                  memory + layout.scales,
                  reinterpret_cast<float*>(memory + layout.mins)};
  std::atomic<bool> finite{true};
  team.ParallelFor(layout.panels, 1, [&](int64_t first, int64_t last, int) {
    for (int64_t panel = first; panel < last; ++panel) {
      if (!kernels.pack_neurons(w, panel, copy.weights)) finite = false;
    }
  });
  if (!finite) copy.memory.reset();
  return copy;
}

uint64_t NeuronCopies::BytesOf(const IsaKernels& kernels, const WeightView& w) {
  return CanCopy(kernels, w) ? LayoutOf(w).size + kAlignment : 0;
}

const NeuronWeights* NeuronCopies::Find(ThreadTeam& team, const IsaKernels& kernels,
                                        const WeightView& w) {
  const std::tuple key(w.data, w.rows, w.cols);
  auto it = copies_.find(key);
  if (it == copies_.end()) it = copies_.emplace(key, Make(team, kernels, w)).first;
  return it->second.memory == nullptr ? nullptr : &it->second.weights;
}

}  // namespace tandem::cpu
