// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs instruction streams on an emulated array: configurations, runtime sequences. What a wrong
// program does wrong is an Error; a program that stops is a Stall that says who waits for what. One
// thread; refers to the caller's host buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "devices/npu/design/design.h"
#include "devices/npu/emulator/array.h"
#include "devices/npu/emulator/host_memory.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

/// An operation that waits for what never comes.
struct Stall {
  size_t op = 0;                     ///< Which operation.
  std::string waits_for;             ///< What it waits for.
  std::vector<std::string> waiting;  ///< Who else waits, and for what.

  /// All of it, one line each.
  std::string Text() const;
};

class Emulator {
 public:
  explicit Emulator(const Device& device);

  /// Configures the array and gives its cores their programs (Core::program). Throws as Run and
  /// EncodeConfiguration, and Error kInvalidArgument for programs that cannot be.
  void Load(const Design& design, const ProgramLoader& load_program = {});
  /// The same of a configuration that is encoded already, and the cores of `programs`.
  void Load(const Stream& configuration, const Design& programs);

  /// A kernel argument's memory, which must outlive the emulator or be removed. Returns its device
  /// address.
  uint64_t AddBuffer(std::span<std::byte> bytes) { return host_.Add(bytes); }
  /// Ends that, between two runs.
  void RemoveBuffer(uint64_t address) { host_.Remove(address); }

  /// Executes a stream. Argument n lies at device address arguments[n]. The array works when the
  /// stream waits, and at its end until nothing moves: the most that a program may count on.
  /// Returns what it stopped at, or nothing. Throws Error: kInvalidArgument for wrong programs,
  /// beginning with the operation or the channel, the BD and the word; kUnsupported for what is not
  /// emulated.
  enum class AtEnd : uint8_t {
    kSettle,
    kStop
  };
  std::optional<Stall> Run(const Stream& stream, std::span<const uint64_t> arguments = {},
                           AtEnd at_end = AtEnd::kSettle);

  /// Lets the array move until nothing does, or for kMostRounds: rings without locks never rest.
  void Settle();
  static constexpr int64_t kMostRounds = 1 << 20;

  Array& array() { return array_; }

 private:
  friend class Interpreter;

  HostMemory host_;
  Array array_;
};

}  // namespace tandem::npu
