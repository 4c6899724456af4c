// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which instructions the kernels of the CPU may use. One program carries all levels and chooses
// when a device is made.
#pragma once

#include <string_view>
#include <vector>

namespace tandem::cpu {

enum class Isa {
  kReference,  ///< Float arithmetic on unpacked weights: the oracle of all others.
  kPortable,   ///< The algorithms of the levels below in plain C++: slow, to compare them with.
  kAvx2,       ///< AVX2, FMA, F16C.
  kAvx512,     ///< AVX-512 F, BW, DQ, VL and VNNI.
};

/// "reference", "portable", "avx2", "avx512".
std::string_view IsaName(Isa isa);
/// Levels that this processor and its operating system run, the best last.
std::vector<Isa> AvailableIsas();
/// The level to use: the one that the environment variable TANDEM_CPU_ISA names, else the fastest.
/// Throws Error kInvalidArgument for a name that is none, kUnsupported for one that this processor
/// cannot run.
Isa ChooseIsa();

}  // namespace tandem::cpu
