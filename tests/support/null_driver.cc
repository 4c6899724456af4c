// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/null_driver.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "devices/vulkan/pipelines.h"

namespace tandem::testing {
namespace {

NullDriver* driver = nullptr;
PFN_vkGetDeviceProcAddr real_functions = nullptr;
PFN_vkCreateDevice real_create = nullptr;

template <typename Handle>
Handle NewHandle() {
  static uintptr_t last = 0;
  return reinterpret_cast<Handle>(++last);
}

template <typename Function>
Function Real(VkDevice device, const char* name) {
  return reinterpret_cast<Function>(real_functions(device, name));
}

// Functions that do nothing, and such that only make a handle, their last parameter.
template <typename Function>
struct Nothing;
template <typename Result, typename... Parameters>
struct Nothing<Result(VKAPI_PTR*)(Parameters...)> {
  static VKAPI_ATTR Result VKAPI_CALL Call(Parameters...) { return Result(); }
};
template <typename Function>
struct Making;
template <typename... Parameters>
struct Making<VkResult(VKAPI_PTR*)(Parameters...)> {
  static VKAPI_ATTR VkResult VKAPI_CALL Call(Parameters... parameters) {
    auto* handle = std::get<sizeof...(parameters) - 1>(std::tie(parameters...));
    *handle = NewHandle<std::remove_pointer_t<decltype(handle)>>();
    return VK_SUCCESS;
  }
};

}  // namespace

struct NullDriverCalls {
  static inline std::map<VkBuffer, VkDeviceSize> buffers;
  static inline std::map<VkDeviceMemory, VkDeviceSize> memories;
  static inline std::map<VkShaderModule, const uint32_t*> modules;
  static inline size_t bound = 0;

  static VKAPI_ATTR VkResult VKAPI_CALL MakeBuffer(VkDevice, const VkBufferCreateInfo* info,
                                                   const VkAllocationCallbacks*, VkBuffer* buffer) {
    *buffer = NewHandle<VkBuffer>();
    buffers[*buffer] = info->size;
    return VK_SUCCESS;
  }
  static VKAPI_ATTR void VKAPI_CALL Requirements(VkDevice, VkBuffer buffer,
                                                 VkMemoryRequirements* needs) {
    *needs = {buffers.at(buffer), 256, 3};
  }
  static VKAPI_ATTR VkResult VKAPI_CALL Allocate(VkDevice, const VkMemoryAllocateInfo* info,
                                                 const VkAllocationCallbacks*,
                                                 VkDeviceMemory* memory) {
    void* bytes = mmap(nullptr, info->allocationSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    *memory = reinterpret_cast<VkDeviceMemory>(bytes);
    memories[*memory] = info->allocationSize;
    return VK_SUCCESS;
  }
  static VKAPI_ATTR void VKAPI_CALL Free(VkDevice, VkDeviceMemory memory,
                                         const VkAllocationCallbacks*) {
    munmap(reinterpret_cast<void*>(memory), memories.at(memory));
    memories.erase(memory);
  }
  static VKAPI_ATTR VkResult VKAPI_CALL Map(VkDevice, VkDeviceMemory memory, VkDeviceSize offset,
                                            VkDeviceSize, VkMemoryMapFlags, void** address) {
    *address = reinterpret_cast<std::byte*>(memory) + offset;
    return VK_SUCCESS;
  }
  static VKAPI_ATTR VkDeviceAddress VKAPI_CALL Address(VkDevice, const VkBufferDeviceAddressInfo*) {
    return VkDeviceAddress{1} << 40;
  }
  static VKAPI_ATTR void VKAPI_CALL MemoryTypes(VkPhysicalDevice,
                                                VkPhysicalDeviceMemoryProperties* memory) {
    constexpr VkMemoryPropertyFlags kMapped =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    *memory = {};
    memory->memoryHeapCount = 1;
    memory->memoryHeaps[0] = {VkDeviceSize{1} << 36, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT};
    memory->memoryTypeCount = 2;
    memory->memoryTypes[0].propertyFlags = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | kMapped;
    memory->memoryTypes[1].propertyFlags = kMapped | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  }

  static VKAPI_ATTR VkResult VKAPI_CALL MakeModule(VkDevice device,
                                                   const VkShaderModuleCreateInfo* info,
                                                   const VkAllocationCallbacks* callbacks,
                                                   VkShaderModule* module) {
    const VkResult made = Real<PFN_vkCreateShaderModule>(device, "vkCreateShaderModule")(
        device, info, callbacks, module);
    if (made == VK_SUCCESS) modules[*module] = info->pCode;
    return made;
  }
  static VKAPI_ATTR VkResult VKAPI_CALL MakePipelines(VkDevice device, VkPipelineCache, uint32_t,
                                                      const VkComputePipelineCreateInfo* info,
                                                      const VkAllocationCallbacks*,
                                                      VkPipeline* pipeline);
  static void Describe(VkDevice device, VkPipeline pipeline, CompiledPipeline& compiled);

  static VKAPI_ATTR void VKAPI_CALL Bind(VkCommandBuffer, VkPipelineBindPoint,
                                         VkPipeline pipeline) {
    bound = reinterpret_cast<uintptr_t>(pipeline) - 1;
  }
  static VKAPI_ATTR void VKAPI_CALL Dispatch(VkCommandBuffer, uint32_t x, uint32_t y, uint32_t z) {
    driver->dispatches_.push_back({bound, uint64_t{x} * y * z});
  }

  static VKAPI_ATTR VkResult VKAPI_CALL MakeDevice(VkPhysicalDevice physical,
                                                   const VkDeviceCreateInfo* info,
                                                   const VkAllocationCallbacks* callbacks,
                                                   VkDevice* device) {
    std::vector<const char*> extensions(
        info->ppEnabledExtensionNames, info->ppEnabledExtensionNames + info->enabledExtensionCount);
    extensions.push_back(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        const_cast<void*>(info->pNext), VK_TRUE};
    VkDeviceCreateInfo more = *info;
    more.pNext = &executables;
    more.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
    more.ppEnabledExtensionNames = extensions.data();
    return real_create(physical, &more, callbacks, device);
  }
  static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL Functions(VkDevice device, const char* name);
};

void NullDriverCalls::Describe(VkDevice device, VkPipeline pipeline, CompiledPipeline& compiled) {
  const auto statistics = Real<PFN_vkGetPipelineExecutableStatisticsKHR>(
      device, "vkGetPipelineExecutableStatisticsKHR");
  const auto representations = Real<PFN_vkGetPipelineExecutableInternalRepresentationsKHR>(
      device, "vkGetPipelineExecutableInternalRepresentationsKHR");
  VkPipelineExecutableInfoKHR executable{VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR};
  executable.pipeline = pipeline;
  uint32_t count = 0;
  statistics(device, &executable, &count, nullptr);
  std::vector<VkPipelineExecutableStatisticKHR> values(
      count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR});
  statistics(device, &executable, &count, values.data());
  for (const auto& value : values) compiled.statistics[value.name] = value.value.u64;

