// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "devices/npu/prefill/npu_device.h"
#include "engine/engine_impl.h"
#include "engine/model_data.h"

namespace tandem {
namespace {

std::string Megabytes(uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

uint64_t Working(const MemoryNeed& need) { return need.kv + need.activations + need.copies; }

bool Fits(uint64_t bytes, std::optional<uint64_t> room) { return !room || bytes <= *room; }

std::string NeedText(const MemoryNeed& need, int64_t context) {
  return fmt::format(
      "keys and values of {} tokens ({}), activations ({}) and reordered weights ({})", context,
      Megabytes(need.kv), Megabytes(need.activations), Megabytes(need.copies));
}

// What an engine needs: its model, and the one that drafts for it. A slice streams the weights of
// the whole, and shares its copies.
MemoryNeed NeedOf(const Model& model, const EngineOptions& options, int64_t context) {
  MemoryNeed need = EstimateMemory(model, context, options.kv, options.chunk);
  if (PromptDevice(options) == "npu") {
    const Program& program = model.data().prefill;
    need.copies += NpuPackedBytes(program, NpuOptionsOf(options, program));
  }
  const Model* draft = options.draft_model.get();
  if (draft == nullptr) return need;
  const MemoryNeed more =
      EstimateMemory(*draft, std::min(context, draft->context_length()), options.kv, options.chunk);
  need.kv += more.kv;
  need.activations += more.activations;
  if (draft->data().whole.get() == &model) return need;
  need.weights += more.weights;
  need.streamed += more.streamed;
  need.copies += more.copies;
  return need;
}

}  // namespace

MemoryFit FitMemory(const MemoryNeed& need, const MemoryLimits& limits) {
  const uint64_t working = Working(need);
  MemoryFit fit;
  fit.working = Fits(working, limits.available) && Fits(working, limits.cgroup) &&
                Fits(working, limits.address_space);
  fit.weights = Fits(working + need.streamed, limits.available) &&
                Fits(working + need.streamed, limits.cgroup);
  return fit;
}

std::string LimitsText(const MemoryLimits& limits) {
  std::string text = limits.available
                         ? Megabytes(*limits.available) + " are available on this machine"
                         : "what this machine has available is not known";
  if (limits.cgroup) text += fmt::format(", {} in its control group", Megabytes(*limits.cgroup));
  if (limits.address_space) {
    text += fmt::format(", {} of address space", Megabytes(*limits.address_space));
  }
  return text;
}

void RequireMemory(const Model& model, const EngineOptions& options, int64_t context,
                   uint64_t held) {
  MemoryNeed need = NeedOf(model, options, context);
  need.activations -= std::min(need.activations, held);
  if (held > 0) need.copies = 0;  // Counted with the engine's first session.
  const MemoryLimits limits = ReadMemoryLimits();
  if (FitMemory(need, limits).working) return;
  throw Error(ErrorKind::kResource,
              fmt::format("{}: {} do not fit: {}; weights want {} more", model.source(),
                          NeedText(need, context), LimitsText(limits), Megabytes(need.streamed)),
              "a shorter --ctx, --kv f16 or a smaller weight type needs less; --no-memory-check "
              "goes ahead");
}

void WarnOfWeights(const Model& model, const EngineOptions& options, int64_t context) {
  const MemoryNeed need = NeedOf(model, options, context);
  const MemoryLimits limits = ReadMemoryLimits();
  if (FitMemory(need, limits).weights) return;
  log::Warning(
      "{}: the weights that every token reads ({}) do not fit beside {}: {}; they will be "
      "read from the disk again and again",
      model.source(), Megabytes(need.streamed), NeedText(need, context), LimitsText(limits));
}

}  // namespace tandem
