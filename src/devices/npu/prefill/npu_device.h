// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The NPU as a device of prompts: it multiplies and attends, the host runs the rest
// of each op. Steps of few
// rows, and what is too narrow, of another type or beyond the budget, the host multiplies too.
//
// The array is the emulator's (devices/npu/emulator) unless XRT's is asked for: every word of the
// streams and every byte of the packed matrices is the same, and the time is a model's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "devices/npu/isa/tile.h"
#include "devices/products.h"

namespace tandem {

struct NpuOptions {
  npu::Generation generation = npu::Generation::kNpu1;
  bool xrt = false;                   ///< The NPU through XRT rather than the emulator.
  uint64_t budget = 2'000'000'000;    ///< Bytes of weights in the NPU's layout.
  std::optional<int64_t> least_side;  ///< Of matrices, where tests want smaller ones there.
  bool precise = false;  ///< Two parts of 8 bits for activations, as the CPU's --precise.
  /// Told while weights are packed, in bytes of the model.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

/// What the device has taken over so far.
struct NpuUse {
  int64_t products = 0;  ///< Calls that a step of enough rows makes, of the last Program compiled.
  int64_t attentions = 0;  ///< Attention ops that such a step takes there.
  double share = 0;        ///< Of the multiplications of such a step that its matrices make.
  uint64_t bytes = 0;      ///< Of all packed weights.
  /// "24 narrower than 128, 3 beyond the budget": products that are left to the host.
  std::string left;
  uint64_t smallest = 0;  ///< Bytes of the smallest that is beyond the budget, if one is.
};

class NpuDevice : public Device {
 public:
  virtual NpuUse use() const = 0;
  /// "npu1, emulated".
  virtual std::string array() const = 0;
};

/// `host` runs the ops, and may be a device of its own beside this one. Throws Error as
/// MakeXrtBackend.
std::unique_ptr<NpuDevice> MakeNpuDevice(std::shared_ptr<HostDevice> host,
                                         const NpuOptions& options);

/// Bytes of weights that Compile packs for prompts of `program`.
uint64_t NpuPackedBytes(const Program& program, const NpuOptions& options);
/// The budget for `program` where nobody says another: 2 GB; 3 where more than 1.5 billion weights
/// are multiplied for each token of a prompt.
uint64_t DefaultNpuBudget(const Program& program);

}  // namespace tandem
