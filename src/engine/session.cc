// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "engine/api_guard.h"
#include "engine/engine_impl.h"
#include "engine/fingerprint.h"
#include "engine/memory_fit.h"
#include "engine/model_drafter.h"
#include "engine/session_file.h"
#include "tandem/generation.h"

namespace tandem {
namespace {

// Rows whose logits are made at once, and logits at most: 16 rows of Gemma 3n's vocabulary.
constexpr int64_t kScoredRows = 16;
// Where prompts go to a device for many rows: its worth of them, of a small vocabulary more.
constexpr int64_t kManyScoredRows = 64;
constexpr int64_t kScoredLogits = int64_t{1} << 22;

// Positions that a session can go back at no cost, beyond a chunk.
constexpr int64_t kSlack = 64;
static_assert(kSlack >= kMaxDraftTokens, "taking back a draft must never run tokens again");

// Snapshots kept, the newest ones: one of E2B with half keys and values is 16 MB.
constexpr size_t kMaxSnapshots = 8;

using Clock = std::chrono::steady_clock;

// What is logged about has happened: nothing here may throw.
void LogFile(const char* what, const std::filesystem::path& path, size_t tokens,
             Clock::time_point start) noexcept {
  std::error_code error;
  log::Event("session {}: {}, {} tokens, {} bytes, {:.1f} ms", what, path.native(), tokens,
             std::filesystem::file_size(path, error),
             std::chrono::duration<double, std::milli>(Clock::now() - start).count());
}

// Of the weights of the first attention.
DType AttentionType(const Program& program) {
  for (const Op& op : program.ops) {
    if (const auto* qkv = std::get_if<QkvProject>(&op.body)) return qkv->query.type;
  }
  return DType::kF32;
}

}  // namespace

DType KvElementType(const ModelData& data, KvType kv) {
  if (kv == KvType::kF32) return DType::kF32;
  if (kv == KvType::kF16) return DType::kF16;
  if (kv == KvType::kQ8) {
    if (const int head_dim = data.params().head_dim; head_dim % 32 != 0) {
      throw Error(
          ErrorKind::kUnsupported,
          fmt::format("keys and values in q8_0 need heads of a multiple of 32: this model's "
                      "have {}",
                      head_dim),
          "use f16");
    }
    return DType::kQ8_0;
  }
  const DType stored = AttentionType(data.decode);
  return stored == DType::kF32 || stored == DType::kBF16 ? DType::kF32 : DType::kF16;
}

KvShape SessionKvShape(const ModelData& data, int64_t context, KvType kv, int64_t chunk) {
  return {context, chunk, kSlack, KvElementType(data, kv)};
}

std::unique_ptr<Session> Engine::NewSession(int64_t context) {
  return AtBorder([&] {
    const int64_t longest = model().context_length();
    if (context < 0 || context > longest) {
      throw Error(
          ErrorKind::kInvalidArgument,
          fmt::format("a context of {} tokens: this model has at most {}", context, longest));
    }
    if (context == 0) context = longest;
    if (impl_->options.memory_check) {
      uint64_t held = impl_->prefill->buffer_bytes() + impl_->decode->buffer_bytes();
      if (impl_->draft != nullptr) {
        held += impl_->draft->prefill->buffer_bytes() + impl_->draft->decode->buffer_bytes();
      }
      RequireMemory(model(), impl_->options, context, held);
    }
    const auto make = [](const std::shared_ptr<Impl>& engine, int64_t length) {
      const ModelData& its = engine->model->data();
      const EngineOptions& options = engine->options;
      KvStore kv(its.decode, SessionKvShape(its, length, options.kv, options.chunk));
      log::Event("new session: {} tokens, keys and values {}, {} bytes when full", length,
                 DTypeName(kv.shape().type), KvBytes(its.decode, kv.shape()));
      return std::make_unique<Session::Impl>(engine, std::move(kv));
    };
    auto session = make(impl_, context);
    if (impl_->draft != nullptr) {
      auto draft = make(impl_->draft, std::min(context, impl_->draft->model->context_length()));
      session->draft.reset(new Session(std::move(draft)));
    }
    return std::unique_ptr<Session>(new Session(std::move(session)));
  });
}

void Session::Impl::CheckRoom(std::span<const int32_t> ids) const {
  const Model& model = *engine->model;
  const int64_t vocab = model.vocab_rows();
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("token id {} is outside the vocabulary of {}", id, vocab));
    }
  }
  if (static_cast<int64_t>(ids.size()) > remaining()) {
    const int64_t context = kv.shape().context;
    throw Error(ErrorKind::kResource,
                fmt::format("{} tokens do not fit: the context of {} has room for {}", ids.size(),
                            context, remaining()),
                context < model.context_length()
                    ? "shorten the text, or ask for a longer context with --ctx"
                    : "shorten the text: the model has no longer context");
  }
}

