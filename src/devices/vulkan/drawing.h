// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Drawing the next token on the device (devices/draw.h): two kernels after the head. Each block of
// the logits leaves its greatest one; the k-th greatest of those is a bound below which none of the
// k likeliest lies, and what reaches it is put in order by one workgroup. Without a top-k a third
// kernel adds up the weights of each block, and where nothing is cut, the last one looks for the
// block and the token instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "devices/draw.h"
#include "devices/vulkan/memory.h"
#include "devices/vulkan/recorder.h"
#include "devices/vulkan/step_plan.h"

namespace tandem::vulkan {

/// Steps that may be on their way at once.
inline constexpr int kMaxStepsAhead = 4;

/// By what kernels a token is drawn.
enum class DrawWay {
  kTopK,  ///< From the likeliest.
  kCut,   ///< From what top-p and min-p leave of the vocabulary.
  kAll,
};
DrawWay WayOf(const DrawParams& params);

/// What kernels that draw, and those that look up a drawn token, find on the device.
class Drawing {
 public:
  explicit Drawing(Memory& memory) : memory_(memory) {}

  /// Of a segment that draws: makes room. Throws Error kResource.
  void Prepare(const Program& program, std::span<const uint32_t> banned);
  /// The token that was drawn last: a word. REQUIRES: Reserve() has been called.
  Tensor Next() const { return Tensor::Of(next_); }
  void Reserve();
  /// Draws from `logits`, floats from `first` on, and leaves the result where the host reads it.
  void Record(const Program& program, StepPlan& plan, Recorder& recorder, const Access& logits,
              DrawWay way);

 private:
  Memory& memory_;
  Slice next_;
  std::map<const Program*, Slice> banned_;
};

/// Of DrawParams, as the kernel reads them: to the plan's draw table.
void WriteDrawParams(const DrawParams& params, std::byte* to);
/// Bytes of what the host reads.
uint64_t DrawnBytes();
void ReadDrawn(const std::byte* from, Drawn& drawn);

}  // namespace tandem::vulkan
