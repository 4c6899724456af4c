// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/arrays/backend_runner.h"

#include <cstring>
#include <vector>

#include "core/error.h"

namespace tandem::npu {

void BackendRunner::Configure(const Configuration& configuration) {
  context_.reset();
  context_ = backend_->Configure({configuration.name, configuration.design, 0});
}

void BackendRunner::Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
                        std::chrono::milliseconds timeout) {
  if (context_ == nullptr) {
    throw Error(ErrorKind::kInternal, "an array that was not configured is to run");
  }
  std::vector<std::unique_ptr<ArrayBuffer>> buffers;
  std::vector<ArrayArgument> of_run;
  for (const std::span<std::byte> argument : arguments) {
    buffers.push_back(backend_->MakeBuffer(argument.size()));
    ArrayBuffer& buffer = *buffers.back();
    if (!argument.empty()) std::memcpy(buffer.bytes().data(), argument.data(), argument.size());
    buffer.ToArray();
    of_run.push_back({&buffer, argument.size()});
  }
  const std::unique_ptr<ArrayProgram> program = context_->Load(stream);
  const ArrayRun run{program.get(), of_run};
  const auto start = std::chrono::steady_clock::now();
  context_->Run({&run, 1}, timeout);
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (size_t i = 0; i < arguments.size(); ++i) {
    buffers[i]->FromArray();
    if (!arguments[i].empty()) {
      std::memcpy(arguments[i].data(), buffers[i]->bytes().data(), arguments[i].size());
    }
  }
}

}  // namespace tandem::npu
