// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where streams run: on emulated arrays, or on those of a device through XRT. One thread at a time.
// Buffers, programs and contexts must not outlive the backend that made them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "devices/npu/design/design.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

/// Memory that the host and the arrays share. Caches are the caller's care: what the host wrote an
/// array sees after ToArray(), what an array wrote the host sees after FromArray(). Both take time
/// by the bytes: of a part, the bytes [first, first + count) and those that share a line with them.
class ArrayBuffer {
 public:
  virtual ~ArrayBuffer() = default;
  std::span<std::byte> bytes() const { return bytes_; }
  void ToArray() { Sync(true, 0, bytes_.size()); }
  void ToArray(size_t first, size_t count) { Sync(true, first, count); }
  void FromArray() { Sync(false, 0, bytes_.size()); }
  void FromArray(size_t first, size_t count) { Sync(false, first, count); }
  /// A dma-buf of it, for other devices: a descriptor that is the caller's to close. Throws Error
  /// kUnsupported where there is none.
  virtual int Export();

 protected:
  explicit ArrayBuffer(std::span<std::byte> bytes) : bytes_(bytes) {}
  virtual void Sync(bool /*to_array*/, size_t /*first*/, size_t /*count*/) {}

 private:
  std::span<std::byte> bytes_;
};

/// A stream that is ready to run, any number of times.
class ArrayProgram {
 public:
  virtual ~ArrayProgram() = default;
};

/// A kernel argument: the first bytes of a buffer.
struct ArrayArgument {
  ArrayBuffer* buffer = nullptr;
  size_t bytes = 0;
};
inline constexpr size_t kMostArrayArguments = 5;

struct ArrayRun {
  ArrayProgram* program = nullptr;
  std::span<const ArrayArgument> arguments = {};
  /// Words of the last argument, by their byte offsets, that the run writes, and a value that it
  /// never writes there: a device that says "done" and left them alone has failed.
  std::span<const size_t> marks = {};
  uint32_t mark = 0;
};
/// Sets the marks of a run; whether all were overwritten.
void SetMarks(const ArrayRun& run);
bool MarksAreGone(const ArrayRun& run);

/// An array that is set up, with what its memories hold from run to run.
class ArrayContext {
 public:
  virtual ~ArrayContext() = default;
  virtual std::unique_ptr<ArrayProgram> Load(const Stream& stream) = 0;
  /// Runs a list in its order and waits for it, at most `timeout`. Throws Error kDeviceLost where
  /// the array stops, does not answer in time, or did nothing; it is set up anew then.
  virtual void Run(std::span<const ArrayRun> runs, std::chrono::milliseconds timeout) = 0;
};

/// What an array is set up with.
struct ArrayConfiguration {
  std::string name;  ///< Of the file for hardware, without ".xclbin".
  Design design;
  int arguments = 0;  ///< Kernel arguments of its streams; 0 where nobody says.
};

class ArrayBackend {
 public:
  virtual ~ArrayBackend() = default;
  /// "npu1, emulated".
  virtual std::string description() const = 0;
  /// Whether what it does takes the time that hardware takes.
  virtual bool emulated() const = 0;
  /// Throws Error kResource.
  virtual std::unique_ptr<ArrayBuffer> MakeBuffer(size_t bytes) = 0;
  virtual std::unique_ptr<ArrayContext> Configure(const ArrayConfiguration& configuration) = 0;
};

/// Longer than the driver's watchdog of 2 s, which ends what makes no progress.
inline constexpr std::chrono::milliseconds kArrayTimeout{5000};

}  // namespace tandem::npu
