// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What cores do, one step at a time.
#include <fmt/format.h>

#include <vector>

#include "core/error.h"
#include "devices/npu/emulator/array.h"

namespace tandem::npu {
namespace {

/// Steps that a core takes before others get their turn; a call of a kernel ends it, too.
constexpr int kMostSteps = 64;

}  // namespace

void Array::SetProgram(Tile tile, CoreRun run) { At(tile).core = std::move(run); }

bool Array::StepCore(TileState& state) {
  if (!state.core_enabled || !state.core || state.core->done()) return false;
  CoreRun& run = *state.core;
  for (int step = 0; step < kMostSteps; ++step) {
    if (run.done()) return true;
    const CoreOp& op = run.ops[run.at];
    switch (op.kind) {
      case CoreOp::Kind::kAcquire: {
        int& held = At(op.tile).locks[op.lock];
        if (op.value >= 0 ? held != op.value : held < -op.value) return step > 0;
        held -= static_cast<int>(op.value < 0 ? -op.value : op.value);
        ++run.at;
        break;
      }
      case CoreOp::Kind::kRelease: {
        int& held = At(op.tile).locks[op.lock];
        if (held + op.value > 63) {
          throw Error(
              ErrorKind::kInvalidArgument,
              fmt::format("{}: the core's lock {} of {} leaves its range: {} + {}",
                          TileText(state.tile), op.lock, TileText(op.tile), held, op.value));
        }
        held += static_cast<int>(op.value);
        ++run.at;
        break;
      }
      case CoreOp::Kind::kCall: {
        auto* const memory = reinterpret_cast<std::byte*>(state.data.data());
        std::vector<std::byte*> buffers;
        for (const size_t offset : op.offsets) buffers.push_back(memory + offset);
        op.kernel->run(buffers.data());
        ++run.at;
        return true;
      }
      case CoreOp::Kind::kEnter:
        run.rounds.push_back(op.value);
        ++run.at;
        break;
      case CoreOp::Kind::kEnterAs: {
        const uint32_t rounds = state.data[op.offsets[0] / 4];
        if (rounds == 0) {
          run.at = op.target;
          break;
        }
        run.rounds.push_back(rounds);
        ++run.at;
        break;
      }
      case CoreOp::Kind::kRepeat:
        if (run.rounds.back() == 0 || --run.rounds.back() > 0) {
          run.at = op.target + 1;
        } else {
          run.rounds.pop_back();
          ++run.at;
        }
        break;
      case CoreOp::Kind::kWhen:
        run.at = (state.data[op.offsets[0] / 4] & op.mask) != 0 ? run.at + 1 : op.target;
        break;
    }
  }
  return true;
}

std::string Array::LockText(const TileState& state, size_t lock, int64_t value) {
  return fmt::format("lock {} of {} to be {}{}; it is {}", lock, TileText(state.tile),
                     value < 0 ? "at least " : "", value < 0 ? -value : value, state.locks[lock]);
}

std::string Array::CoreWaits(const TileState& state) const {
  if (!state.core_enabled) return {};
  if (state.core) {
    if (state.core->done()) return {};
    const CoreOp& op = state.core->ops[state.core->at];
    if (op.kind != CoreOp::Kind::kAcquire) return "the core is at work";
    return "the core waits for " + LockText(At(op.tile), op.lock, op.value);
  }
  return fmt::format("the core is enabled and {}", state.has_program
                                                       ? "has a program, which is not executed here"
                                                       : "has no program");
}

}  // namespace tandem::npu
