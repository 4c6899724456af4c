// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "engine/engine_impl.h"

namespace tandem {
namespace {

// Rows whose logits are made at once: 16 of the full vocabulary are 17 MB.
constexpr int64_t kScoredRows = 16;

int64_t Capacity(const CacheTensor& cache, int64_t context, int64_t chunk) {
  return cache.window > 0 ? std::min(context, cache.window - 1 + chunk) : context;
}

}  // namespace

uint64_t KvBytes(const Program& program, int64_t context, int64_t chunk, DType type) {
  uint64_t bytes = 0;
  for (const CacheTensor& cache : program.caches) {
    bytes +=
        2 * static_cast<uint64_t>(Capacity(cache, context, chunk)) * RowBytes(type, cache.width());
  }
  return bytes;
}

KvStorage::KvStorage(const Program& program, int64_t context, int64_t chunk, DType type) {
  bytes_ = KvBytes(program, context, chunk, type);
  for (const CacheTensor& cache : program.caches) {
    KvView view;
    view.type = type;
    view.width = cache.width();
    view.capacity = Capacity(cache, context, chunk);
    const auto half = static_cast<size_t>(view.capacity) * RowBytes(type, view.width);
    // calloc leaves large blocks untouched until they are used.
    auto* data = static_cast<std::byte*>(std::calloc(2, half));
    if (data == nullptr) {
      throw Error(ErrorKind::kResource,
                  fmt::format("no memory for the keys and values of {} tokens: {} MB", context,
                              bytes_ >> 20),
                  "ask for a shorter context with --ctx");
    }
    memory_.emplace_back(data);
    view.keys = data;
    view.values = data + half;
    views_.push_back(view);
  }
}

DType KvElementType(const ModelData& data, KvType kv) {
  if (kv == KvType::kF32) return DType::kF32;
  if (kv == KvType::kF16) return DType::kF16;
  const DType stored = data.weights.layers[0].query.type;
  return stored == DType::kF32 || stored == DType::kBF16 ? DType::kF32 : DType::kF16;
}

std::unique_ptr<Session> Engine::NewSession(int64_t context) {
  const int64_t longest = model().context_length();
  if (context < 0 || context > longest) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a context of {} tokens: this model has at most {}", context, longest));
  }
  if (context == 0) context = longest;
  const ModelData& data = model().data();
  KvStorage kv(data.decode, context, impl_->options.chunk, KvElementType(data, impl_->options.kv));
  auto session =
      std::make_unique<Session::Impl>(Session::Impl{*this, context, std::move(kv), {}, 0});
  return std::unique_ptr<Session>(new Session(std::move(session)));
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

const Engine& Session::engine() const { return impl_->engine; }
int64_t Session::context() const { return impl_->context; }
const std::vector<int32_t>& Session::tokens() const { return impl_->tokens; }
uint64_t Session::kv_bytes() const { return impl_->kv.bytes(); }

void Session::CheckRoom(std::span<const int32_t> ids) const {
  const int64_t vocab = engine().model().vocab_rows();
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("token id {} is outside the vocabulary of {}", id, vocab));
    }
  }
  if (static_cast<int64_t>(ids.size()) > remaining()) {
    throw Error(ErrorKind::kResource,
                fmt::format("{} tokens do not fit: the context of {} has room for {}", ids.size(),
                            context(), remaining()),
                "shorten the text, or ask for a longer context with --ctx");
  }
}

// Adds `ids`, runs all tokens that have not run yet, in steps of at most `chunk`, and hands out the
// logits of the last one, or of all.
void Session::Run(std::span<const int32_t> ids, bool all_wanted, int64_t chunk, const RowSink& sink,
                  const CancelCheck& cancelled, const StepProgress& progress) {
  const auto before = static_cast<int64_t>(impl_->tokens.size());
  impl_->tokens.insert(impl_->tokens.end(), ids.begin(), ids.end());
  Engine::Impl& engine = *impl_->engine.impl_;
  const auto total = static_cast<int64_t>(impl_->tokens.size());
  const int64_t first = impl_->done;
  const std::span<const KvView> views = impl_->kv.views();
  const auto vocab = static_cast<size_t>(this->engine().model().vocab_rows());
  std::vector<StepRow> rows;
  try {
    while (impl_->done < total) {
      if (cancelled && cancelled()) throw Error(ErrorKind::kCancelled, "cancelled");
      const int64_t count = std::min(chunk, total - impl_->done);
      rows.clear();
      for (int64_t position = impl_->done; position < impl_->done + count; ++position) {
        rows.push_back({impl_->tokens[static_cast<size_t>(position)],
                        static_cast<int32_t>(position), 0, all_wanted || position + 1 == total});
      }
      // A single row that is not the last comes of a chunk length of 1.
      if (count == 1) rows[0].wanted = true;
      Phase& phase = all_wanted || count == 1 ? *engine.decode : *engine.prefill;
      const auto logits = phase.Run({&views, 1}, rows);
      size_t row = 0;
      for (const StepRow& step : rows) {
        if (step.wanted) sink(step.position, logits.subspan(row++ * vocab, vocab));
      }
      impl_->done += count;
      if (progress) progress(impl_->done - first, total - first);
    }
  } catch (...) {
    // Of `ids`, what has not run is forgotten, so that a caller may go on or try again. Tokens that
    // were deferred before stay so.
    impl_->tokens.resize(static_cast<size_t>(std::max(before, impl_->done)));
    throw;
  }
}

std::span<const float> Session::Append(std::span<const int32_t> ids, const CancelCheck& cancelled,
                                       const StepProgress& progress) {
  if (ids.empty()) throw Error(ErrorKind::kInvalidArgument, "there are no tokens to run");
  CheckRoom(ids);
  std::span<const float> last;
  Run(
      ids, false, impl_->engine.options().chunk,
      [&](int64_t, std::span<const float> logits) { last = logits; }, cancelled, progress);
  return last;
}

void Session::AppendScored(
    std::span<const int32_t> ids,
    const std::function<void(size_t index, std::span<const float> logits)>& row,
    const CancelCheck& cancelled) {
  if (ids.empty()) return;
  CheckRoom(ids);
  const auto first = static_cast<int64_t>(impl_->tokens.size());
  Run(ids, true, std::min(kScoredRows, impl_->engine.options().chunk),
      [&](int64_t position, std::span<const float> logits) {
        if (position >= first) row(static_cast<size_t>(position - first), logits);
      },
      cancelled, {});
}

void Session::Defer(int32_t id) {
  CheckRoom({&id, 1});
  impl_->tokens.push_back(id);
}

void Session::Reset() {
  impl_->tokens.clear();
  impl_->done = 0;
}

}  // namespace tandem
