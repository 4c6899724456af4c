// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// An array that is configured and runs streams: emulated, or behind a driver. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "devices/npu/design/design.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

/// What an array is configured with. Hardware finds its xclbin by the name, the emulator takes the
/// design.
struct Configuration {
  std::string name;  ///< As tandem npu designs lists it.
  Design design;
};

/// A run of a list. Memory that several take as arguments is theirs together.
struct ListedRun {
  const Stream* stream = nullptr;
  std::span<const std::span<std::byte>> arguments;
};

class ArrayRunner {
 public:
  virtual ~ArrayRunner() = default;
  /// "emulator", "xrt".
  virtual std::string_view name() const = 0;
  virtual const Device& device() const = 0;

  /// Makes this the array's configuration, with locks and cores as they start; also after a run
  /// that failed. Throws Error: kNotFound for a configuration that was not built, kUnsupported for
  /// one of another generation, kDeviceLost.
  virtual void Configure(const Configuration& configuration) = 0;
  /// Runs a stream of that configuration with these kernel arguments, all of which it may read and
  /// write; they are whole words. Returns when it is done. Throws Error: kInvalidArgument for wrong
  /// programs; kDeviceLost, within `timeout` and a moment, where the array stops, does not answer,
  /// or says that it is done when it is not. The array must be configured again then.
  virtual void Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
                   std::chrono::milliseconds timeout) = 0;
  /// Runs of one configuration in their order, at one go where the array takes lists. Throws as
  /// Run.
  virtual void RunList(std::span<const ListedRun> list, std::chrono::milliseconds timeout) {
    for (const ListedRun& run : list) Run(*run.stream, run.arguments, timeout);
  }
};

}  // namespace tandem::npu
