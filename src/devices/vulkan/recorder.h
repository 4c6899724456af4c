// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes kernels into a command buffer with the barriers that they need and no others: one before
// whatever touches bytes that a kernel since the last barrier has written, or writes what one has
// read. Without a command buffer it only counts.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "devices/vulkan/memory.h"
#include "devices/vulkan/pipelines.h"

namespace tandem::vulkan {

/// How a kernel uses a tensor: which of its bytes, and whether it writes them. What never changes
/// needs no order.
struct Access {
  Tensor tensor;
  uint64_t first = 0;
  uint64_t bytes = 0;
  bool writes = false;
  bool constant = false;
};
inline Access Constant(const Tensor& tensor) { return {tensor, 0, 0, false, true}; }
/// Nothing is bound there.
inline Access None() { return {{}, 0, 0, false, true}; }

/// A word of push constants.
struct Word {
  Word(uint32_t value) : bits(value) {}                        // NOLINT: reads as a list of numbers
  Word(int32_t value) : bits(static_cast<uint32_t>(value)) {}  // NOLINT
  Word(uint64_t value) : bits(static_cast<uint32_t>(value)) {}  // NOLINT
  Word(int64_t value) : bits(static_cast<uint32_t>(value)) {}   // NOLINT
  Word(float value);                                            // NOLINT
  uint32_t bits;
};

struct Grid {
  uint32_t x = 1, y = 1, z = 1;
};
/// At least `count` workgroups, as kernels count them (common.glsl).
Grid GridOf(uint64_t count, uint32_t y = 1);

/// What a command buffer holds.
struct Counts {
  uint32_t dispatches = 0;
  uint32_t copies = 0;
  uint32_t barriers = 0;  ///< Kernels and copies that wait for those before.
};

class Recorder {
 public:
  Recorder(Context& context, Pipelines& pipelines) : context_(context), pipelines_(pipelines) {}
  Recorder(Context& context, Pipelines& pipelines, VkCommandBuffer commands, VkDescriptorPool sets)
      : context_(context), pipelines_(pipelines), commands_(commands), sets_(sets) {}

  bool counts_only() const { return commands_ == VK_NULL_HANDLE; }
  VkCommandBuffer commands() const { return commands_; }
  /// Lanes of the kernels' subgroups.
  uint32_t subgroup() const { return context_.subgroup(); }
  const Counts& counts() const { return counts_; }

  /// `also`: what the kernel reaches by address, or in a binding of more (as Access that binds
  /// nothing).
  void Dispatch(Kernel kernel, std::span<const uint32_t> constants,
                std::span<const Access> bindings, std::span<const Word> push, Grid grid,
                std::span<const Access> also = {});
  void Dispatch(Kernel kernel, std::span<const uint32_t> constants,
                std::initializer_list<Access> bindings, std::initializer_list<Word> push, Grid grid,
                std::initializer_list<Access> also = {}) {
    Dispatch(kernel, constants, std::span<const Access>(bindings.begin(), bindings.size()),
             std::span<const Word>(push.begin(), push.size()), grid,
             std::span<const Access>(also.begin(), also.size()));
  }
  void Dispatch(Kernel kernel, std::initializer_list<uint32_t> constants,
                std::initializer_list<Access> bindings, std::initializer_list<Word> push, Grid grid,
                std::initializer_list<Access> also = {}) {
    Dispatch(kernel, std::span<const uint32_t>(constants.begin(), constants.size()), bindings, push,
             grid, also);
  }
  void Copy(const Tensor& from, const Tensor& to, uint64_t bytes);
  /// Goes on in another command buffer, which begins with a barrier.
  void Continue(VkCommandBuffer commands);
  /// Everything before is done before anything after, which is not counted: for taking times.
  void Isolate();
  /// Called after each dispatch and copy with its kernel's name and how many workgroups it has.
  void set_observer(std::function<void(std::string_view name, uint32_t workgroups)> observer) {
    observer_ = std::move(observer);
  }

 private:
  struct Range {
    VkBuffer buffer;
    uint64_t begin, end;
  };
  /// Whether a barrier is needed before what makes these accesses.
  bool Order(std::span<const Access> accesses, bool copies);
  /// A descriptor set that binds these; the same one for the same.
  VkDescriptorSet SetOf(std::vector<Tensor> tensors);
  void Barrier(bool before_copy);
  void Wait(const VkMemoryBarrier2& barrier);

  Context& context_;
  Pipelines& pipelines_;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
  std::map<std::vector<Tensor>, VkDescriptorSet> known_sets_;
  VkDescriptorSet bound_set_ = VK_NULL_HANDLE;
  Counts counts_;
  std::vector<Range> read_, written_;       ///< Since the last barrier.
  bool computed_ = false, copied_ = false;  ///< Likewise: what has been recorded.
  std::function<void(std::string_view, uint32_t)> observer_;
  bool unseen_by_copies_ = false;  ///< A barrier made kernels wait, but not copies.
};

}  // namespace tandem::vulkan
