// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/pipelines.h"

#include <fmt/format.h>

#include "core/error.h"

namespace tandem::vulkan {
namespace {

// Written by the shader compiler: {word, word, ...}.
constexpr uint32_t kAltUpCode[] =
#include "altup.spv.inc"
    ;
constexpr uint32_t kAttentionCode[] =
#include "attention.spv.inc"
    ;
constexpr uint32_t kAttentionTileCode[] =
#include "attention_tile.spv.inc"
    ;
constexpr uint32_t kCutCode[] =
#include "cut.spv.inc"
    ;
constexpr uint32_t kDrawCode[] =
#include "draw.spv.inc"
    ;
constexpr uint32_t kEmbedCode[] =
#include "embed.spv.inc"
    ;
constexpr uint32_t kFusedAttentionCode[] =
#include "fused_attention.spv.inc"
    ;
constexpr uint32_t kFusedFloatCode[] =
#include "fused_float.spv.inc"
    ;
constexpr uint32_t kFusedFloatHeadCode[] =
#include "fused_float_head.spv.inc"
    ;
constexpr uint32_t kFusedFloatTailCode[] =
#include "fused_float_tail.spv.inc"
    ;
constexpr uint32_t kFusedInt8Code[] =
#include "fused_int8.spv.inc"
    ;
constexpr uint32_t kFusedInt8DotCode[] =
#include "fused_int8_dot.spv.inc"
    ;
constexpr uint32_t kFusedInt8DotHeadCode[] =
#include "fused_int8_dot_head.spv.inc"
    ;
constexpr uint32_t kFusedInt8DotTailCode[] =
#include "fused_int8_dot_tail.spv.inc"
    ;
constexpr uint32_t kFusedInt8HeadCode[] =
#include "fused_int8_head.spv.inc"
    ;
constexpr uint32_t kFusedInt8TailCode[] =
#include "fused_int8_tail.spv.inc"
    ;
constexpr uint32_t kFusedSparseCode[] =
#include "fused_sparse.spv.inc"
    ;
constexpr uint32_t kFusedTailCode[] =
#include "fused_tail.spv.inc"
    ;
constexpr uint32_t kGatedCode[] =
#include "gated.spv.inc"
    ;
constexpr uint32_t kGatedCodesCode[] =
#include "gated_codes.spv.inc"
    ;
#ifdef TANDEM_COOPERATIVE_SHADERS
constexpr uint32_t kGemmCoopCode[] =
#include "gemm_coop.spv.inc"
    ;
constexpr uint32_t kGemmCoop1x1Code[] =
#include "gemm_coop_1x1.spv.inc"
    ;
constexpr uint32_t kGemmCoop1x2Code[] =
#include "gemm_coop_1x2.spv.inc"
    ;
constexpr uint32_t kGemmCoop1x4Code[] =
#include "gemm_coop_1x4.spv.inc"
    ;
constexpr uint32_t kGemmCoop2x1Code[] =
#include "gemm_coop_2x1.spv.inc"
    ;
constexpr uint32_t kGemmCoop2x2Code[] =
#include "gemm_coop_2x2.spv.inc"
    ;
constexpr uint32_t kGemmCoop2x4Code[] =
#include "gemm_coop_2x4.spv.inc"
    ;
constexpr uint32_t kGemmCoop4x2Code[] =
#include "gemm_coop_4x2.spv.inc"
    ;
constexpr uint32_t kGemmCoop4x4Code[] =
#include "gemm_coop_4x4.spv.inc"
    ;
constexpr uint32_t kGemmCoopNarrowCode[] =
#include "gemm_coop_narrow.spv.inc"
    ;
#else
constexpr std::span<const uint32_t> kGemmCoopCode, kGemmCoopNarrowCode, kGemmCoop1x1Code,
    kGemmCoop1x2Code, kGemmCoop1x4Code, kGemmCoop2x1Code, kGemmCoop2x2Code, kGemmCoop2x4Code,
    kGemmCoop4x2Code, kGemmCoop4x4Code;
#endif
constexpr uint32_t kGemmFloatCode[] =
#include "gemm_float.spv.inc"
    ;
constexpr uint32_t kGemmInt8Code[] =
#include "gemm_int8.spv.inc"
    ;
constexpr uint32_t kGemmInt8DotCode[] =
#include "gemm_int8_dot.spv.inc"
    ;
constexpr uint32_t kHeadsCode[] =
#include "heads.spv.inc"
    ;
constexpr uint32_t kMatMulFloatCode[] =
#include "matmul_float.spv.inc"
    ;
constexpr uint32_t kMatMulInt8Code[] =
#include "matmul_int8.spv.inc"
    ;
constexpr uint32_t kMatMulInt8DotCode[] =
#include "matmul_int8_dot.spv.inc"
    ;
constexpr uint32_t kMatchCode[] =
#include "match.spv.inc"
    ;
constexpr uint32_t kNormCode[] =
#include "norm.spv.inc"
    ;
constexpr uint32_t kPeaksCode[] =
#include "peaks.spv.inc"
    ;
constexpr uint32_t kPickCode[] =
#include "pick.spv.inc"
    ;
constexpr uint32_t kQuantizeCode[] =
#include "quantize.spv.inc"
    ;
constexpr uint32_t kSelectCode[] =
#include "select.spv.inc"
    ;
constexpr uint32_t kWeighCode[] =
#include "weigh.spv.inc"
    ;

struct Entry {
  std::string_view name;
  std::span<const uint32_t> code;
};
// In the order of Kernel.
constexpr Entry kEntries[] = {
    {"altup", kAltUpCode},
    {"attention", kAttentionCode},
    {"attention_tile", kAttentionTileCode},
    {"cut", kCutCode},
    {"draw", kDrawCode},
    {"embed", kEmbedCode},
    {"fused_attention", kFusedAttentionCode},
    {"fused_float", kFusedFloatCode},
    {"fused_float_head", kFusedFloatHeadCode},
    {"fused_float_tail", kFusedFloatTailCode},
    {"fused_int8", kFusedInt8Code},
    {"fused_int8_dot", kFusedInt8DotCode},
    {"fused_int8_dot_head", kFusedInt8DotHeadCode},
    {"fused_int8_dot_tail", kFusedInt8DotTailCode},
    {"fused_int8_head", kFusedInt8HeadCode},
    {"fused_int8_tail", kFusedInt8TailCode},
    {"fused_sparse", kFusedSparseCode},
    {"fused_tail", kFusedTailCode},
    {"gated", kGatedCode},
    {"gated_codes", kGatedCodesCode},
    {"gemm_coop", kGemmCoopCode},
    {"gemm_coop_1x1", kGemmCoop1x1Code},
    {"gemm_coop_1x2", kGemmCoop1x2Code},
    {"gemm_coop_1x4", kGemmCoop1x4Code},
    {"gemm_coop_2x1", kGemmCoop2x1Code},
    {"gemm_coop_2x2", kGemmCoop2x2Code},
    {"gemm_coop_2x4", kGemmCoop2x4Code},
    {"gemm_coop_4x2", kGemmCoop4x2Code},
    {"gemm_coop_4x4", kGemmCoop4x4Code},
    {"gemm_coop_narrow", kGemmCoopNarrowCode},
    {"gemm_float", kGemmFloatCode},
    {"gemm_int8", kGemmInt8Code},
    {"gemm_int8_dot", kGemmInt8DotCode},
    {"heads", kHeadsCode},
    {"matmul_float", kMatMulFloatCode},
    {"matmul_int8", kMatMulInt8Code},
    {"matmul_int8_dot", kMatMulInt8DotCode},
    {"match", kMatchCode},
    {"norm", kNormCode},
    {"peaks", kPeaksCode},
    {"pick", kPickCode},
    {"quantize", kQuantizeCode},
    {"select", kSelectCode},
    {"weigh", kWeighCode},
};
static_assert(std::size(kEntries) == kKernels);

}  // namespace

std::string_view KernelName(Kernel kernel) { return kEntries[static_cast<size_t>(kernel)].name; }
std::span<const uint32_t> KernelCode(Kernel kernel) {
  return kEntries[static_cast<size_t>(kernel)].code;
}

Pipelines::Pipelines(Context& context) : context_(context) {
  VolkDeviceTable& vk = context_.vk();
  VkDescriptorSetLayoutBinding bindings[kMaxBindings];
  for (uint32_t i = 0; i < kMaxBindings; ++i) {
    bindings[i] = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
  }
  VkDescriptorSetLayoutCreateInfo set{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
  set.bindingCount = kMaxBindings;
  set.pBindings = bindings;
  context_.Check(vk.vkCreateDescriptorSetLayout(context_.device(), &set, nullptr, &set_layout_),
                 "making a descriptor layout");
  const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, kPushBytes};
  VkPipelineLayoutCreateInfo layout{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout.setLayoutCount = 1;
  layout.pSetLayouts = &set_layout_;
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &push;
  const VkResult made = vk.vkCreatePipelineLayout(context_.device(), &layout, nullptr, &layout_);
  if (made < 0) {
    vk.vkDestroyDescriptorSetLayout(context_.device(), set_layout_, nullptr);
    context_.Check(made, "making a pipeline layout");
  }
}

Pipelines::~Pipelines() {
  VolkDeviceTable& vk = context_.vk();
  const VkDevice device = context_.device();
  for (const auto& [key, pipeline] : pipelines_) vk.vkDestroyPipeline(device, pipeline, nullptr);
  for (VkShaderModule module : modules_) vk.vkDestroyShaderModule(device, module, nullptr);
  vk.vkDestroyPipelineLayout(device, layout_, nullptr);
  vk.vkDestroyDescriptorSetLayout(device, set_layout_, nullptr);
}

VkPipeline Pipelines::Get(Kernel kernel, std::span<const uint32_t> constants) {
  std::pair<Kernel, std::vector<uint32_t>> key{kernel, {constants.begin(), constants.end()}};
  const auto found = pipelines_.find(key);
  if (found != pipelines_.end()) return found->second;
  VolkDeviceTable& vk = context_.vk();
  VkShaderModule& module = modules_[static_cast<size_t>(kernel)];
  const std::string what = fmt::format("compiling the kernel {}", KernelName(kernel));
  if (module == VK_NULL_HANDLE) {
    const std::span<const uint32_t> code = KernelCode(kernel);
    VkShaderModuleCreateInfo create{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
    create.codeSize = code.size_bytes();
    create.pCode = code.data();
    context_.Check(vk.vkCreateShaderModule(context_.device(), &create, nullptr, &module), what);
  }
  std::vector<VkSpecializationMapEntry> entries;
  for (uint32_t i = 0; i < constants.size(); ++i) entries.push_back({i, 4 * i, 4});
  const VkSpecializationInfo specialization{static_cast<uint32_t>(entries.size()), entries.data(),
                                            constants.size_bytes(), constants.data()};
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup{
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
  subgroup.requiredSubgroupSize = context_.subgroup();
  VkComputePipelineCreateInfo create{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  create.layout = layout_;
  create.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  create.stage.pNext = &subgroup;
  create.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  create.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  create.stage.module = module;
  create.stage.pName = "main";
  create.stage.pSpecializationInfo = &specialization;
  VkPipeline pipeline = VK_NULL_HANDLE;
  context_.Check(vk.vkCreateComputePipelines(context_.device(), VK_NULL_HANDLE, 1, &create, nullptr,
                                             &pipeline),
                 what);
  pipelines_.emplace(std::move(key), pipeline);
  return pipeline;
}

}  // namespace tandem::vulkan
