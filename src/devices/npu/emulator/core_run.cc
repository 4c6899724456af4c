// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/emulator/core_run.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>
#include <variant>

#include "core/error.h"

namespace tandem::npu {
namespace {

class Compiler {
 public:
  Compiler(const Design& design, const Core& core) : design_(design), core_(core) {}

  CoreRun Run() {
    Add(core_.program);
    return std::move(run_);
  }

  void operator()(const AcquireStep& step) {
    CoreOp op = LockOp(CoreOp::Kind::kAcquire, step.lock, step.value);
    if (step.at_least) op.value = -op.value;
    run_.ops.push_back(std::move(op));
  }
  void operator()(const ReleaseStep& step) {
    run_.ops.push_back(LockOp(CoreOp::Kind::kRelease, step.lock, step.value));
  }
  void operator()(const CallStep& step) {
    CoreOp op;
    op.kind = CoreOp::Kind::kCall;
    op.kernel = FindKernel(step.kernel);
    if (op.kernel == nullptr) Fail(fmt::format("there is no kernel {}", Printable(step.kernel)));
    const auto needs = op.kernel->buffer_bytes;
    if (step.buffers.size() != needs.size()) {
      Fail(fmt::format("{} takes {} buffers, and got {}", op.kernel->name, needs.size(),
                       step.buffers.size()));
    }
    for (size_t i = 0; i < needs.size(); ++i) {
      op.offsets.push_back(OffsetOf(step.buffers[i], needs[i], step.kernel));
    }
    run_.ops.push_back(std::move(op));
  }
  void operator()(const LoopStep& step) {
    if (step.count < 0 || step.body.empty()) Fail("a loop of nothing, or of less");
    CoreOp enter;
    enter.kind = CoreOp::Kind::kEnter;
    enter.value = step.count;
    AddLoop(std::move(enter), step.body);
  }
  void operator()(const RepeatStep& step) {
    if (step.word < 0 || step.body.empty()) Fail("a loop of nothing, or a word before its buffer");
    CoreOp enter;
    enter.kind = CoreOp::Kind::kEnterAs;
    enter.offsets = {WordOf(step.buffer, step.word)};
    AddLoop(std::move(enter), step.body);
  }
  void operator()(const WhenStep& step) {
    if (step.word < 0) Fail("a word before its buffer");
    const size_t start = run_.ops.size();
    CoreOp when;
    when.kind = CoreOp::Kind::kWhen;
    when.mask = step.mask;
    when.offsets = {WordOf(step.buffer, step.word)};
    run_.ops.push_back(std::move(when));
    Add(step.body);
    run_.ops[start].target = run_.ops.size();
  }

 private:
  [[noreturn]] void Fail(const std::string& problem) const {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}, program: {}", TileText(core_.tile), problem));
  }

  void AddLoop(CoreOp enter, const std::vector<CoreStep>& body) {
    const size_t start = run_.ops.size();
    run_.ops.push_back(std::move(enter));
    Add(body);
    CoreOp repeat;
    repeat.kind = CoreOp::Kind::kRepeat;
    repeat.target = start;
    run_.ops.push_back(repeat);
    run_.ops[start].target = run_.ops.size();
  }

  size_t WordOf(size_t buffer, int64_t word) const {
    const auto bytes = 4 * static_cast<size_t>(word);
    return OffsetOf(buffer, bytes + 4, "a condition") + bytes;
  }

  void Add(const std::vector<CoreStep>& steps) {
    for (const CoreStep& step : steps) std::visit(*this, step.step);
  }

  CoreOp LockOp(CoreOp::Kind kind, size_t lock, int64_t value) const {
    if (lock >= design_.locks.size()) Fail(fmt::format("there is no lock {}", lock));
    const Lock& named = design_.locks[lock];
    // A core reaches its own locks and those of the tiles around it.
    const int away =
        std::abs(named.tile.column - core_.tile.column) + std::abs(named.tile.row - core_.tile.row);
    const bool east = named.tile.column > core_.tile.column;
    if (KindOf(named.tile) != TileKind::kCore || away > 1 || east || named.id < 0 ||
        named.id >= ResourcesOf(TileKind::kCore).locks) {
      Fail(fmt::format("lock {} of {} is out of its reach", named.id, TileText(named.tile)));
    }
    if (value < 1 || value > 63) Fail(fmt::format("a lock's value of {}: 1 to 63", value));
    CoreOp op;
    op.kind = kind;
    op.tile = named.tile;
    op.lock = static_cast<size_t>(named.id);
    op.value = value;
    return op;
  }

  size_t OffsetOf(size_t buffer, size_t bytes, std::string_view who) const {
    if (buffer >= design_.buffers.size()) Fail(fmt::format("there is no buffer {}", buffer));
    const Buffer& named = design_.buffers[buffer];
    if (named.tile != core_.tile) {
      Fail(fmt::format("buffer {} is not in its memory", Printable(named.name)));
    }
    const int64_t size = named.elements * ElementBytes(named.type);
    if (named.address < 0 || named.address % 4 != 0 || size < static_cast<int64_t>(bytes) ||
        named.address + size > int64_t{ResourcesOf(TileKind::kCore).data_bytes}) {
      Fail(fmt::format("{} needs {} bytes, and buffer {} has {} at 0x{:X}", who, bytes,
                       Printable(named.name), size, named.address));
    }
    return static_cast<size_t>(named.address);
  }

  const Design& design_;
  const Core& core_;
  CoreRun run_;
};

}  // namespace

CoreRun CompileCore(const Design& design, const Core& core) {
  CheckTile(design.device, core.tile, "cores");
  return Compiler(design, core).Run();
}

}  // namespace tandem::npu
