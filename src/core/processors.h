// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The processors that this process may use and what Linux tells about them, and how many threads
// that makes: one per core, on parts with cores of two kinds on the fast ones. Hyper-threads of one
// core share the units that multiply, so a second thread there adds nothing but waiting.
//
// Everything read is taken for a hint: what is missing or makes no sense is not known, and a
// machine that tells nothing gets a thread per processor. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace tandem {

/// One logical processor. Figures of speed compare processors of one machine with each other; 0 is
/// not known.
struct Processor {
  int id = 0;
  int core = 0;              ///< The same for those that share a core: the lowest id among them.
  bool efficient = false;    ///< Listed by Linux as a slow one of a hybrid Intel part.
  int64_t capacity = 0;      ///< cpu_capacity
  int64_t max_khz = 0;       ///< cpufreq/cpuinfo_max_freq
  int64_t highest_perf = 0;  ///< acpi_cppc/highest_perf
};

struct Machine {
  std::vector<Processor> processors;  ///< Those that this process may run on, ids ascending.
  double quota = 0;  ///< Processors' worth of time that control groups leave; 0 = no limit.
};

struct ThreadPlan {
  int threads = 1;  ///< By default.
  /// Ids of all processors, in the order in which threads should take them: fast cores, slow cores,
  /// second threads of cores.
  std::vector<int> order;
};

/// From a description alone.
ThreadPlan PlanThreads(const Machine& machine);

/// Reads what is below `root` (sys/ and proc/) about the processors `allowed`.
Machine ReadMachine(const std::vector<int>& allowed, const std::filesystem::path& root = "/");

/// Ids in the affinity mask of the calling thread, ascending; at least one.
std::vector<int> AllowedProcessors();

/// The quota of the control groups alone, as in Machine.
double ReadQuota(const std::filesystem::path& root = "/");

/// "0-3,8": ids ascending; nullopt for anything else, or beyond what Linux can number.
std::optional<std::vector<int>> ParseProcessorList(std::string_view text);
/// cpu.max of version 2, "150000 100000": processors' worth of time; nullopt for no limit.
std::optional<double> ParseCpuMax(std::string_view text);

}  // namespace tandem
