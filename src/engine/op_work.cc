// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/op_work.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace tandem {
namespace {

uint64_t Unsigned(int64_t value) { return static_cast<uint64_t>(value); }

// Positions of one sequence that its rows see, and how many keys they multiply together.
struct Seen {
  int64_t first = 0;
  int64_t last = 0;
};

class Accountant {
 public:
  Accountant(const Program& program, const Op& op, std::span<const StepRow> rows, DType kv,
             const Int8Test& int8)
      : program_(program), op_(op), rows_(rows), kv_(kv), int8_(int8) {}

  OpWork Run() {
    const OpUse use = UseOf(op_.body);
    for (const WeightView& matrix : use.matrices) Multiply(matrix);
    for (const ValueId id : use.reads) AddValue(id, true);
    for (const ValueId id : use.writes) AddValue(id, false);
    if (use.cache_written != kNoId)
      work_.kv_bytes += Unsigned(Rows()) * KvBytesOf(use.cache_written);
    std::visit([this](const auto& body) { AddSpecial(body); }, op_.body);
    return work_;
  }

 private:
  int64_t Rows() const { return CountRows(rows_, op_.rows); }
  const Value& At(ValueId id) const { return program_.values[static_cast<size_t>(id)]; }

  /// Bytes of the key and the value of one position.
  uint64_t KvBytesOf(CacheId id) const {
    return 2 * RowBytes(kv_, program_.caches[static_cast<size_t>(id)].width());
  }

  void Multiply(const WeightView& matrix) {
    work_.weight_bytes += matrix.DataBytes();
    const uint64_t macs = Unsigned(matrix.rows) * Unsigned(matrix.cols) * Unsigned(Rows());
    (int8_(matrix) ? work_.int8_macs : work_.float_macs) += macs;
  }

  void AddValue(ValueId id, bool read) {
    const Value& value = At(id);
    const int64_t planes = read && ReadsOnePlane(id) ? 1 : value.planes;
    // SelectRows reads no more rows than it writes.
    work_.value_bytes += Unsigned(planes * value.width * Rows()) * sizeof(float);
  }
  bool ReadsOnePlane(ValueId id) const {
    if (const auto* norm = std::get_if<LaurelAndNorm>(&op_.body)) return id == norm->residual;
    if (const auto* out = std::get_if<AttentionOut>(&op_.body)) return id == out->residual;
    if (const auto* mix = std::get_if<PerLayerMix>(&op_.body)) return id == mix->pli;
    return false;
  }

  template <typename Body>
  void AddSpecial(const Body&) {}
  void AddSpecial(const EmbedTokens& op) {
    work_.weight_bytes += Unsigned(Rows()) * op.table.RowDataBytes();
  }
  void AddSpecial(const PleGather& op) {
    work_.weight_bytes += Unsigned(Rows()) * op.columns.size() * RowBytes(op.table.type, op.width);
  }
  void AddSpecial(const GatedMlp& op) { work_.at_most = op.sparse; }
  void AddSpecial(const AltUpPredict& op) {
    // The router, its answer times the coefficients, and the mixing of the streams.
    const Value& streams = At(op.streams);
    const int64_t a = streams.planes;
    const int64_t d = streams.width;
    work_.float_macs += Unsigned(Rows() * (a * d + a * a * a + a * a * d));
  }
  void AddSpecial(const AltUpCorrect& op) {
    const Value& streams = At(op.streams);
    const int64_t a = streams.planes;
    const int64_t d = streams.width;
    work_.float_macs += Unsigned(Rows() * (a * d + a * a + a * d));
  }
  void AddSpecial(const Attention& op) {
    std::map<int32_t, Seen> seen;
    int64_t keys = 0;
    for (const StepRow& row : rows_) {
      if (op_.rows == RowSet::kWanted && !row.wanted) continue;
      const int64_t last = row.position;
      const int64_t first = op.window > 0 ? std::max<int64_t>(0, last - op.window + 1) : 0;
      keys += last - first + 1;
      const auto [it, fresh] = seen.try_emplace(row.sequence, Seen{first, last});
      if (fresh) continue;
      it->second.first = std::min(it->second.first, first);
      it->second.last = std::max(it->second.last, last);
    }
    for (const auto& [sequence, range] : seen) {
      work_.kv_bytes += Unsigned(range.last - range.first + 1) * KvBytesOf(op.cache);
    }
    const int64_t head_dim = program_.caches[static_cast<size_t>(op.cache)].head_dim;
    work_.float_macs += Unsigned(2 * keys * op.heads * head_dim);
  }

