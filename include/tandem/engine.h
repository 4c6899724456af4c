// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// An Engine runs one model on the devices of this machine. It is the expensive object: threads,
// buffers, compiled programs. Its sessions are cheap.
//
// Thread-safety: one thread at a time for an Engine and all of its sessions together.
// Ownership: sessions keep what they need of the engine alive, so objects may go in any order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tandem/export.h"
#include "tandem/model.h"
#include "tandem/session.h"

namespace tandem {

/// How keys and values are stored. kAuto: float for models whose attention weights are stored as
/// F32 or BF16 (they are run to check formulas), half for the others. kQ8: 32 signed bytes with a
/// scale in half, for models whose heads are multiples of 32.
enum class KvType {
  kAuto,
  kF32,
  kF16,
  kQ8
};

struct EngineOptions {
  std::string device = "auto";  ///< Device of everything that the two below do not name.
  std::string prefill;          ///< Device of prompts; empty = `device`.
  std::string decode;           ///< Device of single tokens; empty = `device`.
  /// CPU threads, the caller's included. 0 = one per core that the process may use; of parts with
  /// cores of two kinds the fast ones, if there are four or more; no more than a control group's
  /// quota of processor time.
  int threads = 0;
  int gpu = -1;  ///< Number of the Vulkan device; -1 = the best (`tandem doctor`).
  /// Whether a GPU gets the per-layer table, too, which may be larger than all else: without it the
  /// host looks up each token before the GPU can go on. Nothing: where there is room for it.
  std::optional<bool> gpu_table;
  int gpu_ahead = -1;  ///< Steps with tokens that the GPU has drawn itself and that are on their
                       ///< way at once, 0 to 4, where it can do so; -1 = 2, or 3 on a card.
  /// Which NPU it is where prompts go to "npu": "npu1" (Phoenix, Hawk Point) or "npu2"
  /// (Strix, Krackan). The NPU reads prompts only: `device` "npu" decodes on the CPU.
  std::string npu_generation = "npu1";
  /// What multiplies then: "emulator", or "xrt" for the NPU behind AMD's XRT, which was never run
  /// on hardware.
  std::string npu_device = "emulator";
  /// Bytes that weights may take in the NPU's own layout; what does not fit stays with the CPU.
  /// Nothing: 2 GB, or 3 for a model that multiplies more than 1.5 billion weights for each token
  /// of a prompt.
  std::optional<uint64_t> npu_budget = std::nullopt;
  /// Whether each thread that the engine starts stays on one processor, fast cores first. The
  /// caller's own thread is left alone.
  bool pin = false;
  /// Most prompt tokens per step; less where memory asks for it, and 512 instead of this default
  /// where a GPU or an NPU reads prompts.
  int64_t chunk = 256;
  /// Whether the CPU keeps activations in two parts of 8 bits, not one, in front of quantised
  /// weights: results are those of the weights as they are stored, with no rounding of activations
  /// to speak of, for up to twice the multiplications.
  bool precise = false;
  KvType kv = KvType::kAuto;
  bool memory_check = true;  ///< Refuse what cannot fit into memory, before taking any.
  int64_t context = 0;       ///< Longest session planned, for that check; 0 = not known yet.
  /// Model that drafts for replies with Draft::kModel, or nullptr: one of the same vocabulary that
  /// is a good deal smaller, Model::Slice of the engine's own model among them. The engine shares
  /// it, runs it on its own devices, and gives every session a second, hidden one that follows it
  /// where drafts are asked for; that takes keys and values too.
  std::shared_ptr<const Model> draft_model = nullptr;
  /// Told while a device that keeps weights of its own gets them, in bytes of the model. Must not
  /// throw.
  std::function<void(uint64_t done, uint64_t total)> load_progress = nullptr;
};

/// Names that EngineOptions accepts besides "auto".
TANDEM_API std::vector<std::string> DeviceNames();

class TANDEM_API Engine {
 public:
  /// Compiles the model for the devices. Throws Error kInvalidArgument for no model, an unknown
  /// device or an option out of range, kNotFound for a GPU that is not there, kUnsupported for one
  /// that cannot be used, a model of which the NPU would multiply nothing, an op that no device
  /// runs or a draft model of another vocabulary (naming the first difference), kResource without
  /// memory or threads.
  explicit Engine(std::shared_ptr<const Model> model, const EngineOptions& options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Model& model() const noexcept;
  const EngineOptions& options() const noexcept;
  /// "cpu (avx512, 8 threads)": what runs, for people. With more than one device, all.
  std::string Description() const;
  /// Name of the device that decodes.
  std::string DecodeDevice() const;

  /// A new, empty session for up to `context` tokens; 0 means the model's context length. Memory of
  /// the context is taken as it fills. Throws Error kInvalidArgument beyond the model's length,
  /// kResource without memory.
  [[nodiscard]] std::unique_ptr<Session> NewSession(int64_t context = 0);

  struct Impl;
  /// For Tandem's own files.
  Impl& impl() noexcept { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace tandem
