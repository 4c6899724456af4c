// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/arrays/emulated_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/emulator/emulator.h"

namespace tandem::npu {
namespace {

class EmulatedBuffer : public ArrayBuffer {
 public:
  explicit EmulatedBuffer(std::vector<std::byte> memory)
      : ArrayBuffer(memory), memory_(std::move(memory)) {}

 private:
  std::vector<std::byte> memory_;
};

struct EmulatedProgram : ArrayProgram {
  explicit EmulatedProgram(const Stream& from) : stream(from) {}
  Stream stream;
};

class EmulatedContext : public ArrayContext {
 public:
  EmulatedContext(Design design, Emulator::Watch watch)
      : design_(std::move(design)), watch_(std::move(watch)) {}

  std::unique_ptr<ArrayProgram> Load(const Stream& stream) override {
    return std::make_unique<EmulatedProgram>(stream);
  }

  void Run(std::span<const ArrayRun> runs, std::chrono::milliseconds /*timeout*/) override {
    try {
      went_by_ = 0;
      for (const ArrayRun& run : runs) RunOne(run);
    } catch (...) {
      // Who knows where it stands.
      emulator_.reset();
      throw;
    }
  }

 private:
  void RunOne(const ArrayRun& run) {
    if (emulator_ == nullptr) {
      emulator_ = std::make_unique<Emulator>(design_.device);
      emulator_->Load(design_);
      if (watch_) {
        emulator_->SetWatch([this](uint64_t bytes) {
          of_run_ = bytes;
          watch_(went_by_ + bytes);
        });
      }
    }
    SetMarks(run);
    std::vector<uint64_t> addresses;
    for (const ArrayArgument& argument : run.arguments) {
      addresses.push_back(emulator_->AddBuffer(argument.buffer->bytes().first(argument.bytes)));
    }
    const auto& program = dynamic_cast<const EmulatedProgram&>(*run.program);
    if (const std::optional<Stall> stall = emulator_->Run(program.stream, addresses)) {
      throw Error(ErrorKind::kDeviceLost, "the emulated NPU stopped: " + stall->Text());
    }
    went_by_ += of_run_;
    for (const uint64_t address : addresses) emulator_->RemoveBuffer(address);
    if (!MarksAreGone(run)) {
      throw Error(ErrorKind::kDeviceLost,
                  "the emulated NPU said that it was done, and did not work");
    }
  }

  Design design_;
  Emulator::Watch watch_;
  uint64_t went_by_ = 0;                ///< In the list's runs before,
  uint64_t of_run_ = 0;                 ///< and in the last one.
  std::unique_ptr<Emulator> emulator_;  ///< Made for the first run.
};

class EmulatedBackend : public ArrayBackend {
 public:
  EmulatedBackend(Generation generation, Emulator::Watch watch)
      : generation_(generation), watch_(std::move(watch)) {}

  std::string description() const override {
    return fmt::format("{}, emulated", GenerationName(generation_));
  }
  bool emulated() const override { return true; }
  std::unique_ptr<ArrayBuffer> MakeBuffer(size_t bytes) override try {
    return std::make_unique<EmulatedBuffer>(std::vector<std::byte>(bytes));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kResource, fmt::format("no memory for a buffer of {} bytes", bytes));
  }
  std::unique_ptr<ArrayContext> Configure(const ArrayConfiguration& configuration) override {
    return std::make_unique<EmulatedContext>(configuration.design, watch_);
  }

 private:
  Generation generation_;
  Emulator::Watch watch_;
};

}  // namespace

void SetMarks(const ArrayRun& run) {
  for (const size_t offset : run.marks) {
    std::byte* const at = run.arguments.back().buffer->bytes().data() + offset;
    std::memcpy(at, &run.mark, sizeof(run.mark));
  }
}

bool MarksAreGone(const ArrayRun& run) {
  return std::all_of(run.marks.begin(), run.marks.end(), [&](size_t offset) {
    const std::byte* const at = run.arguments.back().buffer->bytes().data() + offset;
    return std::memcmp(at, &run.mark, sizeof(run.mark)) != 0;
  });
}

int ArrayBuffer::Export() {
  throw Error(ErrorKind::kUnsupported, "memory of the emulated NPU cannot be shared with devices");
}

std::unique_ptr<ArrayBackend> MakeEmulatedBackend(Generation generation, Emulator::Watch watch) {
  return std::make_unique<EmulatedBackend>(generation, std::move(watch));
}

}  // namespace tandem::npu
