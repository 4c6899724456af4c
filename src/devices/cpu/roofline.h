// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What this machine can do at most, measured by plain loops: how fast all threads together read
// memory, and how many multiply-adds they do on registers. What an op reaches is said as a share of
// these.
#pragma once

#include <cstddef>

#include "devices/cpu/isa.h"
#include "formats/weight_view.h"

namespace tandem::cpu {

/// Billions per second.
struct Roofline {
  double read_gb_s = 0;         ///< Bytes, best pass.
  double read_median_gb_s = 0;  ///< Bytes, median of the passes.
  double int8_gmac_s = 0;       ///< Multiply-adds of bytes, best pass.
  double float_gmac_s = 0;      ///< Multiply-adds of floats, best pass.
  int threads = 0;
  Isa isa = Isa::kReference;
};

struct RooflineOptions {
  size_t read_bytes = size_t{512} << 20;  ///< Much more than any cache holds; at least 1 MiB.
  int passes = 7;
  double peak_seconds = 0.02;  ///< Of each pass of a multiplying loop.
};

/// Measures on `threads` threads (0: one per available processor) with the instructions of `isa`;
/// the reference level uses those of the portable one. Takes well under a second. Throws Error
/// kResource without memory or threads. REQUIRES: an available level, passes >= 1.
Roofline MeasureRoofline(int threads, Isa isa, const RooflineOptions& options = {});

/// Whether the CPU multiplies these weights with activations of 8 bits on this level, else floats.
bool MultipliesInt8(Isa isa, const WeightView& weights);

}  // namespace tandem::cpu
