// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/arrays/backend_runner.h"

#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"

namespace tandem::npu {

void BackendRunner::Configure(const Configuration& configuration) {
  context_.reset();
  context_ = backend_->Configure({configuration.name, configuration.design, 0});
}

void BackendRunner::Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
                        std::chrono::milliseconds timeout) {
  const ListedRun run{&stream, arguments};
  RunList({&run, 1}, timeout);
}

void BackendRunner::RunList(std::span<const ListedRun> list, std::chrono::milliseconds timeout) {
  if (context_ == nullptr) {
    throw Error(ErrorKind::kInternal, "an array that was not configured is to run");
  }
  // One buffer for each memory, whoever's argument it is.
  std::vector<std::pair<std::span<std::byte>, std::unique_ptr<ArrayBuffer>>> buffers;
  const auto buffer_of = [&](std::span<std::byte> memory) {
    for (const auto& [known, buffer] : buffers) {
      if (known.data() == memory.data() && known.size() == memory.size()) return buffer.get();
    }
    buffers.emplace_back(memory, backend_->MakeBuffer(memory.size()));
    ArrayBuffer& buffer = *buffers.back().second;
    if (!memory.empty()) std::memcpy(buffer.bytes().data(), memory.data(), memory.size());
    buffer.ToArray();
    return &buffer;
  };
  std::vector<std::unique_ptr<ArrayProgram>> programs;
  std::vector<std::vector<ArrayArgument>> arguments(list.size());
  std::vector<ArrayRun> runs;
  for (size_t i = 0; i < list.size(); ++i) {
    for (const std::span<std::byte> memory : list[i].arguments) {
      arguments[i].push_back({buffer_of(memory), memory.size()});
    }
    programs.push_back(context_->Load(*list[i].stream));
    runs.push_back({programs.back().get(), arguments[i]});
  }
  const auto start = std::chrono::steady_clock::now();
  context_->Run(runs, timeout);
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const auto& [memory, buffer] : buffers) {
    buffer->FromArray();
    if (!memory.empty()) std::memcpy(memory.data(), buffer->bytes().data(), memory.size());
  }
}

}  // namespace tandem::npu