  const Program& program_;
  const Op& op_;
  std::span<const StepRow> rows_;
  DType kv_;
  const Int8Test& int8_;
  OpWork work_;
};

// What sets ops of one name apart in the time they take.
std::string DetailOf(const Program& program, const Op& op) {
  if (const auto* mlp = std::get_if<GatedMlp>(&op.body)) return mlp->sparse ? "sparse" : "dense";
  if (const auto* attention = std::get_if<Attention>(&op.body)) {
    return attention->window > 0 ? "window" : "full";
  }
  if (const auto* qkv = std::get_if<QkvProject>(&op.body)) {
    if (qkv->q == kNoId) return "KV only";
    return qkv->cache == kNoId ? "Q only" : "";
  }
  if (const auto* norm = std::get_if<LaurelAndNorm>(&op.body)) {
    return norm->laurel == kNoId ? "norm only" : "";
  }
  if (const auto* select = std::get_if<SelectRows>(&op.body)) {
    return program.values[static_cast<size_t>(select->from)].name;
  }
  return {};
}

}  // namespace

OpWork& OpWork::operator+=(const OpWork& other) {
  weight_bytes += other.weight_bytes;
  kv_bytes += other.kv_bytes;
  value_bytes += other.value_bytes;
  int8_macs += other.int8_macs;
  float_macs += other.float_macs;
  at_most = at_most || other.at_most;
  return *this;
}

int64_t CountRows(std::span<const StepRow> rows, RowSet set) {
  if (set == RowSet::kAll) return static_cast<int64_t>(rows.size());
  return std::count_if(rows.begin(), rows.end(), [](const StepRow& row) { return row.wanted; });
}

OpWork WorkOf(const Program& program, const Op& op, std::span<const StepRow> rows, DType kv,
              const Int8Test& int8) {
  if (CountRows(rows, op.rows) == 0) return {};
  return Accountant(program, op, rows, kv, int8).Run();
}

PhaseProfile SumSteps(std::span<const StepTimes> steps, double seconds, DType kv,
                      const Int8Test& int8) {
  PhaseProfile phase;
  phase.seconds = seconds;
  phase.total.name = "all";
  phase.total.seconds = seconds;
  std::map<std::pair<std::string_view, std::string>, OpLine> lines;
  std::map<std::tuple<std::string, std::string_view, uint32_t>, KernelLine> kernels;
  for (const StepTimes& step : steps) {
    const Program& program = *step.program;
    phase.tokens += static_cast<int64_t>(step.rows.size());
    ++phase.steps;
    phase.kernels += step.kernels.kernels;
    phase.dependent_kernels += step.kernels.dependent;
    phase.array.calls += step.array.calls;
    phase.array.runs += step.array.runs;
    phase.array.switches += step.array.switches;
    phase.array.macs += step.array.macs;
    phase.array.seconds += step.array.modelled_seconds;
    phase.array.switch_seconds += step.array.modelled_switch_seconds;
    const auto detail_of = [&](const Op& op) {
      std::string detail = DetailOf(program, op);
      if (CountRows(step.rows, op.rows) < static_cast<int64_t>(step.rows.size()) &&
          !std::holds_alternative<SelectRows>(op.body)) {
        detail += detail.empty() ? "last row" : ", last row";
      }
      return detail;
    };
    for (const KernelTime& time : step.kernels.times) {
      const Op& op = program.ops[time.op];
      OpLine kind;
      kind.name = OpName(op.body);
      kind.detail = detail_of(op);
      const std::string label = kind.label();
      KernelLine& line = kernels[{label, time.name, time.workgroups}];
      line.op = label;
      line.name = time.name;
      line.workgroups = time.workgroups;
      ++line.calls;
      line.seconds += time.seconds;
    }
    for (const OpTime& time : step.ops) {
      const Op& op = program.ops[time.op];
      if (CountRows(step.rows, op.rows) == 0) continue;
      std::string detail = detail_of(op);
      OpLine& line = lines[{OpName(op.body), detail}];
      line.name = OpName(op.body);
      line.detail = std::move(detail);
      ++line.calls;
      line.seconds += time.seconds;
      const OpWork work = WorkOf(program, op, step.rows, kv, int8);
      line.work += work;
      phase.total.work += work;
      ++phase.total.calls;
    }
  }
  for (auto& [key, line] : lines) phase.ops.push_back(std::move(line));
  for (auto& [key, line] : kernels) phase.kernel_lines.push_back(std::move(line));
  std::stable_sort(phase.kernel_lines.begin(), phase.kernel_lines.end(),
                   [](const KernelLine& a, const KernelLine& b) { return a.seconds > b.seconds; });
  std::stable_sort(phase.ops.begin(), phase.ops.end(),
                   [](const OpLine& a, const OpLine& b) { return a.seconds > b.seconds; });
  return phase;
}

}  // namespace tandem
