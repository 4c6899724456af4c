// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <set>

#include "core/error.h"
#include "devices/npu/design/lower.h"
#include "devices/npu/design/sequence.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu {
namespace {

/// From argument 5 on, the firmware adds nothing, and the array sees the host's memory here.
constexpr uint64_t kDdrAperture = 0x80000000;
constexpr size_t kTranslatedArguments = 5;

class Encoder {
 public:
  Encoder(const Sequence& sequence, ArgumentFlow flow) : sequence_(sequence), flow_(flow) {
    stream_.device = sequence.device;
  }

  Stream Run() {
    for (step_ = 0; step_ < sequence_.steps.size(); ++step_) {
      std::visit(*this, sequence_.steps[step_]);
    }
    return std::move(stream_);
  }

  void operator()(const StreamOpStep& step) {
    if (const auto* patch = std::get_if<AddressPatchOp>(&step.op)) {
      Patch(patch->address, patch->argument, patch->offset);
    } else {
      stream_.ops.push_back(step.op);
    }
  }

  void operator()(const WriteDescriptorStep& step) {
    const std::string where = Where("writebd");
    CheckTile(sequence_.device, step.tile, where);
    const TileKind kind = KindOf(step.tile);
    CheckBd(kind, step.bd, where);
    Descriptor bd = step.descriptor;
    if (kind == TileKind::kCore) {
      if (bd.base % 4 != 0) Fail(where, "the offset is no multiple of 4 bytes");
      bd.base /= 4;
    }
    WriteBd(step.tile, step.bd, bd);
  }

  void operator()(const PushStep& step) {
    CheckChannel(sequence_.device, step.channel, Where("push_queue"));
    Push(step.channel, step.bd, step.repeat, step.token);
  }

  void operator()(const ParameterStep& step) {
    const Buffer& buffer = sequence_.buffers[step.buffer];
    const std::string where = Where("rtp_write");
    if (!buffer.tile) Fail(where, "the buffer is in no tile");
    CheckTile(sequence_.device, *buffer.tile, where);
    const int64_t bytes = buffer.elements * ElementBytes(buffer.type);
    if (step.index < 0 || 4 * step.index + 4 > bytes) {
      Fail(where, fmt::format("word {} of a buffer of {} bytes", step.index, bytes));
    }
    const int64_t at = buffer.address + 4 * step.index;
    if (at < 0 || at + 4 > ResourcesOf(KindOf(*buffer.tile)).data_bytes) {
      Fail(where, fmt::format("byte {} is outside of the tile's memory", at));
    }
    stream_.ops.push_back(WriteOp{AddressOf(*buffer.tile, static_cast<uint32_t>(at)), step.value});
  }

  void operator()(const SetLockStep& step) {
    const Lock& lock = sequence_.locks[step.lock];
    const std::string where = Where("set_lock");
    CheckTile(sequence_.device, lock.tile, where);
    if (lock.id >= ResourcesOf(KindOf(lock.tile)).locks) Fail(where, "no such lock");
    if (step.value < 0 || step.value > 63) Fail(where, "a lock holds 0 to 63");
    stream_.ops.push_back(WriteOp{AddressOf(lock.tile, LockOffset(KindOf(lock.tile), lock.id)),
                                  static_cast<uint32_t>(step.value)});
  }

  void operator()(const CopyStep& step) {
    const std::string where = Where("dma_memcpy_nd");
    CheckChannel(sequence_.device, step.channel, where);
    const Transfer& transfer = step.transfer;
    if (KindOf(step.channel.tile) != TileKind::kShim) Fail(where, "not a channel of a shim");
    CheckBd(TileKind::kShim, *transfer.bd, where);
    CheckInside(transfer, sequence_.arguments[transfer.buffer].elements, where);
    Descriptor bd;
    const int64_t runs = LowerRuntimeShape(TileKind::kShim, transfer, Repeats::kByQueue, where, bd);
    LowerControl(step.channel.tile, transfer, where, bd);
    SetShimBus(transfer, bd);
    if (runs > 256) Fail(where, fmt::format("{} runs: a queue takes 256", runs));
    const uint32_t at = WriteBd(step.channel.tile, *transfer.bd, bd);
    Patch(at + 4, transfer.buffer, ByteOffset(transfer, where));
    const bool token = step.token || step.channel.direction == Direction::kS2mm;
    Push(step.channel, *transfer.bd, static_cast<int>(runs - 1), token);
  }

  void operator()(const WaitStep& step) {
    CheckChannel(sequence_.device, step.channel, Where("dma_wait"));
    Sync(step.channel);
  }

