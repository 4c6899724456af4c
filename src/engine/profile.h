// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the time of a prompt and of new tokens goes: per kind of op its time, bytes and
// multiply-adds, beside what the machine can do at most.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bench.h"
#include "tandem/engine.h"

namespace tandem {

/// What the machine can do at most, in billions per second.
struct MachineLimits {
  double read_gb_s = 0;         ///< Bytes read from memory, best pass.
  double read_median_gb_s = 0;  ///< The same, median of the passes.
  double int8_gmac_s = 0;       ///< Multiply-adds of bytes.
  double float_gmac_s = 0;      ///< Multiply-adds of floats.
  int threads = 0;
  std::string isa;  ///< Level of instructions, "avx2".
};

/// What ops have to move and to multiply, computed from the Program: each byte counted once per op,
/// as if caches kept everything for the length of an op and nothing beyond.
struct OpWork {
  uint64_t weight_bytes = 0;  ///< Matrices, and the rows that look-ups read of tables.
  uint64_t kv_bytes = 0;      ///< Keys and values read or written.
  uint64_t value_bytes = 0;   ///< Activations: values of the Program read and written.
  uint64_t int8_macs = 0;     ///< Multiply-adds with activations of 8 bits.
  uint64_t float_macs = 0;    ///< The others: of matrices, attention, AltUp's mixing.
  bool at_most = false;       ///< Dead neurons are left out of it, and only the device knows which.

  uint64_t streamed_bytes() const { return weight_bytes + kv_bytes; }
  uint64_t bytes() const { return streamed_bytes() + value_bytes; }
  uint64_t macs() const { return int8_macs + float_macs; }
  OpWork& operator+=(const OpWork& other);
};

/// All ops of a kind.
struct OpLine {
  std::string_view name;  ///< OpName.
  std::string detail;     ///< What sets them apart from others of the name, "sparse"; or empty.
  int64_t calls = 0;
  double seconds = 0;
  OpWork work;

  /// "GatedMlp sparse"
  std::string label() const;
  /// Billions of bytes, and of multiply-adds, per second; 0 where none are counted.
  double gb_s() const;
  double gmac_s() const;
  /// Shares of what the machine can do: of its reading, and of its peaks (the time that they would
  /// need for the multiply-adds of each kind, by the time that the ops took).
  double read_share(const MachineLimits& limits) const;
  double peak_share(const MachineLimits& limits) const;
};

/// All kernels of a name, a size and a kind of op.
struct KernelLine {
  std::string op;  ///< OpLine::label() of the op it is for.
  std::string_view name;
  uint32_t workgroups = 0;
  int64_t calls = 0;
  double seconds = 0;  ///< Each alone: what kernels gain by overlapping is not in it.
};

/// What an NPU has multiplied, and how long it takes for it: not measured but modelled.
struct ArrayProfile {
  uint64_t calls = 0;
  uint64_t runs = 0;      ///< In them, some of which are lists.
  uint64_t switches = 0;  ///< Calls that needed another configuration than the one before.
  uint64_t macs = 0;      ///< Multiply-adds of the products.
  double seconds = 0;     ///< Of the calls.
  double switch_seconds = 0;
};

/// A prompt, or new tokens.
struct PhaseProfile {
  int64_t tokens = 0;
  bool is_decode = false;   ///< New tokens one by one, not a prompt.
  int64_t context = 0;      ///< Tokens before these.
  double seconds = 0;       ///< Of all, as a caller sees it.
  std::vector<OpLine> ops;  ///< The most time first.
  OpLine total;             ///< Work of all ops, in `seconds`.
  int64_t steps = 0;
  /// Kernels of all steps on devices that record them, and those that waited for all before them.
  uint64_t kernels = 0;
  uint64_t dependent_kernels = 0;
  std::vector<KernelLine> kernel_lines;  ///< The most time first.
  ArrayProfile array;

  /// What no op accounts for: hand-over between ops and devices, sampling rows, bookkeeping.
  double between() const;
  /// Weights, keys and values per second and of a token, activations left out.
  double streamed_gb_s() const;
  double streamed_per_token() const;
};

struct ProfileResult {
  std::string model;      ///< As Model::source().
  std::string processor;  ///< Its name, or "unknown processor".
  std::string device;     ///< As Engine::Description().
  MachineLimits limits;
  /// A prompt, then new tokens where some were asked for.
  std::vector<PhaseProfile> phases;
};

/// "prefill of 128 tokens", "decode of 64 tokens after 512".
std::string PhaseTitle(const PhaseProfile& phase);

/// Measures the machine, then `options` as RunBench does, but with one prompt length and one depth:
/// of each the repetition of median time is reported. Throws Error kInvalidArgument as RunBench,
/// and for more than one length or depth.
ProfileResult RunProfile(Engine& engine, const BenchOptions& options,
                         const std::function<void(int done, int total)>& progress = {});

}  // namespace tandem
