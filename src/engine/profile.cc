// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "devices/cpu/roofline.h"
#include "engine/bench_runner.h"
#include "engine/engine_impl.h"
#include "engine/op_work.h"
#include "engine/processor.h"

namespace tandem {
namespace {

// The repetition whose time is the median: its parts add up, as medians of parts would not.
struct Repetition {
  double seconds = 0;
  std::vector<StepTimes> steps;
};
const Repetition& MedianOf(std::vector<Repetition>& repetitions) {
  std::sort(repetitions.begin(), repetitions.end(),
            [](const Repetition& a, const Repetition& b) { return a.seconds < b.seconds; });
  return repetitions[(repetitions.size() - 1) / 2];
}

// Notes the steps of an engine for as long as it lives.
class Recording {
 public:
  Recording(Engine::Impl& engine, std::vector<StepTimes>& steps) : engine_(engine) { Set(&steps); }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() { Set(nullptr); }

 private:
  void Set(std::vector<StepTimes>* steps) const {
    engine_.prefill->RecordInto(steps);
    engine_.decode->RecordInto(steps);
  }
  Engine::Impl& engine_;
};

MachineLimits MeasureLimits(int threads, cpu::Isa isa) {
  const cpu::Roofline roofline = cpu::MeasureRoofline(threads, isa);
  return {roofline.read_gb_s,    roofline.read_median_gb_s, roofline.int8_gmac_s,
          roofline.float_gmac_s, roofline.threads,          std::string(cpu::IsaName(isa))};
}

double PerSecond(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds * 1e-9 : 0;
}

}  // namespace

std::string OpLine::label() const {
  return detail.empty() ? std::string(name) : fmt::format("{} {}", name, detail);
}
double OpLine::gb_s() const { return PerSecond(work.bytes(), seconds); }
double OpLine::gmac_s() const { return PerSecond(work.macs(), seconds); }
double OpLine::read_share(const MachineLimits& limits) const {
  return limits.read_gb_s > 0 ? gb_s() / limits.read_gb_s : 0;
}
double OpLine::peak_share(const MachineLimits& limits) const {
  if (seconds <= 0 || limits.int8_gmac_s <= 0 || limits.float_gmac_s <= 0) return 0;
  const double least = static_cast<double>(work.int8_macs) / limits.int8_gmac_s +
                       static_cast<double>(work.float_macs) / limits.float_gmac_s;
  return least * 1e-9 / seconds;
}

double PhaseProfile::between() const {
  double sum = 0;
  for (const OpLine& op : ops) sum += op.seconds;
  return std::max(0.0, seconds - sum);
}
double PhaseProfile::streamed_gb_s() const {
  return PerSecond(total.work.streamed_bytes(), seconds);
}
double PhaseProfile::streamed_per_token() const {
  return tokens > 0 ? static_cast<double>(total.work.streamed_bytes()) / static_cast<double>(tokens)
                    : 0;
}

std::string PhaseTitle(const PhaseProfile& phase) {
  const char* plural = phase.tokens == 1 ? "" : "s";
  const std::string after = phase.context == 0 ? "" : fmt::format(" after {}", phase.context);
  return fmt::format("{} of {} token{}{}", phase.is_decode ? "decode" : "prefill", phase.tokens,
                     plural, after);
}

ProfileResult RunProfile(Engine& engine, const BenchOptions& options,
                         const std::function<void(int done, int total)>& progress) {
  if (options.prompts.size() != 1 || options.contexts.size() != 1) {
    throw Error(ErrorKind::kInvalidArgument, "a profile takes one prompt length and one depth");
  }
  BenchRunner runner(engine, options);
  Engine::Impl& impl = engine.impl();
  const DType kv = KvElementType(impl.model->data(), impl.options.kv);
  ProfileResult result;
  result.model = engine.model().source();
  result.processor = ProcessorName();
  result.device = engine.Description();
  const cpu::Isa isa = cpu::ChooseIsa();
  result.limits = MeasureLimits(impl.options.threads, isa);
  const Int8Test int8 = [isa](const WeightView& weights) {
    return cpu::MultipliesInt8(isa, weights);
  };
  const int64_t depth = options.contexts[0];
  const int64_t context = std::max<int64_t>(depth, 1);  // of new tokens, which follow another
  std::vector<Repetition> prefill;
  std::vector<Repetition> decode;
  // Round 0 warms up: pages come in, buffers grow.
  for (int round = 0; round <= options.repetitions; ++round) {
    Repetition prompt;
    runner.Fill(depth);
    {
      const Recording recording(impl, prompt.steps);
      prompt.seconds = runner.Prefill(options.prompts[0], depth);
    }
    if (round > 0) prefill.push_back(std::move(prompt));
    if (options.decode > 0) {
      runner.Fill(context);
      Repetition tokens;
      const Recording recording(impl, tokens.steps);
      tokens.seconds = runner.Decode(round == 0 ? 1 : options.decode, context);
      if (round > 0) decode.push_back(std::move(tokens));
    }
    if (progress) progress(round, options.repetitions);
  }
  const auto add = [&](std::vector<Repetition>& repetitions, bool is_decode, int64_t before) {
    const Repetition& median = MedianOf(repetitions);
    result.phases.push_back(SumSteps(median.steps, median.seconds, kv, int8));
    result.phases.back().is_decode = is_decode;
    result.phases.back().context = before;
  };
  add(prefill, false, depth);
  if (options.decode > 0) add(decode, true, context);
  return result;
}

}  // namespace tandem
