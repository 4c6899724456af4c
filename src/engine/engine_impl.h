// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What Engine and Session hide.
#pragma once

#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "devices/device.h"
#include "engine/engine.h"
#include "engine/model_data.h"
#include "placement/placement.h"

namespace tandem {

/// A Program placed on devices, with the buffers of its values. Buffers grow to the largest step.
class Phase {
 public:
  Phase(const Program& program, std::span<Device* const> devices, size_t preferred, size_t fallback,
        const ShapeClass& shape);

  /// Runs one step. Logits of the wanted rows: [wanted, vocab_rows], valid until the next step.
  std::span<const float> Run(std::span<const std::span<const KvView>> caches,
                             std::span<const StepRow> rows);

  const std::vector<PlacedSpan>& placement() const { return placement_; }

 private:
  const Program& program_;
  std::vector<PlacedSpan> placement_;
  std::vector<std::unique_ptr<Segment>> segments_;
  std::vector<std::vector<float>> buffers_;
  std::vector<float*> pointers_;
};

/// Keys and values of one session: per cache tensor of the Program, a ring for windowed layers and
/// the whole context for the others. Pages are taken from the system as they fill.
class KvStorage {
 public:
  /// Rings hold window - 1 + `chunk` positions, or the context when that is less.
  KvStorage(const Program& program, int64_t context, int64_t chunk, DType type);

  std::span<const KvView> views() const { return views_; }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };

  std::vector<std::unique_ptr<std::byte[], Free>> memory_;
  std::vector<KvView> views_;
  uint64_t bytes_ = 0;
};

/// Bytes of keys and values of a session, without making one.
uint64_t KvBytes(const Program& program, int64_t context, int64_t chunk, DType type);

/// The element type that `kv` means for this model.
DType KvElementType(const ModelData& data, KvType kv);

struct Engine::Impl {
  std::shared_ptr<const Model> model;
  EngineOptions options;
  std::vector<std::unique_ptr<Device>> devices;
  size_t decode_device = 0;
  size_t prefill_device = 0;
  std::unique_ptr<Phase> decode;
  std::unique_ptr<Phase> prefill;
};

struct Session::Impl {
  Engine& engine;
  int64_t context;
  KvStorage kv;
  std::vector<int32_t> tokens;
  int64_t done = 0;  ///< Tokens that have run; the rest of `tokens` is deferred.
};

}  // namespace tandem
