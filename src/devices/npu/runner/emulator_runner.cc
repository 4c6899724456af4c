// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/runner/emulator_runner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"

namespace tandem::npu {
namespace {

[[noreturn]] void Lost(const std::string& what) {
  throw Error(ErrorKind::kDeviceLost, "the emulated NPU " + what);
}

}  // namespace

void EmulatorRunner::Configure(const Configuration& configuration) {
  if (gone_) Lost("is gone");
  if (configuration.design.device.generation != device_.generation) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: a configuration for {}, and this is {}", configuration.name,
                            DeviceName(configuration.design.device), DeviceName(device_)));
  }
  array_ = std::make_unique<Emulator>(device_);
  try {
    array_->Load(configuration.design);
  } catch (...) {
    array_.reset();
    throw;
  }
}

void EmulatorRunner::Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
                         std::chrono::milliseconds timeout) {
  if (gone_) Lost("is gone");
  if (array_ == nullptr) {
    throw Error(ErrorKind::kInvalidArgument, "a run on an array that is not configured");
  }
  // Whatever goes wrong, the array refers to the caller's memory no longer.
  std::unique_ptr<Emulator> array = std::move(array_);
  array->SetTimeout(timeout);
  array->Inject(std::exchange(fault_, Fault::kNone), fault_op_);
  std::vector<uint64_t> addresses;
  for (const std::span<std::byte> argument : arguments) {
    addresses.push_back(array->AddBuffer(argument));
  }
  std::optional<Stall> stall;
  try {
    stall = array->Run(stream, addresses);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kDeviceLost) gone_ = true;
    throw;
  }
  if (stall) {
    Lost(fmt::format(
        "{}: {}",
        stall->timed_out ? fmt::format("was not done after {} ms", timeout.count()) : "stopped",
        stall->Text()));
  }
  // Done it must be: else who knows what of the results is there.
  const std::vector<std::string> left = array->array().LeftTokens();
  if (!left.empty()) {
    Lost(fmt::format("said it was done before it was: {} had not finished", fmt::join(left, ", ")));
  }
  for (const uint64_t address : addresses) array->RemoveBuffer(address);
  array_ = std::move(array);
}

void EmulatorRunner::Inject(Fault fault, size_t op) {
  fault_ = fault;
  fault_op_ = op;
}

}  // namespace tandem::npu
