// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/isa.h"

#include <cpuid.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/error.h"

namespace tandem::cpu {
namespace {

constexpr std::array kAll = {Isa::kReference, Isa::kPortable, Isa::kAvx2, Isa::kAvx512};

// Halves to floats: a name that not every compiler's __builtin_cpu_supports knows.
bool HasF16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool Runs(Isa isa) {
  switch (isa) {
    case Isa::kReference:
    case Isa::kPortable: return true;
    // The compiler's run time asks the operating system as well: it must save the registers.
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
    case Isa::kAvx512:
      return Runs(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  }
  return false;
}

}  // namespace

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kReference: return "reference";
    case Isa::kPortable: return "portable";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
  }
  return "unknown";
}

std::vector<Isa> AvailableIsas() {
  std::vector<Isa> isas;
  std::copy_if(kAll.begin(), kAll.end(), std::back_inserter(isas), Runs);
  return isas;
}

Isa ChooseIsa() {
  const char* name = std::getenv("TANDEM_CPU_ISA");
  if (name == nullptr || *name == '\0') {
    // Without vectors the fused operations of the portable level are calls of a library.
    const Isa best = AvailableIsas().back();
    return best == Isa::kPortable ? Isa::kReference : best;
  }
  for (const Isa isa : kAll) {
    if (IsaName(isa) != name) continue;
    if (Runs(isa)) return isa;
    throw Error(ErrorKind::kUnsupported,
                fmt::format("TANDEM_CPU_ISA asks for {}, which this processor does not run", name));
  }
  throw Error(ErrorKind::kInvalidArgument, fmt::format("TANDEM_CPU_ISA is '{}'", Printable(name)),
              "levels: reference, portable, avx2, avx512");
}

}  // namespace tandem::cpu
