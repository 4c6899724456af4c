// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A backend as one array that is configured and runs streams on memory of the caller's, which is
// copied to buffers of the backend and back. One thread.
#pragma once

#include <memory>
#include <string_view>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/runner/array_runner.h"

namespace tandem::npu {

class BackendRunner : public ArrayRunner {
 public:
  BackendRunner(std::unique_ptr<ArrayBackend> backend, const Device& device)
      : device_(device), backend_(std::move(backend)) {}

  std::string_view name() const override { return "xrt"; }
  const Device& device() const override { return device_; }
  void Configure(const Configuration& configuration) override;
  void Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
           std::chrono::milliseconds timeout) override;
  void RunList(std::span<const ListedRun> list, std::chrono::milliseconds timeout) override;

  const ArrayBackend& backend() const { return *backend_; }
  /// Of the last run or list, without the copies.
  double seconds() const { return seconds_; }

 private:
  Device device_;
  std::unique_ptr<ArrayBackend> backend_;  ///< Outlives what it made.
  std::unique_ptr<ArrayContext> context_;
  double seconds_ = 0;
};

}  // namespace tandem::npu
