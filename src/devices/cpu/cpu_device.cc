// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/cpu_device.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "devices/cpu/step.h"

namespace tandem {
namespace cpu {

void Step::Begin(const Bindings& bindings, std::span<const StepRow> rows) {
  bindings_ = bindings;
  made_ = nullptr;
  worker_scratch_.resize(static_cast<size_t>(team_.size()));
  all_ = {};
  wanted_ = {};
  for (size_t i = 0; i < rows.size(); ++i) {
    all_.rows.push_back(rows[i]);
    all_.source.push_back(static_cast<int64_t>(i));
    if (!rows[i].wanted) continue;
    wanted_.rows.push_back(rows[i]);
    wanted_.source.push_back(static_cast<int64_t>(i));
  }
}

void Step::Run(const Op& op, const Op* next) {
  RowContext& rows = Rows(op.rows);
  if (rows.count() == 0) return;
  next_ = next != nullptr && next->rows == op.rows ? next : nullptr;
  std::visit([&](const auto& body) { Execute(body, rows); }, op.body);
}

float* Step::Scratch(size_t slot, int64_t size) {
  if (scratch_.size() <= slot) scratch_.resize(slot + 1);
  if (scratch_[slot].size() < static_cast<size_t>(size)) {
    scratch_[slot].resize(static_cast<size_t>(size));
  }
  return scratch_[slot].data();
}

void Step::GrowWorkerScratch(int64_t size) {
  for (std::vector<float>& scratch : worker_scratch_) {
    if (scratch.size() < static_cast<size_t>(size)) scratch.resize(static_cast<size_t>(size));
  }
}

const RopeTable& Step::Rope(RowContext& rows, const RopeKey& key) {
  const auto [it, missing] = rows.rope.try_emplace(key);
  RopeTable& table = it->second;
  if (!missing) return table;
  const int64_t half = key.head_dim / 2;
  table.cosine.resize(static_cast<size_t>(rows.count() * half));
  table.sine.resize(table.cosine.size());
  for (int64_t i = 0; i < half; ++i) {
    // Inverse frequency and angle are rounded to float as in the reference implementation: at long
    // contexts the rounding of the angle is part of what the weights were trained with.
    const double exponent = -2.0 * static_cast<double>(i) / key.head_dim;
    const float frequency =
        static_cast<float>(std::pow(static_cast<double>(key.theta), exponent)) / key.factor;
    for (int64_t t = 0; t < rows.count(); ++t) {
      const float angle =
          static_cast<float>(rows.rows[static_cast<size_t>(t)].position) * frequency;
      table.cosine[static_cast<size_t>(t * half + i)] = std::cos(angle);
      table.sine[static_cast<size_t>(t * half + i)] = std::sin(angle);
    }
  }
  return table;
}

namespace {

class CpuSegment : public Segment {
 public:
  CpuSegment(const Program& program, OpRange range, ThreadTeam& team, Isa isa, bool precise,
             NeuronCopies& neurons, ProductEngine* engine)
      : program_(program), range_(range), step_(program, team, isa, precise, neurons, engine) {}

  Fence Submit(const Bindings& bindings, std::span<const StepRow> rows) override {
    std::promise<void> done;
    try {
      step_.Begin(bindings, rows);
      with_last_ = false;
      for (size_t i = range_.begin; i < range_.end; ++i) {
        if (bindings.times == nullptr) {
          Run(i);
        } else {
          RunTimed(i, *bindings.times);
        }
      }
      done.set_value();
    } catch (...) {
      done.set_exception(std::current_exception());
    }
    return Fence(done.get_future());
  }
  /// One at a time: it looks for the likeliest tokens while it makes logits, and leaves it to the
  /// host to draw one.
  int StepsAhead() const override {
    const bool whole = range_.begin == 0 && range_.end == program_.ops.size();
    return whole && std::holds_alternative<LmHead>(program_.ops.back().body) ? 1 : 0;
  }

