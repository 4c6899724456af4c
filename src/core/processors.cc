// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/processors.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>

#include "core/control_groups.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

/// More than Linux is ever built for.
constexpr int kMaxProcessors = 1 << 16;

/// A core below this share of the fastest is of the slow kind. Cores of one kind differ by up to
/// 15 %, since some are binned to boost higher; the small ones known are below 80 %.
constexpr double kFastShare = 0.82;

/// With fewer fast cores than this the slow ones work too: a dozen of them outdo two.
constexpr int kEnoughFast = 4;

std::optional<int64_t> WholeNumber(std::string_view text) {
  text = Trimmed(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A positive figure; 0 when the file has none.
int64_t ReadFigure(const fs::path& path) {
  return std::max<int64_t>(0, WholeNumber(ReadSystemText(path)).value_or(0));
}

/// Which processors are of the slow kind: by the first source that knows all of them and tells two
/// kinds apart.
std::vector<bool> FindSlow(const std::vector<Processor>& processors) {
  std::vector<bool> slow(processors.size(), false);
  const auto mixed = [&] {
    return std::find(slow.begin(), slow.end(), true) != slow.end() &&
           std::find(slow.begin(), slow.end(), false) != slow.end();
  };
  for (size_t i = 0; i < processors.size(); ++i) slow[i] = processors[i].efficient;
  if (mixed()) return slow;
  for (const auto figure : {&Processor::capacity, &Processor::max_khz, &Processor::highest_perf}) {
    int64_t fastest = 0;
    bool all = true;
    for (const Processor& p : processors) {
      fastest = std::max(fastest, p.*figure);
      all = all && p.*figure > 0;
    }
    if (!all) continue;
    for (size_t i = 0; i < processors.size(); ++i) {
      slow[i] =
          static_cast<double>(processors[i].*figure) < kFastShare * static_cast<double>(fastest);
    }
    if (mixed()) return slow;
  }
  slow.assign(processors.size(), false);
  return slow;
}

void AddQuotasV1(const fs::path& mount, const std::string& path, double& quota) {
  ForEachGroup(mount, path, [&](const fs::path& group) {
    const int64_t time = ReadFigure(group / "cpu.cfs_quota_us");  // -1 is no limit
    const int64_t period = ReadFigure(group / "cpu.cfs_period_us");
    if (time == 0 || period == 0) return;
    const double share = static_cast<double>(time) / static_cast<double>(period);
    quota = quota == 0 ? share : std::min(quota, share);
  });
}

void AddQuotasV2(const fs::path& mount, const std::string& path, double& quota) {
  ForEachGroup(mount, path, [&](const fs::path& group) {
    const auto share = ParseCpuMax(ReadSystemText(group / "cpu.max"));
    if (share) quota = quota == 0 ? *share : std::min(quota, *share);
  });
}

}  // namespace

ThreadPlan PlanThreads(const Machine& machine) {
  const std::vector<Processor>& processors = machine.processors;
  const std::vector<bool> slow = FindSlow(processors);
  struct Place {
    bool second;  // of its core
    bool slow;
    int64_t speed;
    int id;
  };
  std::vector<Place> places;
  std::set<int> cores;
  int fast_cores = 0;
  for (size_t i = 0; i < processors.size(); ++i) {
    const Processor& p = processors[i];
    const bool first = cores.insert(p.core).second;
    if (first && !slow[i]) ++fast_cores;
    places.push_back({!first, slow[i], p.highest_perf, p.id});
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tuple(a.second, a.slow, -a.speed, a.id) <
           std::tuple(b.second, b.slow, -b.speed, b.id);
  });
  ThreadPlan plan;
  for (const Place& place : places) plan.order.push_back(place.id);
  plan.threads = fast_cores >= kEnoughFast ? fast_cores : static_cast<int>(cores.size());
  if (machine.quota > 0 && machine.quota < plan.threads) {
    // Half a processor more is worth a thread that now and then has to wait for its share.
    plan.threads = static_cast<int>(std::floor(machine.quota + 0.5));
  }
  plan.threads = std::max(1, plan.threads);
  return plan;
}