void Session::Impl::Run(std::span<const int32_t> ids, bool all_wanted, int64_t chunk,
                        const RowSink& sink, const CancelCheck& cancelled,
                        const StepProgress& progress) {
  const auto before = static_cast<int64_t>(tokens.size());
  tokens.insert(tokens.end(), ids.begin(), ids.end());
  const auto total = static_cast<int64_t>(tokens.size());
  const int64_t first = kv.end();
  const std::span<const KvView> views = kv.views();
  const auto vocab = static_cast<size_t>(engine->model->vocab_rows());
  std::vector<StepRow> rows;
  try {
    while (kv.end() < total) {
      if (cancelled && cancelled()) throw Error(ErrorKind::kCancelled, "cancelled");
      const int64_t count = std::min(chunk, total - kv.end());
      rows.clear();
      for (int64_t position = kv.end(); position < kv.end() + count; ++position) {
        rows.push_back({tokens[static_cast<size_t>(position)], static_cast<int32_t>(position), 0,
                        all_wanted || position + 1 == total});
      }
      // A single row that is not the last comes of a chunk length of 1.
      if (count == 1) rows[0].wanted = true;
      Phase* phase = all_wanted || count == 1 ? engine->decode.get() : engine->prefill.get();
      if (all_wanted) {
        if (Phase* scoring = engine->Scoring(count)) phase = scoring;
      }
      kv.BeginStep(count);
      const auto logits = phase->Run({&views, 1}, rows);
      size_t row = 0;
      for (const StepRow& step : rows) {
        if (step.wanted) sink(step.position, logits.subspan(row++ * vocab, vocab));
      }
      kv.EndStep(count);
      if (progress) progress(kv.end() - first, total - first);
    }
  } catch (...) {
    // Of `ids`, what has not run is forgotten, so that a caller may go on or try again. Tokens that
    // were deferred before stay so.
    tokens.resize(static_cast<size_t>(std::max(before, kv.end())));
    throw;
  }
}

// The one place that decides how to go back: by truncation while the rings hold enough, else from
// the last snapshot before that point, else from the start. What lies between runs again with the
// next step, so going back itself never waits.
void Session::Impl::Rewind(int64_t count) {
  if (count < 0 || count > static_cast<int64_t>(tokens.size())) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("cannot go back to {} tokens: the session has {}", count, tokens.size()));
  }
  while (!snapshots.empty() && snapshots.back()->position > count) snapshots.pop_back();
  tokens.resize(static_cast<size_t>(count));
  if (count >= kv.end()) return;
  if (kv.Holds(count)) {
    kv.Truncate(count);
  } else if (!snapshots.empty()) {
    kv.Restore(*snapshots.back());
  } else {
    kv.Clear();
  }
}

void Session::Impl::TrimDraft() { draft->Rewind(CommonLength(draft->tokens(), tokens)); }

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

const Model& Session::model() const noexcept { return *impl_->engine->model; }
int64_t Session::context() const noexcept { return impl_->kv.shape().context; }
const std::vector<int32_t>& Session::tokens() const noexcept { return impl_->tokens; }
uint64_t Session::kv_bytes() const {
  return AtBorder([&] {
    return KvBytes(impl_->data().decode, impl_->kv.shape()) +
           (impl_->draft == nullptr ? 0 : impl_->draft->kv_bytes());
  });
}

std::span<const float> Session::Append(std::span<const int32_t> ids, const CancelCheck& cancelled,
                                       const StepProgress& progress) {
  return AtBorder([&] {
    if (ids.empty()) throw Error(ErrorKind::kInvalidArgument, "there are no tokens to run");
    impl_->CheckRoom(ids);
    std::span<const float> last;
    impl_->Run(
        ids, false, impl_->engine->options.chunk,
        [&](int64_t, std::span<const float> logits) { last = logits; }, FromCaller(cancelled),
        FromCaller(progress));
    return last;
  });
}

void Session::AppendScored(std::span<const int32_t> ids, const LogitsSink& row,
                           const CancelCheck& cancelled) {
  AtBorder([&] {
    if (!row) throw Error(ErrorKind::kInvalidArgument, "there is no sink for the logits");
    if (ids.empty()) return;
    impl_->CheckRoom(ids);
    const auto first = static_cast<int64_t>(impl_->tokens.size());
    const LogitsSink sink = FromCaller(row);
    const int64_t chunk = impl_->engine->options.chunk;
    int64_t rows = std::clamp(kScoredLogits / model().vocab_rows(), int64_t{1}, kScoredRows);
    if (impl_->engine->Scoring(std::min(static_cast<int64_t>(ids.size()), chunk)) != nullptr) {
      rows = std::max(kManyScoredRows, kScoredLogits / model().vocab_rows());
    }
    impl_->Run(ids, true, std::min(rows, chunk),
               [&](int64_t position, std::span<const float> logits) {
                 if (position >= first) sink(static_cast<size_t>(position - first), logits);
               },
               FromCaller(cancelled), {});
  });
}

void Session::Defer(int32_t id) {
  AtBorder([&] {
    impl_->CheckRoom({&id, 1});
    impl_->tokens.push_back(id);
  });
}

void Session::Reset() { Rewind(0); }

void Session::Rewind(int64_t count) {
  AtBorder([&] { impl_->Rewind(count); });
}

void Session::MarkTurn() {
  AtBorder([&] {
    auto& snapshots = impl_->snapshots;
    if (impl_->draft != nullptr) {
      impl_->TrimDraft();
      impl_->draft->MarkTurn();
    }
    const int64_t position = impl_->kv.end();
    if (position == 0 || (!snapshots.empty() && snapshots.back()->position == position)) return;
    auto snapshot = std::make_shared<const KvSnapshot>(impl_->kv.TakeSnapshot());
    if (snapshots.size() == kMaxSnapshots) snapshots.erase(snapshots.begin());
    snapshots.push_back(std::move(snapshot));
  });
}

std::unique_ptr<Session> Session::Fork() {
  return AtBorder([&] {
    auto copy =
        std::make_unique<Impl>(impl_->engine, impl_->kv.Fork(), impl_->tokens, impl_->snapshots);
    if (impl_->draft != nullptr) copy->draft = impl_->draft->Fork();
    return std::unique_ptr<Session>(new Session(std::move(copy)));
  });
}

void Session::Save(const std::filesystem::path& path) const {
  AtBorder([&] {
    const auto start = Clock::now();
    const ModelData& data = impl_->data();
    WriteSession(path, data.decode, ModelFingerprint(data), impl_->tokens, impl_->kv);
    LogFile("saved", path, impl_->tokens.size(), start);
  });
}

void Session::Load(const std::filesystem::path& path) {
  AtBorder([&] {
    const auto start = Clock::now();
    const ModelData& data = impl_->data();
    KvStore kv(data.decode, impl_->kv.shape());
    std::vector<int32_t> loaded = ReadSession(path, data.decode, ModelFingerprint(data), kv);
    impl_->kv = std::move(kv);
    impl_->tokens = std::move(loaded);
    impl_->snapshots.clear();
    LogFile("loaded", path, impl_->tokens.size(), start);
  });
}

}  // namespace tandem
