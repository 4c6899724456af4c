// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/emulated_arrays.h"

#include <optional>
#include <tuple>

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
  std::unique_ptr<Emulator>& array = arrays_[config];
  try {
    if (array == nullptr) {
      array = std::make_unique<Emulator>(config.device);
      array->Load(MakeGemmDesign(config));
    }
    // The streams write to C alone.
    auto* const weights = const_cast<std::byte*>(b.data());
    const uint64_t arguments[] = {array->AddBuffer(a), array->AddBuffer({weights, b.size()}),
                                  array->AddBuffer(c)};
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
