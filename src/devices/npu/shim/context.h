// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A hardware context of the emulated accelerator: an array of its own, set up by the image of its
// compute unit, that executes commands. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "devices/npu/emulator/emulator.h"
#include "devices/npu/shim/fault.h"
#include "devices/npu/shim/memory.h"

namespace tandem::npu::shim {

class Context {
 public:
  Context(Generation generation, Memory& memory) : generation_(generation), memory_(memory) {}

  /// Sets the array up. Throws Error for images that are not for the emulated NPU of this
  /// generation.
  void Configure(std::span<const std::byte> pdi);

  /// Executes the command in a buffer, a single run or a chain, and leaves its state there. What a
  /// run does wrong is told on standard error. `number` counts commands from 1 and is advanced by
  /// the runs of a chain. Returns whether it completed in any state: false for one that hangs.
  bool Execute(uint32_t handle, const Fault& fault, uint64_t& number);

  uint32_t syncobj = 0;
  uint64_t sequence = 0;  ///< Of the last command.

 private:
  bool ExecuteOne(std::span<uint32_t> words, const Fault& fault, uint64_t& number);
  bool ExecuteChain(std::span<uint32_t> words, const Fault& fault, uint64_t& number);
  CommandState RunOne(std::span<const uint32_t> words);

  Generation generation_;
  Memory& memory_;
  std::unique_ptr<Emulator> emulator_;
};

}  // namespace tandem::npu::shim
