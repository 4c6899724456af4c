// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// An array that gets something wrong.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>

#include "devices/npu/runner/emulator_runner.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu::test {

/// Adds one to a byte of what its first run leaves.
class Meddler : public EmulatorRunner {
 public:
  Meddler(const Device& device, size_t byte) : EmulatorRunner(device), byte_(byte) {}
  void Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
           std::chrono::milliseconds timeout) override {
    EmulatorRunner::Run(stream, arguments, timeout);
    if (runs_++ > 0) return;
    std::byte& byte = arguments.back()[byte_];
    byte = static_cast<std::byte>(static_cast<int>(byte) + 1);
  }

 private:
  size_t byte_;
  int runs_ = 0;
};

}  // namespace tandem::npu::test
