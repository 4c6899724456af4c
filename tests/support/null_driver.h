// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Makes a driver that compiles but has neither memory nor a GPU (RADV with RADV_FORCE_FAMILY) look
// like a whole one: memory is the host's, commands are recorded to nowhere and are done at once. So
// the engine itself says which pipelines it makes, and the driver what becomes of them. It stands
// between Volk and the driver for the rest of the process; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::testing {

/// What VK_KHR_pipeline_executable_properties says of a pipeline.
struct CompiledPipeline {
  std::string_view kernel;                     ///< vulkan::KernelName()
  std::vector<uint32_t> constants;             ///< Specialisation constants 0, 1, 2, ...
  uint32_t subgroup = 0;                       ///< Lanes that it is made for.
  std::map<std::string, uint64_t> statistics;  ///< By the driver's names.
  std::string assembly;

  /// Throws Error kInternal where the driver has no such statistic.
  uint64_t Statistic(const std::string& name) const;
};

/// A kernel in a command buffer.
struct RecordedDispatch {
  size_t pipeline;  ///< Index into NullDriver::pipelines().
  uint64_t workgroups;
};

class NullDriver {
 public:
  /// From here on, for every device that is made. Throws Error as MakeVulkanDevice without one.
  static NullDriver& Install();

  /// Every pipeline so far, each once whatever device asked for it.
  const std::vector<CompiledPipeline>& pipelines() const { return pipelines_; }
  /// What has been recorded since the last call.
  std::vector<RecordedDispatch> TakeDispatches();

 private:
  friend struct NullDriverCalls;
  NullDriver() = default;

  std::vector<CompiledPipeline> pipelines_;
  std::vector<RecordedDispatch> dispatches_;
};

}  // namespace tandem::testing
