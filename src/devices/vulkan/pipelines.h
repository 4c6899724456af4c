// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels, from shaders/, and the pipelines made of them: one per kernel and its specialisation
// constants, made on first use and kept. All share one layout: a set of storage buffers and push
// constants.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "devices/vulkan/context.h"

namespace tandem::vulkan {

enum class Kernel {
  kAltUp,
  kAttention,
  kAttentionTile,
  kCut,
  kDraw,
  kEmbed,
  kFusedAttention,
  kFusedFloat,
  kFusedFloatHead,
  kFusedFloatTail,
  kFusedInt8,
  kFusedInt8Dot,
  kFusedInt8DotHead,
  kFusedInt8DotTail,
  kFusedInt8Head,
  kFusedInt8Tail,
  kFusedSparse,
  kFusedTail,
  kGated,
  kGatedCodes,
  kGemmCoop,
  kGemmCoop1x1,
  kGemmCoop1x2,
  kGemmCoop1x4,
  kGemmCoop2x1,
  kGemmCoop2x2,
  kGemmCoop2x4,
  kGemmCoop4x2,
  kGemmCoop4x4,
  kGemmCoopNarrow,
  kGemmFloat,
  kGemmInt8,
  kGemmInt8Dot,
  kHeads,
  kMatMulFloat,
  kMatMulInt8,
  kMatMulInt8Dot,
  kMatch,
  kNorm,
  kPeaks,
  kPick,
  kQuantize,
  kSelect,
  kWeigh,
};
inline constexpr size_t kKernels = 44;

/// Bindings of the layout, and bytes of push constants: what every device has.
inline constexpr uint32_t kMaxBindings = 10;
inline constexpr uint32_t kPushBytes = 128;

/// "matmul_int8"
std::string_view KernelName(Kernel kernel);
/// SPIR-V; empty where the build had no compiler for it.
std::span<const uint32_t> KernelCode(Kernel kernel);

class Pipelines {
 public:
  explicit Pipelines(Context& context);
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;
  ~Pipelines();

  /// `constants` are specialisation constants 0, 1, 2, ...; 0 is the workgroup's size.
  VkPipeline Get(Kernel kernel, std::span<const uint32_t> constants);
  VkPipelineLayout layout() const { return layout_; }
  VkDescriptorSetLayout set_layout() const { return set_layout_; }

 private:
  Context& context_;
  VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  VkShaderModule modules_[kKernels] = {};
  std::map<std::pair<Kernel, std::vector<uint32_t>>, VkPipeline> pipelines_;
};

}  // namespace tandem::vulkan