std::optional<std::vector<int>> ParseProcessorList(std::string_view text) {
  text = Trimmed(text);
  std::set<int> ids;
  for (size_t start = 0; start <= text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    const std::string_view part = text.substr(start, comma - start);
    const size_t dash = std::min(part.find('-'), part.size());
    const auto first = WholeNumber(part.substr(0, dash));
    const auto last = dash < part.size() ? WholeNumber(part.substr(dash + 1)) : first;
    if (!first || !last || *first < 0 || *last < *first || *last >= kMaxProcessors) {
      return std::nullopt;
    }
    for (int64_t id = *first; id <= *last; ++id) ids.insert(static_cast<int>(id));
    start = comma + 1;
  }
  return std::vector<int>(ids.begin(), ids.end());
}

std::optional<double> ParseCpuMax(std::string_view text) {
  text = Trimmed(text);
  const size_t blank = std::min(text.find(' '), text.size());
  const auto time = WholeNumber(text.substr(0, blank));
  const auto period = WholeNumber(text.substr(blank));
  if (!time || !period || *time <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*time) / static_cast<double>(*period);
}

double ReadQuota(const fs::path& root) {
  const CgroupPaths paths = ParseCgroupPaths(ReadSystemText(root / "proc/self/cgroup"), "cpu");
  const fs::path mount = root / "sys/fs/cgroup";
  double quota = 0;
  if (paths.v2) {
    AddQuotasV2(mount, *paths.v2, quota);
    AddQuotasV2(mount / "unified", *paths.v2, quota);
  }
  if (paths.v1) {
    AddQuotasV1(mount / "cpu", *paths.v1, quota);
    AddQuotasV1(mount / "cpu,cpuacct", *paths.v1, quota);
  }
  return quota;
}

Machine ReadMachine(const std::vector<int>& allowed, const fs::path& root) {
  Machine machine;
  machine.quota = ReadQuota(root);
  const std::vector<int> efficient =
      ParseProcessorList(ReadSystemText(root / "sys/devices/cpu_atom/cpus"))
          .value_or(std::vector<int>{});
  for (const int id : allowed) {
    const fs::path folder = root / fmt::format("sys/devices/system/cpu/cpu{}", id);
    Processor p;
    p.id = p.core = id;
    for (const char* name : {"topology/core_cpus_list", "topology/thread_siblings_list"}) {
      const auto siblings = ParseProcessorList(ReadSystemText(folder / name));
      if (!siblings || !std::binary_search(siblings->begin(), siblings->end(), id)) continue;
      p.core = siblings->front();
      break;
    }
    p.efficient = std::binary_search(efficient.begin(), efficient.end(), id);
    p.capacity = ReadFigure(folder / "cpu_capacity");
    p.max_khz = ReadFigure(folder / "cpufreq/cpuinfo_max_freq");
    p.highest_perf = ReadFigure(folder / "acpi_cppc/highest_perf");
    machine.processors.push_back(p);
  }
  return machine;
}

std::vector<int> AllowedProcessors() {
  std::vector<int> ids;
  // The call fails for masks that are shorter than what the kernel keeps.
  for (int bits = 1024; ids.empty() && bits <= kMaxProcessors; bits *= 4) {
    const size_t size = CPU_ALLOC_SIZE(bits);
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
        CPU_ALLOC(bits), [](cpu_set_t* memory) { CPU_FREE(memory); });
    if (set == nullptr) break;
    CPU_ZERO_S(size, set.get());
    if (::sched_getaffinity(0, size, set.get()) != 0) continue;
    for (int id = 0; id < bits; ++id) {
      if (CPU_ISSET_S(static_cast<size_t>(id), size, set.get())) ids.push_back(id);
    }
    break;
  }
  if (!ids.empty()) return ids;
  const auto all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (int id = 0; id < all; ++id) ids.push_back(id);
  return ids;
}

}  // namespace tandem
