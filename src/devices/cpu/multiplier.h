// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of weights and activation rows, on the level of instructions that the device was made
// for: quantised weights with 8-bit activations, others in float; on the reference level all in
// float. Keeps its scratch memory. One thread at a time.
//
// When it is precise, activations that meet quantised weights have two parts of 8 bits: the second
// is what the first leaves over, with scales of its own. Each part is a row by itself to the
// kernels, and their products are added. So nothing but the sum of two roundings is lost, at most
// a part in 64,516 of a group's largest value, for twice the multiplications.
//
// Products may be made elsewhere: an engine is offered each that no neurons are left out of, and
// what it does not take is made here.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_team.h"
#include "devices/cpu/int8_buffer.h"
#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/neuron_major.h"
#include "devices/products.h"
#include "formats/weight_view.h"

namespace tandem::cpu {

class Multiplier {
 public:
  Multiplier(ThreadTeam& team, Isa isa, bool precise = false, ProductEngine* engine = nullptr);

  /// Says what the next products are made of: x [rows, cols] with a stride, which must stay as it
  /// is until the last of them. It is brought to 8 bits once, however many matrices there are.
  void Load(const float* x, int64_t x_stride, int64_t rows, int64_t cols);
  /// y[t, r] = dot(w row r, loaded row t), as MatMul of kernels.h says.
  void Run(const WeightView& w, float* y, int64_t y_stride, std::span<const uint8_t> skip = {});
  /// Several, all of the loaded rows.
  void Run(std::span<Product> products);
  /// Whether they are offered to somebody else, for whom it pays to offer several at once.
  bool HasEngine() const { return engine_ != nullptr; }
  /// Both.
  void Run(const WeightView& w, const float* x, int64_t x_stride, int64_t rows, float* y,
           int64_t y_stride, std::span<const uint8_t> skip = {});
  /// The same with `copies` of w, for loaded rows that are mostly zeros: what those would be
  /// multiplied with is not read. The same bits. Without a copy, what Run does.
  void RunLive(NeuronCopies& copies, const WeightView& w, float* y, int64_t y_stride);

 private:
  // The loaded rows in 8 bits, with groups of one size: part p of row t is row t * parts_ + p.
  struct Quantized {
    bool valid = false;
    Int8Buffer buffer;
  };

  void RunHere(const WeightView& w, float* y, int64_t y_stride, std::span<const uint8_t> skip);
  const Int8Rows& QuantizedRows(int group);
  void QuantizeRow(Int8Buffer& buffer, int64_t t, float* rest) const;
  /// Indices of the first `count` rows, and of those that are not skipped. Valid until the next
  /// call.
  std::span<const int64_t> AllRows(int64_t count);
  std::span<const int64_t> LiveRows(std::span<const uint8_t> skip);
  /// Room for `size` floats in every thread's panel: taken before threads start, so that a step
  /// asks for the same memory whoever does the work.
  void GrowPanels(int64_t size);
  void RunInt8(const WeightView& w, std::span<const int64_t> rows_of_w, const Int8Rows& x, float* y,
               int64_t y_stride);
  /// What is not zero of row t of x. Valid until the next call.
  LiveInputs LiveInputsOf(const Int8Rows& x, int64_t t);
  void RunFloat(const WeightView& w, std::span<const int64_t> rows_of_w, float* y,
                int64_t y_stride);

  ThreadTeam& team_;
  const IsaKernels* kernels_;  ///< nullptr on the reference level.
  int64_t parts_;              ///< Of each activation: 1 or 2.
  ProductEngine* engine_;      ///< May be null.
  const float* x_ = nullptr;
  int64_t x_stride_ = 0;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  Quantized quantized_[2];         ///< In groups of 32 and of 16.
  std::vector<int64_t> all_rows_;  ///< 0, 1, 2, ...: grows to the largest matrix and stays.
  std::vector<int64_t> live_rows_;
  std::vector<LiveGroup> live_groups_;
  std::vector<LiveFour> live_fours_;
  std::vector<std::vector<float>> panels_;  ///< Per thread.
};

}  // namespace tandem::cpu
