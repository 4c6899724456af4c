// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// An Engine runs one model on the devices of this machine; a Session is one conversation on it:
// its tokens and their keys and values. One thread at a time per Engine and its Sessions; Sessions
// may not outlive their Engine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/model.h"

namespace tandem {

/// How keys and values are stored. kAuto: float for models whose attention weights are stored as
/// F32 or BF16 (they are run to check formulas), half for the others.
enum class KvType {
  kAuto,
  kF32,
  kF16
};

struct EngineOptions {
  std::string device = "auto";  ///< Device of everything that the two below do not name.
  std::string prefill;          ///< Device of prompts; empty = `device`.
  std::string decode;           ///< Device of single tokens; empty = `device`.
  int threads = 0;              ///< CPU threads; 0 = one per available processor.
  int64_t chunk = 256;          ///< Most prompt tokens per step; less where memory asks for it.
  KvType kv = KvType::kAuto;
  bool memory_check = true;  ///< Refuse what cannot fit into memory, before taking any.
  int64_t context = 0;       ///< Longest session planned, for that check; 0 = not known yet.
};

/// Names that EngineOptions accepts besides "auto".
std::vector<std::string> DeviceNames();

class Session;

class Engine {
 public:
  /// Compiles the model for the devices. Throws Error kInvalidArgument for an unknown device or an
  /// option out of range, kUnsupported for an op that no device runs, kResource without threads or
  /// memory.
  Engine(std::shared_ptr<const Model> model, const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Model& model() const;
  const EngineOptions& options() const;
  /// "cpu (scalar reference, 8 threads)": what runs, for people. With more than one device, all.
  std::string Description() const;
  /// Name of the device that decodes.
  std::string DecodeDevice() const;

  /// A new, empty session for up to `context` tokens; 0 means the model's context length. Memory of
  /// the context is taken as it fills. Throws Error kInvalidArgument beyond the model's length,
  /// kResource when that memory is not there.
  std::unique_ptr<Session> NewSession(int64_t context = 0);

  struct Impl;

 private:
  friend class Session;
  std::unique_ptr<Impl> impl_;
};

/// Asked between steps; true stops with Error kCancelled.
using CancelCheck = std::function<bool()>;
/// Called after each step of a long prompt with tokens done and tokens in all.
using StepProgress = std::function<void(int64_t done, int64_t total)>;

class Session {
 public:
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Engine& engine() const;
  /// Most tokens it can hold.
  int64_t context() const;
  /// Tokens so far, deferred ones included.
  const std::vector<int32_t>& tokens() const;
  int64_t remaining() const { return context() - static_cast<int64_t>(tokens().size()); }
  /// Bytes of keys and values when full.
  uint64_t kv_bytes() const;

  /// Runs `ids` after the tokens so far and returns the logits of the last one, [vocab_rows], valid
  /// until the next step of any session of the engine. Throws Error kInvalidArgument (empty, id
  /// outside the vocabulary), kResource (context full), kCancelled; the tokens of completed steps
  /// stay, and so do deferred ones.
  std::span<const float> Append(std::span<const int32_t> ids, const CancelCheck& cancelled = {},
                                const StepProgress& progress = {});
  /// The same with the logits of every id, handed out in order.
  void AppendScored(std::span<const int32_t> ids,
                    const std::function<void(size_t index, std::span<const float> logits)>& row,
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
  std::unique_ptr<Session> Fork();

  /// Writes tokens, keys and values to a file that Load takes, atomically. Throws Error kIo.
  void Save(const std::filesystem::path& path) const;
  /// Replaces everything by a saved session of the same model. Throws Error: kNotFound, kIo,
  /// kCorruptFile, kUnsupported (another model or version), kResource (longer than the context);
  /// the session is then as it was.
  void Load(const std::filesystem::path& path);

 private:
  friend class Engine;
  struct Impl;
  using RowSink = std::function<void(int64_t position, std::span<const float> logits)>;

  explicit Session(std::unique_ptr<Impl> impl);
  void CheckRoom(std::span<const int32_t> ids) const;
  void Run(std::span<const int32_t> ids, bool all_wanted, int64_t chunk, const RowSink& sink,
           const CancelCheck& cancelled, const StepProgress& progress);

  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem
