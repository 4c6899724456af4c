// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/profile_report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string Row(const OpLine& op, const PhaseProfile& phase, const MachineLimits& limits) {
  const auto number = [](double value) {
    return value > 0 ? fmt::format("{:.1f}", value) : std::string("-");
  };
  const auto percent = [](double share) {
    return share > 0 ? fmt::format("{:.1f} %", share * 100) : std::string("-");
  };
  return fmt::format("{:<26} {:>6} {:>10.2f} {:>8} {:>9} {:>8} {:>9} {:>8}\n",
                     op.label() + (op.work.at_most && op.name != "all" ? " *" : ""), op.calls,
                     op.seconds * 1e3, percent(op.seconds / phase.seconds), number(op.gb_s()),
                     percent(op.read_share(limits)), number(op.gmac_s()),
                     percent(op.peak_share(limits)));
}

// Each kernel between waits of its own: their sum is more than what a step takes.
std::string KernelText(const PhaseProfile& phase) {
  std::string out = fmt::format("\n{:<28} {:<26} {:>10} {:>8} {:>9} {:>9}\n", "kernel, alone", "of",
                                "workgroups", "calls", "us each", "ms");
  for (const KernelLine& line : phase.kernel_lines) {
    out += fmt::format("{:<28} {:<26} {:>10} {:>8} {:>9.1f} {:>9.2f}\n", line.name, line.op,
                       line.workgroups, line.calls,
                       line.seconds * 1e6 / static_cast<double>(line.calls), line.seconds * 1e3);
  }
  return out + "\n";
}

// The times above it are the emulator's, which say nothing about an NPU.
std::string ArrayText(const PhaseProfile& phase) {
  const ArrayProfile& array = phase.array;
  if (array.calls == 0) return {};
  return fmt::format(
      "npu, emulated: {} calls of {} runs, {:.1f} million multiply-adds; modelled, not measured: "
      "{:.2f} ms, "
      "and {:.1f} ms for {} configuration{} at worst\n",
      array.calls, array.runs, static_cast<double>(array.macs) * 1e-6, array.seconds * 1e3,
      array.switch_seconds * 1e3, array.switches, array.switches == 1 ? "" : "s");
}

std::string PhaseText(const PhaseProfile& phase, const MachineLimits& limits) {
  std::string out = fmt::format(
      "\n{}: {:.1f} ms, {:.1f} tokens/s\n\n{:<26} {:>6} {:>10} {:>8} {:>9} {:>8} {:>9} {:>8}\n",
      PhaseTitle(phase), phase.seconds * 1e3, static_cast<double>(phase.tokens) / phase.seconds,
      "op", "calls", "ms", "share", "GB/s", "of read", "GMAC/s", "of peak");
  for (const OpLine& op : phase.ops) out += Row(op, phase, limits);
  OpLine between;
  between.name = "between ops";
  between.seconds = phase.between();
  out += Row(between, phase, limits) + Row(phase.total, phase, limits);
  if (phase.kernels > 0 && phase.steps > 0) {
    const auto steps = static_cast<uint64_t>(phase.steps);
    out += fmt::format("kernels of a step: {}, of which {} waited for those before\n",
                       phase.kernels / steps, phase.dependent_kernels / steps);
  }
  if (!phase.kernel_lines.empty()) out += KernelText(phase);
  out += ArrayText(phase);
  const double rate = phase.streamed_gb_s();
  out +=
      fmt::format("weights, keys and values: {:.1f} MB a token, {:.1f} GB/s, {:.1f} % of reading\n",
                  phase.streamed_per_token() * 1e-6, rate, rate / limits.read_gb_s * 100);
  const bool at_most = std::any_of(phase.ops.begin(), phase.ops.end(),
                                   [](const OpLine& op) { return op.work.at_most; });
  if (at_most) out += "* at most: dead neurons are counted, and may be left out\n";
  return out;
}

Json WorkJson(const OpLine& op, const MachineLimits& limits) {
  return {{"calls", op.calls},
          {"seconds", op.seconds},
          {"weight_bytes", op.work.weight_bytes},
          {"kv_bytes", op.work.kv_bytes},
          {"value_bytes", op.work.value_bytes},
          {"int8_macs", op.work.int8_macs},
          {"float_macs", op.work.float_macs},
          {"at_most", op.work.at_most},
          {"gb_s", op.gb_s()},
          {"gmac_s", op.gmac_s()},
          {"read_share", op.read_share(limits)},
          {"peak_share", op.peak_share(limits)}};
}

Json PhaseJson(const PhaseProfile& phase, const MachineLimits& limits) {
  Json ops = Json::array();
  for (const OpLine& op : phase.ops) {
    Json json = {{"op", op.name}, {"detail", op.detail}};
    json.update(WorkJson(op, limits));
    ops.push_back(std::move(json));
  }
  Json kernels = Json::array();
  for (const KernelLine& line : phase.kernel_lines) {
    kernels.push_back({{"kernel", line.name},
                       {"op", line.op},
                       {"workgroups", line.workgroups},
                       {"calls", line.calls},
                       {"seconds", line.seconds}});
  }
  return {{"tokens", phase.tokens},
          {"context", phase.context},
          {"seconds", phase.seconds},
          {"tps", static_cast<double>(phase.tokens) / phase.seconds},
          {"between_seconds", phase.between()},
          {"steps", phase.steps},
          {"kernels", phase.kernels},
          {"dependent_kernels", phase.dependent_kernels},
          {"kernel_times", std::move(kernels)},
          {"npu",
           {{"calls", phase.array.calls},
            {"runs", phase.array.runs},
            {"configurations", phase.array.switches},
            {"macs", phase.array.macs},
            {"modelled_seconds", phase.array.seconds},
            {"modelled_configuration_seconds", phase.array.switch_seconds}}},
          {"streamed_gb_s", phase.streamed_gb_s()},
          {"streamed_bytes_per_token", phase.streamed_per_token()},
          {"total", WorkJson(phase.total, limits)},
          {"ops", std::move(ops)}};
}

}  // namespace

std::string ProfileText(const ProfileResult& profile) {
  const MachineLimits& limits = profile.limits;
  std::string out = fmt::format("{}, {}, {}\n\n", profile.model, profile.processor, profile.device);
  out += fmt::format("{:<26} {:>10.1f} GB/s (median {:.1f})\n", "reading memory", limits.read_gb_s,
                     limits.read_median_gb_s);
  out += fmt::format("{:<26} {:>10.1f} GMAC/s\n", "multiplying bytes", limits.int8_gmac_s);
  out += fmt::format("{:<26} {:>10.1f} GMAC/s\n", "multiplying floats", limits.float_gmac_s);
  for (const PhaseProfile& phase : profile.phases) out += PhaseText(phase, limits);
  return out;
}

Json ProfileJson(const ProfileResult& profile) {
  const MachineLimits& limits = profile.limits;
  Json json = {{"model", profile.model},
               {"processor", profile.processor},
               {"device", profile.device},
               {"roofline",
                {{"isa", limits.isa},
                 {"threads", limits.threads},
                 {"read_gb_s", limits.read_gb_s},
                 {"read_median_gb_s", limits.read_median_gb_s},
                 {"int8_gmac_s", limits.int8_gmac_s},
                 {"float_gmac_s", limits.float_gmac_s}}},
               {"prefill", PhaseJson(profile.phases.front(), limits)}};
  if (profile.phases.size() > 1) json["decode"] = PhaseJson(profile.phases[1], limits);
  return json;
}

}  // namespace tandem::cli
