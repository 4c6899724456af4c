// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A Session is one conversation: its tokens, their keys and values.
//
// Thread-safety: one thread at a time for an Engine and all of its sessions together.
// Errors: after any Error a session holds a prefix of what it was to hold and can be used on; what
// a callback throws ends the call in the same way and comes out as it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "tandem/export.h"
#include "tandem/model.h"

namespace tandem {

class Engine;

/// Asked between steps; true stops with Error kCancelled.
using CancelCheck = std::function<bool()>;
/// Called after each step of a long prompt with tokens done and tokens in all.
using StepProgress = std::function<void(int64_t done, int64_t total)>;
/// Gets the logits, [vocab_rows], of the index-th id.
using LogitsSink = std::function<void(size_t index, std::span<const float> logits)>;

class TANDEM_API Session {
 public:
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Model& model() const noexcept;
  /// Most tokens it can hold.
  int64_t context() const noexcept;
  /// Tokens so far, deferred ones included.
  const std::vector<int32_t>& tokens() const noexcept;
  int64_t remaining() const noexcept { return context() - static_cast<int64_t>(tokens().size()); }
  /// Bytes of keys and values when full, those of the engine's draft model included.
  uint64_t kv_bytes() const;

  /// Runs `ids` after the tokens so far and returns the logits of the last one, [vocab_rows], valid
  /// until the next step of any session of the engine. Throws Error kInvalidArgument (empty, id
  /// outside the vocabulary), kResource (context full, no memory), kCancelled; the tokens of
  /// completed steps stay, and so do deferred ones.
  std::span<const float> Append(std::span<const int32_t> ids, const CancelCheck& cancelled = {},
                                const StepProgress& progress = {});
  /// The same with the logits of every id, handed out in order.
  void AppendScored(std::span<const int32_t> ids, const LogitsSink& row,
                    const CancelCheck& cancelled = {});
  /// Adds a token that will be run with the next Append: a reply's last token needs no logits until
  /// something follows it.
  void Defer(int32_t id);
  /// Forgets everything.
  void Reset();

  /// Keeps the first `count` tokens. Never waits: where the keys and values that windowed layers
  /// need are gone, tokens since the last marked turn (or the start) become deferred and run again
  /// with the next Append. Throws Error kInvalidArgument beyond the tokens so far.
  void Rewind(int64_t count);
  /// Remembers this point, so that going back to it or a little beyond it stays cheap; the last few
  /// are kept. Call it at turn ends.
  void MarkTurn();
  /// A session with the same tokens that goes its own way. Memory is shared until one of the two
  /// writes to it.
  [[nodiscard]] std::unique_ptr<Session> Fork();

  /// Writes tokens, keys and values to a file that Load takes, atomically: a failure leaves what
  /// was there. Replaces a saved session and nothing else. Throws Error kIo, kResource,
  /// kInvalidArgument where another kind of file lies.
  void Save(const std::filesystem::path& path) const;
  /// Replaces everything by a saved session of the same model: one with the same metadata and
  /// tensors; values of weights are not compared. Throws Error: kNotFound, kIo,
  /// kCorruptFile, kUnsupported (another model or version), kResource (longer than the context);
  /// the session is then as it was.
  void Load(const std::filesystem::path& path);

  struct Impl;
  /// For Tandem's own files.
  Impl& impl() noexcept { return *impl_; }

 private:
  friend class Engine;
  explicit Session(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem
