// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the op implementations of the CPU share while a step runs.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "core/thread_team.h"
#include "devices/cpu/attention_kernels.h"
#include "devices/cpu/kernels.h"
#include "devices/cpu/multiplier.h"
#include "devices/device.h"

namespace tandem::cpu {

/// AltUp streams that the kernels have room for.
inline constexpr int64_t kMaxStreams = 16;

/// Scratch of an AttentionOut that is made with its MLP, and of the latter.
inline constexpr size_t kBaseSlot = 0;
inline constexpr size_t kMadeSlot = 3;

/// Cosines and sines of RoPE for the rows of a set: [rows, head_dim / 2] each.
struct RopeTable {
  std::vector<float> cosine;
  std::vector<float> sine;
};

/// What a RopeTable depends on beside the rows.
struct RopeKey {
  float theta = 0;
  float factor = 1;
  int head_dim = 0;

  auto operator<=>(const RopeKey&) const = default;
};

/// The rows of one row set in this step, and tables derived from them.
struct RowContext {
  std::vector<StepRow> rows;
  std::vector<int64_t> source;  ///< Index of each among all rows of the step.
  std::map<RopeKey, RopeTable> rope;

  int64_t count() const { return static_cast<int64_t>(rows.size()); }
};

/// One running step. Scratch buffers grow on first use and stay.
class Step {
 public:
  /// `engine` may be null.
  Step(const Program& program, ThreadTeam& team, Isa isa, bool precise, NeuronCopies& neurons,
       ProductEngine* engine)
      : program_(program),
        team_(team),
        neurons_(neurons),
        engine_(engine),
        multiplier_(team, isa, precise, engine),
        row_(RowKernelsOf(isa)),
        attention_(AttentionKernelsOf(isa)) {}

  void Begin(const Bindings& bindings, std::span<const StepRow> rows);
  /// `next`: the op that follows in the step, which may be made with this one; null: none.
  void Run(const Op& op, const Op* next);
  /// Whether the next one was, but for what the host does.
  bool MadeNext() const { return made_ != nullptr; }

 private:
  // One overload per op, each beside its relatives in embed.cc, altup.cc, attention.cc, mlp.cc,
  // head.cc. `rows` is the row set the op runs for.
  void Execute(const EmbedTokens& op, RowContext& rows);
  void Execute(const PleGather& op, RowContext& rows);
  void Execute(const PleProject& op, RowContext& rows);
  void Execute(const AltUpExpand& op, RowContext& rows);
  void Execute(const AltUpPredict& op, RowContext& rows);
  void Execute(const LaurelAndNorm& op, RowContext& rows);
  void Execute(const QkvProject& op, RowContext& rows);
  void Execute(const Attention& op, RowContext& rows);
  void Execute(const AttentionOut& op, RowContext& rows);
  void Execute(const GatedMlp& op, RowContext& rows);
  void Execute(const AltUpCorrect& op, RowContext& rows);
  void Execute(const PerLayerMix& op, RowContext& rows);
  void Execute(const AltUpCollapse& op, RowContext& rows);
  void Execute(const FinalNorm& op, RowContext& rows);
  void Execute(const LmHead& op, RowContext& rows);
  void Execute(const SelectRows& op, RowContext& rows);
  /// Asks the engine for an AttentionOut and the MLP behind it: h gets the output's products.
  bool MakeWithMlp(const AttentionOut& op, const float* residual, const float* laurel,
                   int64_t count);
  /// Down's products of an MLP that was made so, out of kMadeSlot.
  void FinishMade(const GatedMlp& op, int64_t count, float* out);
  /// out = down (gelu(gate x) * (up x)) of normed rows, sparse ones cut.
  void MultiplyGated(const GatedMlp& op, const float* normed, int64_t count, float* out);
  void CapAll(const LmHead& op, int64_t count, float* logits);
  /// The likeliest of one row's logits, which are not capped yet.
  void Draw(const LmHead& op, const DrawRequest& request, float* logits);

  RowContext& Rows(RowSet set) { return set == RowSet::kAll ? all_ : wanted_; }
  const Value& Info(ValueId id) const { return program_.values[static_cast<size_t>(id)]; }
  int64_t Width(ValueId id) const { return Info(id).width; }
  /// Row 0 of plane `plane` of a value: [rows, width].
  float* Plane(ValueId id, int plane) {
    return bindings_.values[static_cast<size_t>(id)] +
           plane * Rows(Info(id).rows).count() * Width(id);
  }
  float* Data(ValueId id) const { return bindings_.values[static_cast<size_t>(id)]; }
  const KvView& Cache(int32_t sequence, CacheId id) const {
    return bindings_.caches[static_cast<size_t>(sequence)][static_cast<size_t>(id)];
  }
  /// Scratch buffer number `slot` with room for `size` floats.
  float* Scratch(size_t slot, int64_t size);
  const RopeTable& Rope(RowContext& rows, const RopeKey& key);
  /// body(t, worker) for every row t < count, by all threads where `width` values a row, each
  /// touched `touches` times, are worth it.
  template <typename Body>
  void ForRows(int64_t count, int64_t width, int touches, const Body& body) {
    const int64_t grain = std::max<int64_t>(1, kThreadWork / (width * touches));
    team_.ParallelFor(count, grain, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t t = begin; t < end; ++t) body(t, worker);
    });
  }
  /// Room for `size` floats in the scratch of every thread: taken before threads start, so that a
  /// step asks for the same memory whoever does the work.
  void GrowWorkerScratch(int64_t size);
  float* WorkerScratch(int worker) { return worker_scratch_[static_cast<size_t>(worker)].data(); }
  /// r(x) of AltUpRouter for one row of x: out [A]. REQUIRES: worker scratch of `width`.
  void Route(const AltUpRouter& router, const float* x, int64_t width, int worker,
             std::span<float> out);
  /// u * rms(reference) / sqrt(max(mean(u^2), floor)), in place on the rows of u.
  void MatchMagnitude(const float* reference, float* u, int64_t count, int64_t width, float floor);

  const Program& program_;
  ThreadTeam& team_;
  NeuronCopies& neurons_;
  ProductEngine* engine_;  ///< May be null.
  Multiplier multiplier_;
  const RowKernels& row_;
  const AttentionKernels& attention_;
  Bindings bindings_;
  RowContext all_;
  RowContext wanted_;
  const Op* next_ = nullptr;        ///< Behind the op at hand.
  const GatedMlp* made_ = nullptr;  ///< Whose down products are there, but for their rows' factors,
  float mix_ = 1;                   ///< and its AttentionOut's.
  std::vector<Product> products_;   ///< Of the op at hand, that share their input.
  std::vector<uint8_t> dead_;  ///< Neurons of the MLP at hand that no row uses; empty = not known.
  std::vector<std::vector<float>> scratch_;
  std::vector<std::vector<float>> worker_scratch_;
  std::vector<std::vector<TokenLogit>> likeliest_;  ///< Of each thread's logits.
  std::vector<char> numbers_;                       ///< Whether each thread's logits are numbers.
};

}  // namespace tandem::cpu
