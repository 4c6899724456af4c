// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs instruction streams on an emulated array: configurations, runtime sequences. What a wrong
// program does wrong is an Error; a program that stops is a Stall that says who waits for what. One
// thread; refers to the caller's host buffers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
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
  bool timed_out = false;            ///< Something may still move, and the time was over.

  /// All of it, one line each.
  std::string Text() const;
};

/// What goes wrong with an array on purpose, for those who must notice.
enum class Fault : uint8_t {
  kNone,
  kHang,        ///< Nothing moves any more.
  kSpin,        ///< Something moves for ever, and nothing comes of it: only time tells.
  kLostToken,   ///< A channel is done, and its token does not come.
  kFalseToken,  ///< A token comes before its channel is done.
  kWrongData,   ///< A bit of the last argument is another at the end of the run.
  kVanish,      ///< The device is gone, for this run and all later ones.
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

  /// How long a run may take; for ever without. A run whose time is over stalls, timed_out.
  void SetTimeout(std::optional<std::chrono::milliseconds> timeout) { timeout_ = timeout; }
  /// Told now and then during a run how many bytes went between the host and the array in it, and
  /// once at its end.
  using Watch = std::function<void(uint64_t host_bytes)>;
  void SetWatch(Watch watch) { watch_ = std::move(watch); }
  /// Breaks the array from operation `op` of the next run on.
  void Inject(Fault fault, size_t op = 0) {
    fault_ = fault;
    fault_op_ = op;
    struck_ = false;
  }

  /// Lets the array move until nothing does, or for kMostRounds: rings without locks never rest.
  void Settle();
  static constexpr int64_t kMostRounds = 1 << 20;

  Array& array() { return array_; }

 private:
  friend class Interpreter;

  /// Whether anything moved. A broken array stands still.
  bool Step();
  /// What is due every kRoundsPerLook rounds. Whether the time is over.
  bool Look() const;
  bool TimeIsOver() const { return deadline_ && std::chrono::steady_clock::now() >= *deadline_; }

  HostMemory host_;
  Array array_;
  std::optional<std::chrono::milliseconds> timeout_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  Watch watch_;
  uint64_t bytes_before_ = 0;  ///< The array's count where the run began.
  Fault fault_ = Fault::kNone;
  size_t fault_op_ = 0;
  bool struck_ = false;  ///< The fault has begun.
};

}  // namespace tandem::npu
