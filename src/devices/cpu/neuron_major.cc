// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/neuron_major.h"

#include <atomic>
#include <iterator>
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
  copy.row_stride = w.row_stride;
  if (!CanCopy(kernels, w)) return copy;
  const Layout layout = LayoutOf(w);
  copy.memory = std::shared_ptr<std::byte[]>(new std::byte[layout.size + kAlignment]);
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

// Inputs come in order, so that those of the narrow one are the first of the wide one.
void NeuronCopies::Share(const Copy& wide, Copy& narrow) {
  const bool same = wide.memory != nullptr && wide.weights.type == narrow.weights.type &&
                    wide.row_stride == narrow.row_stride;
  if (!same || narrow.weights.cols == 0) return;
  const int64_t cols = narrow.weights.cols;
  narrow.weights = wide.weights;
  narrow.weights.cols = cols;
  narrow.memory = wide.memory;
}

uint64_t NeuronCopies::BytesOf(const IsaKernels& kernels, const WeightView& w) {
  return CanCopy(kernels, w) ? LayoutOf(w).size + kAlignment : 0;
}

const NeuronWeights* NeuronCopies::Find(ThreadTeam& team, const IsaKernels& kernels,
                                        const WeightView& w) {
  const std::tuple key(w.data, w.rows, w.cols);
  auto it = copies_.lower_bound(key);
  if (it == copies_.end() || it->first != key) {
    Copy copy;
    const bool wider =
        it != copies_.end() && std::get<0>(it->first) == w.data && std::get<1>(it->first) == w.rows;
    if (wider && CanCopy(kernels, w)) {
      copy.weights.type = w.type;
      copy.weights.cols = w.cols;
      copy.row_stride = w.row_stride;
      Share(it->second, copy);
    }
    if (copy.memory == nullptr) copy = Make(team, kernels, w);
    it = copies_.emplace_hint(it, key, std::move(copy));
    // Those that were made before for fewer inputs give their memory back.
    for (auto narrow = it; narrow != copies_.begin();) {
      --narrow;
      if (std::get<0>(narrow->first) != w.data || std::get<1>(narrow->first) != w.rows) break;
      Share(it->second, narrow->second);
    }
  }
  return it->second.memory == nullptr ? nullptr : &it->second.weights;
}

}  // namespace tandem::cpu
