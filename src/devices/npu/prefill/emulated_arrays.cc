// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/emulated_arrays.h"

#include <optional>
#include <tuple>
#include <vector>

#include "core/error.h"

namespace tandem::npu {

bool EmulatedArrays::Less::operator()(const GemmConfig& a, const GemmConfig& b) const {
  const auto order = [](const GemmConfig& config) {
    return std::tuple(config.device.generation, config.device.columns, config.type, config.output);
  };
  return order(a) < order(b);
}

void EmulatedArrays::Run(const GemmConfig& config, const Stream& stream, std::span<std::byte> a,
                         std::span<const std::byte> b, std::span<std::byte> c) {
  // The streams write to C alone.
  auto* const weights = const_cast<std::byte*>(b.data());
  const std::span<std::byte> buffers[] = {a, {weights, b.size()}, c};
  RunOn(
      arrays_[config], config.device, [&] { return MakeGemmDesign(config); }, stream, buffers);
}

void EmulatedArrays::Attend(const Device& device, const Stream& stream,
                            std::span<std::byte> queries, std::span<std::byte> keys,
                            std::span<std::byte> values, std::span<std::byte> sums) {
  const std::span<std::byte> buffers[] = {queries, keys, values, sums};
  RunOn(
      attention_, device, [&] { return MakeAttentionDesign(device); }, stream, buffers);
}

void EmulatedArrays::RunOn(std::unique_ptr<Emulator>& array, const Device& device,
                           const std::function<Design()>& design, const Stream& stream,
                           std::span<const std::span<std::byte>> buffers) {
  try {
    if (array == nullptr) {
      array = std::make_unique<Emulator>(device);
      array->Load(design());
    }
    std::vector<uint64_t> arguments;
    for (const std::span<std::byte> buffer : buffers) arguments.push_back(array->AddBuffer(buffer));
    if (const std::optional<Stall> stall = array->Run(stream, arguments)) {
      throw Error(ErrorKind::kDeviceLost, "the emulated NPU stopped: " + stall->Text());
    }
    for (const uint64_t argument : arguments) array->RemoveBuffer(argument);
  } catch (...) {
    // Who knows where it stands, and its buffers are going.
    array.reset();
    throw;
  }
}

}  // namespace tandem::npu
