// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The emulated array as an ArrayRunner, faults on purpose included.
#pragma once

#include <memory>

#include "devices/npu/emulator/emulator.h"
#include "devices/npu/runner/array_runner.h"

namespace tandem::npu {

class EmulatorRunner : public ArrayRunner {
 public:
  explicit EmulatorRunner(const Device& device) : device_(device) {}

  std::string_view name() const override { return "emulator"; }
  const Device& device() const override { return device_; }
  void Configure(const Configuration& configuration) override;
  void Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
           std::chrono::milliseconds timeout) override;

  /// Breaks the next run, as Emulator::Inject. A device that vanished stays away.
  void Inject(Fault fault, size_t op = 0);

 private:
  const Device device_;
  std::unique_ptr<Emulator> array_;  ///< None before Configure and after a failure.
  Fault fault_ = Fault::kNone;
  size_t fault_op_ = 0;
  bool gone_ = false;
};

}  // namespace tandem::npu