  void operator()(const ConfigureStep& step) {
    const std::string where = Where("configure");
    CheckChannel(sequence_.device, step.channel, where);
    const Tile tile = step.channel.tile;
    const TileKind kind = KindOf(tile);
    if (step.transfers.empty()) Fail(where, "a task without BDs");
    const std::vector<int> ids = AssignIds(step, where);
    tasks_[step.task] = {&step, ids};
    for (size_t i = 0; i < ids.size(); ++i) {
      const Transfer& transfer = step.transfers[i];
      const std::string bd_where = fmt::format("{}, BD {}", where, i);
      Descriptor bd;
      LowerRuntimeShape(kind, transfer, Repeats::kByTask, bd_where, bd);
      LowerControl(tile, transfer, bd_where, bd);
      if (!transfer.packet && step.packet) {
        bd.enable_packet = 1;
        bd.packet_id = step.packet->id;
        bd.packet_type = step.packet->type;
      }
      if (transfer.next) {
        bd.use_next = 1;
        bd.next = ids[static_cast<size_t>(*transfer.next)];
      }
      WriteTaskBd(tile, transfer, ids[i], step.patched, bd, bd_where);
    }
  }

  void operator()(const StartStep& step) {
    const Task& task = TaskOf(step.task, "start");
    Push(task.step->channel, task.ids.front(), task.step->repeat, task.step->token);
  }

  void operator()(const FinishStep& step) {
    const Task& task = TaskOf(step.task, step.wait ? "await" : "free");
    if (step.wait) {
      if (!task.step->token) {
        Fail(Where("await"),
             fmt::format("task {} issues no token to wait for", Printable(step.task)));
      }
      Sync(task.step->channel);
    }
    for (const int id : task.ids) used_[task.step->channel.tile].erase(id);
  }

  void operator()(const ResetChannelStep& step) {
    const std::string where = Where("dma_channel_reset");
    CheckChannel(sequence_.device, step.channel, where);
    const TileKind kind = KindOf(step.channel.tile);
    if (kind == TileKind::kShim) Fail(where, "a shim's channels have no reset of their own");
    const uint32_t at =
        AddressOf(step.channel.tile,
                  ChannelControlOffset(kind, step.channel.direction, step.channel.channel));
    stream_.ops.push_back(MaskWriteOp{at, kChannelReset, kChannelReset});
    stream_.ops.push_back(MaskWriteOp{at, 0, kChannelReset});
  }

  void operator()(const ResetCoreStep& step) {
    const std::string where = Where("core_reset");
    CheckTile(sequence_.device, step.tile, where);
    if (KindOf(step.tile) != TileKind::kCore) Fail(where, "no core in this tile");
    const uint32_t at = AddressOf(step.tile, kCoreControlOffset);
    stream_.ops.push_back(MaskWriteOp{at, kCoreReset, kCoreReset});
    stream_.ops.push_back(MaskWriteOp{at, 0, kCoreReset});
  }

 private:
  struct Task {
    const ConfigureStep* step = nullptr;
    std::vector<int> ids;
  };

  std::string Where(std::string_view op) const { return fmt::format("op {} ({})", step_, op); }

