// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The order in which a BD visits memory: counters as the DMA's address generator has them. A value;
// one thread.
#pragma once

#include <cstdint>

#include "devices/npu/isa/descriptor.h"

namespace tandem::npu {

class AddressWalk {
 public:
  AddressWalk() = default;
  explicit AddressWalk(const Descriptor& bd);

  bool done() const { return left_ == 0; }
  /// Words that were taken.
  int64_t taken() const { return total_ - left_; }

  struct Step {
    bool padding = false;
    int64_t offset = 0;  ///< Words from the BD's base.
  };
  /// Where the next word comes from or goes to. Not done().
  Step Peek() const;
  void Advance() { Advance(1); }
  /// How many words from the next one on are alike, padding or not, and lie step() apart.
  int64_t Run() const;
  int64_t step() const { return step_[0]; }
  /// Takes `count` words, at most Run().
  void Advance(int64_t count);

 private:
  int64_t total_ = 0;
  int64_t left_ = 0;
  int64_t start_ = 0;  ///< By the iteration.
  int64_t wrap_[3] = {0, 0, 0};
  int64_t before_[3] = {0, 0, 0};
  int64_t after_[3] = {0, 0, 0};
  int64_t step_[4] = {1, 1, 1, 1};
  int64_t at_[4] = {0, 0, 0, 0};
};

}  // namespace tandem::npu
