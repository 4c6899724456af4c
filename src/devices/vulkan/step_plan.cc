// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/step_plan.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tandem::vulkan {
namespace {

uint64_t Aligned(uint64_t bytes) { return (bytes + 255) / 256 * 256; }

}  // namespace

StepPlan::StepPlan(const Program& program, uint64_t rows, uint64_t wanted)
    : program_(program), rows_(rows), wanted_(wanted) {
  row_bytes_ = Aligned((rows + wanted) * sizeof(RowWords));
  cache_bytes_ =
      Aligned(kMaxSequences * std::max<size_t>(1, program.caches.size()) * sizeof(CacheWords));
  solo_bytes_ = Aligned(sizeof(SoloWords) + program.caches.size() * sizeof(CacheWords));
  upload_bytes_ = row_bytes_ + cache_bytes_ + 2 * solo_bytes_ + Aligned(kDrawParamBytes);
  for (size_t i = 0; i < program.values.size(); ++i) {
    values_.push_back(value_bytes_);
    value_bytes_ += Aligned(ValueBytes(static_cast<ValueId>(i)));
  }
}

uint64_t StepPlan::ValueBytes(ValueId id) const {
  const tandem::Value& value = program_.values[static_cast<size_t>(id)];
  return static_cast<uint64_t>(value.planes) * PlaneElements(id) * sizeof(float);
}

uint64_t StepPlan::PlaneElements(ValueId id) const {
  const tandem::Value& value = program_.values[static_cast<size_t>(id)];
  return Rows(value.rows) * static_cast<uint64_t>(value.width);
}

Tensor StepPlan::Value(ValueId id) const {
  return {workspace_.buffer, workspace_.offset + values_[static_cast<size_t>(id)],
          std::max<uint64_t>(ValueBytes(id), sizeof(float))};
}

Tensor StepPlan::Scratch(size_t slot, uint64_t bytes) {
  bytes = std::max<uint64_t>(bytes, sizeof(float));  // a binding reaches something
  if (scratch_.size() <= slot) scratch_.resize(slot + 1, 0);
  scratch_[slot] = std::max(scratch_[slot], Aligned(bytes));
  if (scratch_offsets_.empty()) return {};
  return {workspace_.buffer, workspace_.offset + scratch_offsets_[slot], bytes};
}

Tensor StepPlan::Upload(uint64_t offset, uint64_t bytes) const {
  return {upload_.buffer, upload_.offset + offset, bytes};
}

uint64_t StepPlan::TakeUpload(uint64_t bytes) {
  const uint64_t offset = upload_bytes_;
  upload_bytes_ += Aligned(bytes);
  return offset;
}

uint64_t StepPlan::TakeReadback(uint64_t bytes) {
  const uint64_t offset = readback_bytes_;
  readback_bytes_ += Aligned(bytes);
  return offset;
}

Tensor StepPlan::RopeOf(RowSet set, const Turns& turns, int dims) {
  const uint64_t bytes = Rows(set) * static_cast<uint64_t>(dims) * sizeof(float);
  for (const Rope& rope : ropes_) {
    if (rope.rows == set && rope.turns == turns && rope.dims == dims) {
      return Upload(rope.offset, bytes);
    }
  }
  std::vector<float> frequencies;
  for (int i = 0; i < dims / 2; ++i) {
    const double power = std::pow(static_cast<double>(turns.base), -2.0 * i / dims);
    frequencies.push_back(static_cast<float>(power) / turns.factor);
  }
  ropes_.push_back({set, turns, dims, TakeUpload(bytes), std::move(frequencies)});
  return Upload(ropes_.back().offset, bytes);
}

Tensor StepPlan::FromHost(ValueId id, const PleGather* gather) {
  for (const HostValue& value : from_host_) {
    if (value.id == id && value.gather == gather) return Upload(value.offset, value.bytes);
  }
  const uint64_t bytes = ValueBytes(id);
  from_host_.push_back({id, TakeUpload(bytes), bytes, gather});
  return Upload(from_host_.back().offset, bytes);
}

Tensor StepPlan::ToHost(ValueId id) {
  const auto found = std::find_if(to_host_.begin(), to_host_.end(),
                                  [id](const HostValue& value) { return value.id == id; });
  const uint64_t bytes = ValueBytes(id);
  const uint64_t offset = found != to_host_.end() ? found->offset : TakeReadback(bytes);
  if (found == to_host_.end()) to_host_.push_back({id, offset, bytes, nullptr});
  return {readback_.buffer, readback_.offset + offset, bytes};
}

Tensor StepPlan::DrawnToHost(uint64_t bytes) {
  if (drawn_bytes_ == 0) {
    drawn_bytes_ = bytes;
    drawn_offset_ = TakeReadback(bytes);
  }
  return {readback_.buffer, readback_.offset + drawn_offset_, bytes};
}

Tensor StepPlan::KvToHost(CacheId cache, RowSet set, bool values, uint64_t bytes) {
  const auto found = std::find_if(kv_outs_.begin(), kv_outs_.end(), [&](const KvOut& out) {
    return out.cache == cache && out.values == values;
  });
  if (found != kv_outs_.end()) return {workspace_.buffer, KvOuts().offset + found->offset, bytes};
  const uint64_t offset = kv_bytes_;
  kv_bytes_ += Aligned(bytes);
  kv_outs_.push_back({cache, set, values, offset});
  return {workspace_.buffer, KvOuts().offset + offset, bytes};
}

Tensor StepPlan::KvOuts() const {
  return {workspace_.buffer, workspace_.offset + workspace_bytes() - kv_bytes_, kv_bytes_};
}

Tensor StepPlan::KvReadback() const {
  return {readback_.buffer, readback_.offset + readback_bytes_, kv_bytes_};
}

uint64_t StepPlan::workspace_bytes() const {
  uint64_t bytes = value_bytes_ + kv_bytes_;
  for (const uint64_t size : scratch_) bytes += size;
  return bytes;
}

void StepPlan::Place(const Slice& workspace, const Slice& upload, const Slice& readback) {
  workspace_ = Tensor::Of(workspace);
  upload_ = Tensor::Of(upload);
  readback_ = Tensor::Of(readback);
  uint64_t offset = value_bytes_;
  scratch_offsets_.assign(scratch_.size() + 1, 0);  // never empty: that means not placed
  for (size_t slot = 0; slot < scratch_.size(); ++slot) {
    scratch_offsets_[slot] = offset;
    offset += scratch_[slot];
  }
}

}  // namespace tandem::vulkan