  representations(device, &executable, &count, nullptr);
  std::vector<VkPipelineExecutableInternalRepresentationKHR> texts(
      count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR});
  representations(device, &executable, &count, texts.data());
  std::vector<std::string> bytes(count);
  for (uint32_t i = 0; i < count; ++i) {
    bytes[i].resize(texts[i].dataSize);
    texts[i].pData = bytes[i].data();
  }
  representations(device, &executable, &count, texts.data());
  for (uint32_t i = 0; i < count; ++i) {
    if (std::string_view(texts[i].name) == "Assembly") compiled.assembly = bytes[i].c_str();
  }
}

VkResult NullDriverCalls::MakePipelines(VkDevice device, VkPipelineCache, uint32_t,
                                        const VkComputePipelineCreateInfo* info,
                                        const VkAllocationCallbacks*, VkPipeline* pipeline) {
  CompiledPipeline wanted;
  const uint32_t* code = modules.at(info->stage.module);
  for (size_t i = 0; i < vulkan::kKernels; ++i) {
    const auto kernel = static_cast<vulkan::Kernel>(i);
    if (vulkan::KernelCode(kernel).data() == code) wanted.kernel = vulkan::KernelName(kernel);
  }
  const VkSpecializationInfo& constants = *info->stage.pSpecializationInfo;
  wanted.constants.resize(constants.mapEntryCount);
  std::memcpy(wanted.constants.data(), constants.pData, constants.dataSize);
  wanted.subgroup =
      static_cast<const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo*>(info->stage.pNext)
          ->requiredSubgroupSize;
  auto& known = driver->pipelines_;
  auto found = std::find_if(known.begin(), known.end(), [&](const CompiledPipeline& other) {
    return other.kernel == wanted.kernel && other.constants == wanted.constants &&
           other.subgroup == wanted.subgroup;
  });
  if (found == known.end()) {
    VkComputePipelineCreateInfo create = *info;
    create.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
                    VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
    VkPipeline real = VK_NULL_HANDLE;
    const VkResult made = Real<PFN_vkCreateComputePipelines>(device, "vkCreateComputePipelines")(
        device, VK_NULL_HANDLE, 1, &create, nullptr, &real);
    if (made != VK_SUCCESS) return made;
    Describe(device, real, wanted);
    Real<PFN_vkDestroyPipeline>(device, "vkDestroyPipeline")(device, real, nullptr);
    found = known.insert(known.end(), std::move(wanted));
  }
  *pipeline = reinterpret_cast<VkPipeline>(found - known.begin() + 1);
  return VK_SUCCESS;
}

