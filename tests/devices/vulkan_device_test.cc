// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What does not need a device: which one is chosen, which memory. And what a device does when it is
// lost or has no memory left: functions of Vulkan are replaced by some that fail, and what was made
// is counted until it has gone.
#include <gtest/gtest.h>

#include <map>

#include "core/error.h"
#include "devices/vulkan/memory.h"
#include "devices/vulkan/segment.h"
#include "gemma3n/program.h"
#include "support/random_model.h"
#include "support/vulkan_test.h"

namespace tandem::testing {
namespace {

using Kind = VulkanDeviceInfo::Kind;

VulkanDeviceInfo Info(Kind kind, bool usable = true) {
  VulkanDeviceInfo info;
  info.name = VulkanKindName(kind);
  info.kind = kind;
  info.features.push_back({"Vulkan 1.3", usable, true, "everything"});
  info.features.push_back({"a luxury", false, false, "nothing"});
  return info;
}

TEST(ChooseVulkanDevice, TakesTheBestUsableOne) {
  VulkanProbe probe;
  probe.devices = {Info(Kind::kSoftware), Info(Kind::kIntegrated), Info(Kind::kDiscrete, false)};
  EXPECT_EQ(ChooseVulkanDevice(probe, -1), 1u);
  EXPECT_EQ(ChooseVulkanDevice(probe, 0), 0u);
  probe.devices.push_back(Info(Kind::kDiscrete));
  EXPECT_EQ(ChooseVulkanDevice(probe, -1), 3u);
  probe.devices.resize(1);
  EXPECT_EQ(ChooseVulkanDevice(probe, -1), 0u) << "a software device where there is no other";
}

TEST(ChooseVulkanDevice, SaysWhatIsMissing) {
  VulkanProbe probe;
  probe.devices = {Info(Kind::kDiscrete, false)};
  EXPECT_EQ(probe.devices[0].missing(), std::vector<std::string>{"Vulkan 1.3"});
  try {
    ChooseVulkanDevice(probe, 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_NE(error.message().find("Vulkan 1.3"), std::string::npos) << error.message();
    EXPECT_EQ(error.message().find("luxury"), std::string::npos) << error.message();
  }
  EXPECT_THROW(ChooseVulkanDevice(probe, 1), Error);
  EXPECT_THROW(ChooseVulkanDevice({{}, "no driver", "install one"}, -1), Error);
}

// The tables of real drivers, in their order.
VkPhysicalDeviceMemoryProperties MemoryOf(std::initializer_list<VkMemoryPropertyFlags> types) {
  VkPhysicalDeviceMemoryProperties memory{};
  for (const VkMemoryPropertyFlags flags : types) {
    memory.memoryTypes[memory.memoryTypeCount++].propertyFlags = flags;
  }
  return memory;
}
constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags kMapped =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
constexpr VkMemoryPropertyFlags kUncached =
    VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;

TEST(FindMemoryType, ChoosesByFlags) {
  using vulkan::FindMemoryType;
  using vulkan::Use;
  const auto radv = MemoryOf({kLocal, kMapped, kLocal | kMapped, kMapped | kCached,
                              kLocal | kUncached, kMapped | kUncached});
  EXPECT_EQ(FindMemoryType(radv, ~0u, Use::kDevice, true), 2);
  EXPECT_EQ(FindMemoryType(radv, ~0u, Use::kUpload, true), 2);
  EXPECT_EQ(FindMemoryType(radv, ~0u, Use::kReadback, true), 3);
  const auto discrete = MemoryOf({0, kLocal, kMapped, kMapped | kCached, kLocal | kMapped});
  EXPECT_EQ(FindMemoryType(discrete, ~0u, Use::kDevice, false), 1);
  EXPECT_EQ(FindMemoryType(discrete, ~0u, Use::kUpload, false), 4);  // the window of the card
  EXPECT_EQ(FindMemoryType(discrete, ~0u, Use::kReadback, false), 3);
  EXPECT_EQ(FindMemoryType(discrete, 1u << 4, Use::kDevice, false), 4) << "what a buffer allows";
  const auto lavapipe = MemoryOf({kLocal | kMapped | kCached});
  for (const Use use : {Use::kDevice, Use::kUpload, Use::kReadback}) {
    EXPECT_EQ(FindMemoryType(lavapipe, ~0u, use, true), 0);
  }
  EXPECT_EQ(FindMemoryType(MemoryOf({kLocal | kUncached}), ~0u, Use::kDevice, false), -1);
}

// Vulkan's own functions, and how often those between them were called.
struct Faults {
  VolkDeviceTable real;
  int memories = 0;  ///< Allocated and not freed.
  int buffers = 0;
  int allocations = 0;  ///< So far.
  int fail_at = -1;     ///< The allocation that fails.
  VkResult submit = VK_SUCCESS;
  VkResult wait = VK_SUCCESS;
};
Faults faults;

VKAPI_ATTR VkResult VKAPI_CALL Allocate(VkDevice device, const VkMemoryAllocateInfo* info,
                                        const VkAllocationCallbacks* callbacks,
                                        VkDeviceMemory* memory) {
  if (faults.allocations++ == faults.fail_at) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  ++faults.memories;
  return faults.real.vkAllocateMemory(device, info, callbacks, memory);
}
VKAPI_ATTR void VKAPI_CALL Free(VkDevice device, VkDeviceMemory memory,
                                const VkAllocationCallbacks* callbacks) {
  --faults.memories;
  faults.real.vkFreeMemory(device, memory, callbacks);
}
VKAPI_ATTR VkResult VKAPI_CALL MakeBuffer(VkDevice device, const VkBufferCreateInfo* info,
                                          const VkAllocationCallbacks* callbacks,
                                          VkBuffer* buffer) {
  ++faults.buffers;
  return faults.real.vkCreateBuffer(device, info, callbacks, buffer);
}
VKAPI_ATTR void VKAPI_CALL DropBuffer(VkDevice device, VkBuffer buffer,
                                      const VkAllocationCallbacks* callbacks) {
  --faults.buffers;
  faults.real.vkDestroyBuffer(device, buffer, callbacks);
}
VKAPI_ATTR VkResult VKAPI_CALL Submit(VkQueue queue, uint32_t count, const VkSubmitInfo2* infos,
                                      VkFence fence) {
  if (faults.submit != VK_SUCCESS) return faults.submit;
  return faults.real.vkQueueSubmit2(queue, count, infos, fence);
}
VKAPI_ATTR VkResult VKAPI_CALL Wait(VkDevice device, uint32_t count, const VkFence* fences,
                                    VkBool32 all, uint64_t timeout) {
  const VkResult waited = faults.real.vkWaitForFences(device, count, fences, all, timeout);
  return faults.wait != VK_SUCCESS ? faults.wait : waited;
}
VKAPI_ATTR VkResult VKAPI_CALL Look(VkDevice device, VkFence fence) {
  const VkResult seen = faults.real.vkGetFenceStatus(device, fence);
  return faults.wait != VK_SUCCESS && seen == VK_SUCCESS ? faults.wait : seen;
}

void Intercept(vulkan::Context& context) {
  VolkDeviceTable& vk = context.vk();
  faults = {};
  faults.real = vk;
  vk.vkAllocateMemory = Allocate;
  vk.vkFreeMemory = Free;
  vk.vkCreateBuffer = MakeBuffer;
  vk.vkDestroyBuffer = DropBuffer;
  vk.vkQueueSubmit2 = Submit;
  vk.vkWaitForFences = Wait;
  vk.vkGetFenceStatus = Look;
}

// A small model, its whole Program in one segment, and the buffers of a step.
class VulkanFaults : public ::testing::Test {
 protected:
  VulkanFaults() : model_(MakeRandomModel(RandomParams(3), 3)) {
    program_ = BuildProgram(model_.params, model_.weights, gemma3n::Rows::kAllWanted);
    for (const Value& value : program_.values) {
      values_.emplace_back(static_cast<size_t>(2 * value.planes * value.width));
      pointers_.push_back(values_.back().data());
    }
    for (const CacheTensor& cache : program_.caches) {
      kv_.emplace_back(static_cast<size_t>(2 * 8 * cache.width()) * sizeof(float));
      views_.push_back({DType::kF32, 8, cache.width(), kv_.back().data(),
                        kv_.back().data() + kv_.back().size() / 2});
    }
  }
  void Step(Segment& segment) {
    const std::span<const KvView> views = views_;
    const StepRow rows[] = {{1, 0, 0, true}, {2, 1, 0, true}};
    segment.Submit({pointers_, {&views, 1}}, rows).Wait();
  }
  std::unique_ptr<Segment> Compile(vulkan::Shared& shared) {
    const OpRange all{0, program_.ops.size()};
    shared.weights.Reserve(program_);
    return std::make_unique<vulkan::VulkanSegment>(
        program_, all, vulkan::PlanFusion(program_, all, {uint64_t{1} << 27, 8, 256}), shared);
  }
  static ErrorKind KindOf(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_FALSE(error.message().empty());
      return error.kind();
    }
    ADD_FAILURE() << "no error";
    return ErrorKind::kInternal;
  }

  RandomModel model_;
  Program program_;
  std::vector<std::vector<float>> values_;
  std::vector<float*> pointers_;
  std::vector<std::vector<std::byte>> kv_;
  std::vector<KvView> views_;
};

TEST_F(VulkanFaults, ALostDeviceIsRetiredAndLeavesNothing) {
  TANDEM_REQUIRE_VULKAN();
  for (const bool at_submit : {true, false}) {
    VulkanOptions options;
    options.staged = !at_submit;
    {
      vulkan::Shared shared(options);
      shared.binding_bytes = shared.context.info().max_storage_range;
      Intercept(shared.context);
      const auto segment = Compile(shared);
      Step(*segment);
      EXPECT_GT(faults.memories, 0);
      (at_submit ? faults.submit : faults.wait) = VK_ERROR_DEVICE_LOST;
      EXPECT_EQ(KindOf([&] { Step(*segment); }), ErrorKind::kDeviceLost);
      faults.submit = faults.wait = VK_SUCCESS;
      EXPECT_EQ(KindOf([&] { Step(*segment); }), ErrorKind::kDeviceLost) << "it stays retired";
    }
    EXPECT_EQ(faults.memories, 0);
    EXPECT_EQ(faults.buffers, 0);
  }
}

// Whoever waits for it, each step that was on its way says that the device was lost.
TEST_F(VulkanFaults, StepsOnTheirWayAreLostWithTheDevice) {
  TANDEM_REQUIRE_VULKAN();
  {
    vulkan::Shared shared(VulkanOptions{});
    shared.binding_bytes = shared.context.info().max_storage_range;
    Intercept(shared.context);
    shared.drawing.Reserve();
    const auto segment = Compile(shared);
    for (const Op& op : program_.ops) {
      if (const auto* gather = std::get_if<PleGather>(&op.body)) {
        shared.weights.Matrix(gather->table, {});
      }
    }
    ASSERT_GT(segment->StepsAhead(), 1);
    // A sequence that is known again.
    const auto history = std::make_shared<KvHistory>();
    history->stamps = {1, 2, 3, 4, 5, 6, 7, 8};
    for (KvView& view : views_) view.history = history;
    const std::span<const KvView> views = views_;
    Drawn drawn[3];
    const auto submit = [&](int32_t position, Drawn& result) {
      const DrawRequest request{{.top_k = 2}, {}, position > 0, &result};
      Bindings bindings{pointers_, {&views, 1}};
      bindings.draw = &request;
      const StepRow row{1, position, 0, true};
      return segment->Submit(bindings, {&row, 1});
    };
    Fence first = submit(0, drawn[0]);
    first.Wait();
    EXPECT_EQ(drawn[0].likeliest.size(), 2u);
    Fence second = submit(1, drawn[1]), third = submit(2, drawn[2]);
    faults.wait = VK_ERROR_DEVICE_LOST;
    EXPECT_EQ(KindOf([&] { third.Wait(); }), ErrorKind::kDeviceLost);
    EXPECT_EQ(KindOf([&] { second.Wait(); }), ErrorKind::kDeviceLost);
    faults.wait = VK_SUCCESS;
    EXPECT_EQ(KindOf([&] { submit(3, drawn[0]).Wait(); }), ErrorKind::kDeviceLost);
  }
  EXPECT_EQ(faults.memories, 0);
  EXPECT_EQ(faults.buffers, 0);
}

TEST_F(VulkanFaults, EveryAllocationMayFail) {
  TANDEM_REQUIRE_VULKAN();
  bool passed = false;
  for (int n = 0; n < 20 && !passed; ++n) {
    {
      VulkanOptions options;
      options.staged = true;
      vulkan::Shared shared(options);
      shared.binding_bytes = shared.context.info().max_storage_range;
      Intercept(shared.context);
      const auto segment = Compile(shared);
      faults.fail_at = n;
      passed = true;
      try {
        Step(*segment);
      } catch (const Error& error) {
        passed = false;
        EXPECT_EQ(error.kind(), ErrorKind::kResource) << error.message();
        Step(*segment);  // With memory again, it works.
      }
    }
    EXPECT_EQ(faults.memories, 0) << n;
    EXPECT_EQ(faults.buffers, 0) << n;
  }
  EXPECT_TRUE(passed) << "more allocations than expected";
}

TEST_F(VulkanFaults, TheValidationLayerHasNothingToSay) {
  TANDEM_REQUIRE_VULKAN();
  VulkanOptions options;
  options.validate = true;
  options.staged = true;
  try {
    vulkan::Shared shared(options);
    shared.binding_bytes = shared.context.info().max_storage_range;
    {
      const auto segment = Compile(shared);
      Step(*segment);
      Step(*segment);
    }
    shared.context.RequireValid();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) GTEST_SKIP() << error.message();
    FAIL() << error.message();
  }
}

}  // namespace
}  // namespace tandem::testing