  [[noreturn]] static void Fail(std::string_view where, const std::string& problem) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("{}: {}", where, problem));
  }

  static void CheckBd(TileKind kind, int bd, std::string_view where) {
    const int count = ResourcesOf(kind).descriptors;
    if (bd >= 0 && bd < count) return;
    Fail(where, fmt::format("BD {}: a {} has BDs 0 to {}", bd, TileKindName(kind), count - 1));
  }

  const Task& TaskOf(const std::string& name, std::string_view op) const {
    const auto task = tasks_.find(name);
    if (task == tasks_.end()) {
      Fail(Where(op), fmt::format("there is no task {} yet", Printable(name)));
    }
    return task->second;
  }

  /// The ids of a task's BDs: given ones, and for the others the lowest that are free and that the
  /// channel reaches.
  std::vector<int> AssignIds(const ConfigureStep& step, std::string_view where) {
    const TileKind kind = KindOf(step.channel.tile);
    const int channel = step.channel.channel;
    std::set<int>& used = used_[step.channel.tile];
    for (const Transfer& transfer : step.transfers) {
      if (!transfer.bd) continue;
      CheckBd(kind, *transfer.bd, where);
      if (!ChannelReaches(kind, channel, *transfer.bd)) {
        Fail(where, fmt::format("BD {} on channel {}: a memory tile's even channels have BDs 0 to "
                                "23, odd ones 24 to 47",
                                *transfer.bd, channel));
      }
      used.insert(*transfer.bd);
    }
    std::vector<int> ids;
    for (const Transfer& transfer : step.transfers) {
      int id = transfer.bd.value_or(FirstDescriptorOf(kind, channel));
      if (!transfer.bd) {
        while (used.contains(id)) ++id;
        if (!ChannelReaches(kind, channel, id)) Fail(where, "no BD is free");
        used.insert(id);
      }
      ids.push_back(id);
    }
    for (const Transfer& transfer : step.transfers) {
      if (transfer.next && (*transfer.next < 0 || *transfer.next >= static_cast<int>(ids.size()))) {
        Fail(where, fmt::format("next BD {} of {}", *transfer.next, ids.size()));
      }
    }
    return ids;
  }

  void WriteTaskBd(Tile tile, const Transfer& transfer, int id, bool patched, Descriptor& bd,
                   std::string_view where) {
    if (KindOf(tile) == TileKind::kShim) {
      CheckInside(transfer, sequence_.arguments[transfer.buffer].elements, where);
      SetShimBus(transfer, bd);
      // The patch replaces it; the compiler leaves it here, too.
      bd.base = patched ? 0 : static_cast<int64_t>(ByteOffset(transfer, where));
      const uint32_t at = WriteBd(tile, id, bd);
      Patch(at + 4, transfer.buffer, ByteOffset(transfer, where));
      return;
    }
    const Buffer& buffer = sequence_.buffers[transfer.buffer];
    CheckInside(transfer, buffer.elements * ElementBytes(buffer.type) / ElementBytes(transfer.type),
                where);
    const int64_t address = TileAddress(tile, buffer, transfer, where);
    const int64_t offset = static_cast<int64_t>(ByteOffset(transfer, where));
    // The address comes as a masked write behind the BD, which carries the offset alone, in bytes
    // on a memory tile: without effect, but what the compiler writes.
    if (KindOf(tile) == TileKind::kMemory) {
      bd.base = offset & 0x7FFFF;
      const uint32_t at = WriteBd(tile, id, bd);
      stream_.ops.push_back(MaskWriteOp{at + 4, static_cast<uint32_t>(address), 0x7FFFF});
    } else {
      bd.base = offset / 4;
      const uint32_t at = WriteBd(tile, id, bd);
      stream_.ops.push_back(MaskWriteOp{at, static_cast<uint32_t>(address) << 14, 0x0FFFC000});
    }
  }

  void SetShimBus(const Transfer& transfer, Descriptor& bd) const {
    const Generation generation = sequence_.device.generation;
    bd.burst = transfer.burst.value_or(0) == 0 ? LargestBurst(generation)
                                               : BurstCode(generation, *transfer.burst);
    bd.axcache = kAxCacheModifiable;
  }

  /// Returns the address of the BD's first word.
  uint32_t WriteBd(Tile tile, int id, const Descriptor& bd) {
    const TileKind kind = KindOf(tile);
    const uint32_t at = AddressOf(tile, DescriptorOffset(kind, id));
    stream_.ops.push_back(BlockWriteOp{at, PackDescriptor(kind, bd), 0});
    return at;
  }

  static uint64_t ByteOffset(const Transfer& transfer, std::string_view where) {
    const int64_t bytes = transfer.offset * ElementBytes(transfer.type);
    if (bytes % 4 != 0) Fail(where, fmt::format("starts at byte {}, inside a 32-bit word", bytes));
    return static_cast<uint64_t>(bytes);
  }

  void Patch(uint32_t address, uint64_t argument, uint64_t offset) {
    const bool aperture =
        flow_ == ArgumentFlow::kInstructionBuffer && argument >= kTranslatedArguments;
    stream_.ops.push_back(AddressPatchOp{address, static_cast<uint32_t>(argument),
                                         offset + (aperture ? kDdrAperture : 0)});
  }

  void Push(const Channel& channel, int bd, int repeat, bool token) {
    const TileKind kind = KindOf(channel.tile);
    const uint32_t control =
        AddressOf(channel.tile, ChannelControlOffset(kind, channel.direction, channel.channel));
    const auto id = sequence_.controller_ids.find(channel.tile);
    if (token && id != sequence_.controller_ids.end()) {
      stream_.ops.push_back(MaskWriteOp{
          control, static_cast<uint32_t>(id->second) << kControllerIdShift, kControllerIdMask});
    }
    stream_.ops.push_back(WriteOp{control + 4, QueueWord(kind, bd, repeat, token)});
  }

  void Sync(const Channel& channel) {
    stream_.ops.push_back(SyncOp{static_cast<uint8_t>(channel.tile.column),
                                 static_cast<uint8_t>(channel.tile.row), channel.direction,
                                 static_cast<uint8_t>(channel.channel), 1, 1});
  }

  const Sequence& sequence_;
  ArgumentFlow flow_;
  Stream stream_;
  size_t step_ = 0;
  std::map<std::string, Task> tasks_;
  std::map<Tile, std::set<int>> used_;
};

}  // namespace

Stream EncodeSequence(const Sequence& sequence, ArgumentFlow flow) {
  return Encoder(sequence, flow).Run();
}

}  // namespace tandem::npu