 private:
  void Run(size_t op) {
    step_.Run(program_.ops[op], op + 1 < range_.end ? &program_.ops[op + 1] : nullptr);
  }
  void RunTimed(size_t op, std::vector<OpTime>& times) {
    const auto start = std::chrono::steady_clock::now();
    Run(op);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    times.push_back({op, took.count()});
    if (with_last_) ShareTime(times);
    with_last_ = step_.MadeNext();
  }
  /// What was made as one, by its multiplications.
  void ShareTime(std::vector<OpTime>& times) const {
    OpTime& last = times[times.size() - 2];
    OpTime& own = times.back();
    const auto weights_of = [&](const OpTime& time) {
      double weights = 0;
      for (const auto& group : ProductGroups(program_.ops[time.op].body)) {
        for (const WeightView& matrix : group) {
          weights += static_cast<double>(matrix.rows) * static_cast<double>(matrix.cols);
        }
      }
      return weights;
    };
    const double of_own = weights_of(own);
    const double moved = last.seconds * of_own / (of_own + weights_of(last));
    last.seconds -= moved;
    own.seconds += moved;
  }

  const Program& program_;
  OpRange range_;
  Step step_;
  bool with_last_ = false;  ///< Whether the op at hand was made with the one before.
};

class CpuDevice : public HostDevice {
 public:
  CpuDevice(int threads, Isa isa, bool pin, bool precise)
      : team_(threads, pin), isa_(isa), precise_(precise) {}

  std::string_view name() const override { return "cpu"; }
  std::string description() const override {
    return fmt::format("{}, {} thread{}{}", IsaName(isa_), team_.size(),
                       team_.size() == 1 ? "" : "s", precise_ ? ", precise" : "");
  }
  Support Supports(const Program& program, const Op& op) const override {
    for (const ValueId id : UseOf(op.body).writes) {
      const bool altup = std::holds_alternative<AltUpPredict>(op.body) ||
                         std::holds_alternative<AltUpCorrect>(op.body);
      const int64_t planes = program.values[static_cast<size_t>(id)].planes;
      if (altup && planes > kMaxStreams) {
        return {false, fmt::format("{} AltUp streams, at most {}", planes, kMaxStreams)};
      }
    }
    return {};
  }
  std::unique_ptr<Segment> Compile(const Program& program, OpRange range,
                                   const ShapeClass&) override {
    return std::make_unique<CpuSegment>(program, range, team_, isa_, precise_, neurons_, nullptr);
  }
  std::unique_ptr<Segment> CompileWith(const Program& program, OpRange range, const ShapeClass&,
                                       ProductEngine& engine) override {
    return std::make_unique<CpuSegment>(program, range, team_, isa_, precise_, neurons_, &engine);
  }

 private:
  ThreadTeam team_;
  Isa isa_;
  bool precise_;
  NeuronCopies neurons_;  ///< Shared by the segments.
};

}  // namespace
}  // namespace cpu

std::unique_ptr<HostDevice> MakeCpuDevice(int threads) {
  return MakeCpuDevice(threads, cpu::ChooseIsa());
}

std::unique_ptr<HostDevice> MakeCpuDevice(int threads, cpu::Isa isa, bool pin, bool precise) {
  return std::make_unique<cpu::CpuDevice>(threads, isa, pin, precise);
}

uint64_t CpuCopyBytes(const Program& program, cpu::Isa isa) {
  uint64_t bytes = 0;
  if (isa == cpu::Isa::kReference) return bytes;
  for (const Op& op : program.ops) {
    const auto* mlp = std::get_if<GatedMlp>(&op.body);
    if (mlp == nullptr || !mlp->sparse) continue;
    bytes += cpu::NeuronCopies::BytesOf(cpu::KernelsOf(isa), mlp->down);
  }
  return bytes;
}

}  // namespace tandem
