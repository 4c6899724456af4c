// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What Engine and Session hide.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "devices/device.h"
#include "engine/draft_plan.h"
#include "engine/kv_store.h"
#include "engine/model_data.h"
#include "engine/op_work.h"
#include "placement/placement.h"
#include "tandem/engine.h"

namespace tandem {

struct NpuOptions;

/// A Program placed on devices, with the buffers of its values. Buffers grow to the largest step.
class Phase {
 public:
  Phase(const Program& program, std::span<Device* const> devices, size_t preferred, size_t fallback,
        const ShapeClass& shape);

  /// Runs one step. Logits of the wanted rows: [wanted, vocab_rows], valid until the next step.
  std::span<const float> Run(std::span<const std::span<const KvView>> caches,
                             std::span<const StepRow> rows);

  /// Steps that draw (devices/draw.h) and may be on their way at once; 0: it has none.
  int StepsAhead() const;
  /// Submits one that runs `row`. `caches` and what `request` refers to must live until its fence,
  /// or until another step has run.
  Fence Start(std::span<const std::span<const KvView>> caches, const StepRow& row,
              const DrawRequest& request);

  /// Adds every step from now on to `steps`, with the times of its ops; null ends that.
  void RecordInto(std::vector<StepTimes>* steps) { steps_ = steps; }

  /// Bytes that its buffers hold by now.
  uint64_t buffer_bytes() const {
    uint64_t bytes = 0;
    for (const std::vector<float>& buffer : buffers_) bytes += buffer.size() * sizeof(float);
    return bytes;
  }

 private:
  /// Makes room for the values of a step.
  void Reserve(size_t rows, size_t wanted);

  const Program& program_;
  std::vector<PlacedSpan> placement_;
  std::vector<std::unique_ptr<Segment>> segments_;
  std::vector<std::vector<float>> buffers_;
  std::vector<float*> pointers_;
  std::vector<StepTimes>* steps_ = nullptr;
};

/// The name of the device of prompts.
inline const std::string& PromptDevice(const EngineOptions& options) {
  return options.prefill.empty() ? options.device : options.prefill;
}
/// Of the NPU that reads prompts of `program`.
NpuOptions NpuOptionsOf(const EngineOptions& options, const Program& program);

/// The element type that `kv` means for this model.
DType KvElementType(const ModelData& data, KvType kv);
/// Bytes of the activations of a prefill step of `chunk` rows.
uint64_t ActivationBytes(const ModelData& data, int64_t chunk);

/// Keys and values of a session of `context` tokens.
KvShape SessionKvShape(const ModelData& data, int64_t context, KvType kv, int64_t chunk);

struct [[gnu::visibility("hidden")]] Engine::Impl {
  std::shared_ptr<const Model> model;
  EngineOptions options;
  std::vector<std::shared_ptr<Device>> devices;  ///< Shared with `draft`: one team of threads.
  size_t decode_device = 0;
  size_t prefill_device = 0;
  std::unique_ptr<Phase> decode;
  std::unique_ptr<Phase> prefill;
  /// Of many rows that are all wanted, on the device of prompts where that one is made for many
  /// rows; else null, and `decode` runs them. Compiled when it is first asked for.
  Phase* Scoring(int64_t rows);
  std::unique_ptr<Phase> scoring;
  std::shared_ptr<Engine::Impl> draft;  ///< Runs options.draft_model; may be null.
  DraftCosts draft_costs;
  std::vector<uint32_t> banned;   ///< A bit for each id: sampling never returns it.
  std::atomic_flag draft_warned;  ///< That drafts cannot pay has been said.
};

struct [[gnu::visibility("hidden")]] Session::Impl {
  Impl(std::shared_ptr<Engine::Impl> its_engine, KvStore its_kv,
       std::vector<int32_t> its_tokens = {},
       std::vector<std::shared_ptr<const KvSnapshot>> its_snapshots = {})
      : engine(std::move(its_engine)),
        kv(std::move(its_kv)),
        tokens(std::move(its_tokens)),
        snapshots(std::move(its_snapshots)) {}

  /// Of the only sequence. Valid while this lives.
  std::span<const std::span<const KvView>> views() {
    bound_views = kv.views();
    return {&bound_views, 1};
  }

  using RowSink = std::function<void(int64_t position, std::span<const float> logits)>;

  /// Throws Error as Session::Append.
  void CheckRoom(std::span<const int32_t> ids) const;
  /// Adds `ids`, runs all tokens that have not run yet, in steps of at most `chunk`, and hands out
  /// the logits of the last one, or of all.
  void Run(std::span<const int32_t> ids, bool all_wanted, int64_t chunk, const RowSink& sink,
           const CancelCheck& cancelled, const StepProgress& progress);
  /// See Session::Rewind.
  void Rewind(int64_t count);

  /// Lets the draft session hold nothing that this one does not.
  void TrimDraft();

  const ModelData& data() const { return engine->model->data(); }
  int64_t remaining() const { return kv.shape().context - static_cast<int64_t>(tokens.size()); }

  std::shared_ptr<Engine::Impl> engine;
  KvStore kv;                           ///< Holds the tokens that have run: [0, kv.end()).
  std::span<const KvView> bound_views;  ///< See views().
  std::vector<int32_t> tokens;          ///< Those, and deferred ones.
  /// Marked turn ends, by position. Forks share them.
  std::vector<std::shared_ptr<const KvSnapshot>> snapshots;
  /// Of the engine's draft model; null without one. Follows this one when a draft is asked for, so
  /// until then it may be behind, or hold what has been taken back here.
  std::unique_ptr<Session> draft;
};

}  // namespace tandem