PFN_vkVoidFunction NullDriverCalls::Functions(VkDevice device, const char* name) {
  const auto any = [](auto* function) { return reinterpret_cast<PFN_vkVoidFunction>(function); };
#define NOTHING(function) \
  { #function, any(&Nothing <PFN_##function>::Call) }
#define MAKING(function) \
  { #function, any(&Making <PFN_##function>::Call) }
  static const std::map<std::string_view, PFN_vkVoidFunction> kOwn = {
      {"vkCreateBuffer", any(&MakeBuffer)},
      {"vkGetBufferMemoryRequirements", any(&Requirements)},
      {"vkAllocateMemory", any(&Allocate)},
      {"vkFreeMemory", any(&Free)},
      {"vkMapMemory", any(&Map)},
      {"vkGetBufferDeviceAddress", any(&Address)},
      {"vkCreateShaderModule", any(&MakeModule)},
      {"vkCreateComputePipelines", any(&MakePipelines)},
      {"vkCmdBindPipeline", any(&Bind)},
      {"vkCmdDispatch", any(&Dispatch)},
      MAKING(vkAllocateCommandBuffers),
      MAKING(vkAllocateDescriptorSets),
      MAKING(vkCreateCommandPool),
      MAKING(vkCreateDescriptorPool),
      MAKING(vkCreateFence),
      MAKING(vkCreateQueryPool),
      NOTHING(vkBeginCommandBuffer),
      NOTHING(vkBindBufferMemory),
      NOTHING(vkCmdBindDescriptorSets),
      NOTHING(vkCmdCopyBuffer),
      NOTHING(vkCmdPipelineBarrier2),
      NOTHING(vkCmdPushConstants),
      NOTHING(vkCmdResetQueryPool),
      NOTHING(vkCmdWriteTimestamp2),
      NOTHING(vkDestroyBuffer),
      NOTHING(vkDestroyCommandPool),
      NOTHING(vkDestroyDescriptorPool),
      NOTHING(vkDestroyFence),
      NOTHING(vkDestroyPipeline),
      NOTHING(vkDestroyQueryPool),
      NOTHING(vkEndCommandBuffer),
      NOTHING(vkFreeCommandBuffers),
      NOTHING(vkGetFenceStatus),
      NOTHING(vkGetQueryPoolResults),
      NOTHING(vkQueueSubmit2),
      NOTHING(vkQueueWaitIdle),
      NOTHING(vkResetCommandPool),
      NOTHING(vkResetFences),
      NOTHING(vkUpdateDescriptorSets),
      NOTHING(vkWaitForFences),
  };
#undef NOTHING
#undef MAKING
  const auto own = kOwn.find(name);
  return own != kOwn.end() ? own->second : real_functions(device, name);
}

uint64_t CompiledPipeline::Statistic(const std::string& name) const {
  const auto found = statistics.find(name);
  if (found == statistics.end()) {
    throw Error(ErrorKind::kInternal, fmt::format("the driver does not count '{}'", name));
  }
  return found->second;
}

NullDriver& NullDriver::Install() {
  if (driver != nullptr) return *driver;
  // Loads the functions of the instance, which stay what they are set to after that.
  const VulkanProbe probe = ProbeVulkan();
  if (!probe.problem.empty()) throw Error(ErrorKind::kNotFound, probe.problem, probe.mend);
  driver = new NullDriver;
  real_functions = std::exchange(vkGetDeviceProcAddr, NullDriverCalls::Functions);
  real_create = std::exchange(vkCreateDevice, NullDriverCalls::MakeDevice);
  vkGetPhysicalDeviceMemoryProperties = NullDriverCalls::MemoryTypes;
  return *driver;
}

std::vector<RecordedDispatch> NullDriver::TakeDispatches() {
  return std::exchange(dispatches_, {});
}

}  // namespace tandem::testing
