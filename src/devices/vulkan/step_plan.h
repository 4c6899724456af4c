// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where everything of a recorded step lies: activations and scratch in a workspace, what the host
// writes for every step in an upload slice, what it reads in a readback slice. A plan is filled by
// lowering the ops once without memory, then given memory (Place), then used for recording; all
// addresses are fixed from there on, so that a step is replayed by writing the upload slice.
#pragma once

#include <cstdint>
#include <vector>

#include "devices/vulkan/recorder.h"
#include "program/program.h"

namespace tandem::vulkan {

/// As the kernels see a row (shaders/step.glsl).
struct RowWords {
  uint32_t token, position, sequence, source;
};
/// As they see where a sequence's copy of a cache lies.
struct CacheWords {
  uint64_t keys = 0, values = 0;
  uint32_t capacity = 1;
  uint32_t newest = 0;  ///< Of a step of one token: its slot.
  uint32_t unused[2] = {};
};

/// What kernels for one token find in one place.
struct SoloWords {
  uint32_t position = 0, unused[3] = {};
};

/// Bytes of the numbers that a token is drawn by (vulkan/drawing.h).
inline constexpr uint64_t kDrawParamBytes = 64;

/// Sequences that a step may hold at most.
inline constexpr uint64_t kMaxSequences = 16;

class StepPlan {
 public:
  /// Of the angles: position * (base^(-2 i / dims) / factor).
  struct Turns {
    float base = 0;
    float factor = 1;
    bool operator==(const Turns&) const = default;
  };
  struct Rope {
    RowSet rows;
    Turns turns;
    int dims;
    uint64_t offset;  ///< Of [rows, cosines then sines] in the upload slice.
    std::vector<float> frequencies;
  };
  /// A value, or rows of a table, that the host writes or reads.
  struct HostValue {
    ValueId id;
    uint64_t offset;
    uint64_t bytes;
    const PleGather* gather;  ///< What makes it; null: the bound buffer of the value.
  };
  /// Keys or values that the step has made: [rows, width].
  struct KvOut {
    CacheId cache;
    RowSet rows;
    bool values;
    uint64_t offset;  ///< In KvOuts().
  };

  StepPlan(const Program& program, uint64_t rows, uint64_t wanted);

  uint64_t Rows(RowSet set) const { return set == RowSet::kAll ? rows_ : wanted_; }
  /// Number of the set's first row in the table of rows.
  uint64_t FirstRow(RowSet set) const { return set == RowSet::kAll ? 0 : rows_; }

  // While ops are lowered. Tensors have no buffer before Place().
  Tensor Value(ValueId id) const;
  uint64_t PlaneElements(ValueId id) const;
  /// Scratch number `slot` with room for `bytes`.
  Tensor Scratch(size_t slot, uint64_t bytes);
  /// All that the host writes.
  Tensor Uploads() const { return upload_; }
  /// All activations and scratch.
  Tensor Workspace() const { return workspace_; }
  Tensor RowTable() const { return Upload(0, row_bytes_); }
  Tensor CacheTable() const { return Upload(row_bytes_, cache_bytes_); }
  /// Of the only row of a set: SoloWords, then the CacheWords of its sequence.
  Tensor SoloTable(RowSet set) const { return Upload(solo_offset(set), solo_bytes_); }
  /// kDrawParamBytes.
  Tensor DrawTable() const { return Upload(draw_offset(), kDrawParamBytes); }
  Tensor RopeOf(RowSet set, const Turns& turns, int dims);
  /// A value that the host brings (as bound, or gathered) or takes.
  Tensor FromHost(ValueId id, const PleGather* gather);
  Tensor ToHost(ValueId id);
  /// Where a step's own keys or values are put for the host. They lie on the device, and are copied
  /// to it together: CopyKvOuts.
  Tensor KvToHost(CacheId cache, RowSet set, bool values, uint64_t bytes);
  Tensor KvOuts() const;
  /// Where in the readback slice all of KvOuts() goes.
  Tensor KvReadback() const;

  /// Where what a step has drawn goes: `bytes` of the readback slice.
  Tensor DrawnToHost(uint64_t bytes);
  uint64_t drawn_offset() const { return drawn_offset_; }

  uint64_t workspace_bytes() const;
  uint64_t upload_bytes() const { return upload_bytes_; }
  uint64_t readback_bytes() const { return readback_bytes_ + kv_bytes_; }
  /// Fixes all addresses. What was asked for so far may be asked for again, in any order.
  void Place(const Slice& workspace, const Slice& upload, const Slice& readback);

  uint64_t caches_offset() const { return row_bytes_; }
  uint64_t solo_offset(RowSet set) const {
    return row_bytes_ + cache_bytes_ + (set == RowSet::kAll ? 0 : solo_bytes_);
  }
  uint64_t draw_offset() const { return solo_offset(RowSet::kWanted) + solo_bytes_; }
  const std::vector<Rope>& ropes() const { return ropes_; }
  const std::vector<HostValue>& from_host() const { return from_host_; }
  const std::vector<HostValue>& to_host() const { return to_host_; }
  const std::vector<KvOut>& kv_outs() const { return kv_outs_; }

 private:
  Tensor Upload(uint64_t offset, uint64_t bytes) const;
  uint64_t TakeUpload(uint64_t bytes);
  uint64_t TakeReadback(uint64_t bytes);
  uint64_t ValueBytes(ValueId id) const;

  const Program& program_;
  uint64_t rows_;
  uint64_t wanted_;
  uint64_t row_bytes_;
  uint64_t cache_bytes_;
  uint64_t solo_bytes_;
  std::vector<uint64_t> values_;  ///< Offsets in the workspace.
  uint64_t value_bytes_ = 0;
  std::vector<uint64_t> scratch_;          ///< Bytes of each.
  std::vector<uint64_t> scratch_offsets_;  ///< Once placed.
  uint64_t upload_bytes_ = 0;
  uint64_t readback_bytes_ = 0;  ///< Of values; keys and values come after them.
  uint64_t kv_bytes_ = 0;
  uint64_t drawn_offset_ = 0;  ///< In the readback slice.
  uint64_t drawn_bytes_ = 0;   ///< 0: nothing is drawn.
  std::vector<Rope> ropes_;
  std::vector<HostValue> from_host_, to_host_;
  std::vector<KvOut> kv_outs_;
  Tensor workspace_, upload_, readback_;
};

}  // namespace tandem::vulkan
