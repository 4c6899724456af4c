// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "devices/npu/mlir/emitter.h"
#include "devices/npu/mlir/task_sequence.h"

namespace tandem::npu {
namespace {

/// DMAChannelDir.
int DirectionNumber(Direction direction) { return direction == Direction::kS2mm ? 0 : 1; }

/// Attributes of a BD beside its offset and length, each with a comma in front.
std::string TransferAttributes(const Transfer& transfer, std::optional<uint32_t> pad_value) {
  std::string more;
  const auto add = [&]<typename... Args>(fmt::format_string<Args...> format, Args&&... args) {
    more += ", ";
    fmt::format_to(std::back_inserter(more), format, std::forward<Args>(args)...);
  };
  if (transfer.bd) add("bd_id = {} : i32", *transfer.bd);
  if (transfer.burst && *transfer.burst != 0) add("burst_length = {} : i32", *transfer.burst);
  if (!transfer.sizes.empty()) {
    std::vector<std::string> dimensions;
    for (size_t i = 0; i < transfer.sizes.size(); ++i) {
      dimensions.push_back(
          fmt::format("<size = {}, stride = {}>", transfer.sizes[i], transfer.strides[i]));
    }
    add("dimensions = #aie<bd_dim_layout_array[{}]>", fmt::join(dimensions, ", "));
  }
  if (!transfer.padding.empty()) {
    std::vector<std::string> paddings;
    for (const Padding& padding : transfer.padding) {
      paddings.push_back(fmt::format("<const_pad_before = {}, const_pad_after = {}>",
                                     padding.before, padding.after));
    }
    add("pad_dimensions = #aie<bd_pad_layout_array[{}]>", fmt::join(paddings, ", "));
    if (pad_value) add("pad_value = {} : i32", static_cast<int32_t>(*pad_value));
  }
  if (transfer.packet) {
    add("packet = #aie.packet_info<pkt_type = {}, pkt_id = {}>", transfer.packet->type,
        transfer.packet->id);
  }
  return more;
}

void EmitBd(MlirEmitter& emitter, const Transfer& transfer, const std::string& value,
            ElementType type, const std::string& memref, std::optional<uint32_t> pad_value) {
  if (transfer.iteration) {
    throw Error(ErrorKind::kUnsupported,
                "MLIR-AIE 1.3.4 has no word for the iteration of a static BD");
  }
  if (transfer.type != type) {
    throw Error(ErrorKind::kUnsupported, "a BD in MLIR counts in elements of its buffer");
  }
  emitter.text.Line("\"aie.dma_bd\"({}) <{{offset = {} : i32, len = {} : i32{}}}> : ({}) -> ()",
                    value, transfer.offset, transfer.length,
                    TransferAttributes(transfer, pad_value), memref);
}

const char* DmaOp(TileKind kind) {
  switch (kind) {
    case TileKind::kShim: return "aie.shim_dma";
    case TileKind::kMemory: return "aie.memtile_dma";
    case TileKind::kCore: break;
  }
  return "aie.mem";
}

}  // namespace

void EmitTransfer(MlirEmitter& emitter, const Transfer& transfer, const std::string& value,
                  ElementType type, const std::string& memref) {
  EmitBd(emitter, transfer, value, type, memref, {});
}

void EmitDma(MlirEmitter& emitter, const TileDma& dma) {
  MlirText& text = emitter.text;
  text.Open("%dma_{}_{} = \"{}\"({}) ({{", dma.tile.column, dma.tile.row, DmaOp(KindOf(dma.tile)),
            MlirEmitter::NameOf(dma.tile));
  std::optional<uint32_t> pad_value;
  for (size_t i = 0; i < dma.channels.size(); ++i) {
    const StaticChannel& channel = dma.channels[i];
    if (channel.pad_value) {
      // The value is the channel's, and MLIR-AIE says it at each BD.
      if (pad_value && *pad_value != *channel.pad_value) {
        throw Error(ErrorKind::kUnsupported, "channels of a tile pad with several values");
      }
      pad_value = channel.pad_value;
    }
    if (i > 0) text.Label(fmt::format("^channel{}:", i));
    const std::string next =
        i + 1 < dma.channels.size() ? fmt::format("^channel{}", i + 1) : "^end";
    text.Line(
        "{} = \"aie.dma_start\"()[^bd{}, {}] <{{channel_dir = {} : i32, channel_index = {} : i32, "
        "repeat_count = {} : i32}}> : () -> i1",
        text.NewValue(), channel.first_bd, next, DirectionNumber(channel.direction),
        channel.channel, channel.repeat);
  }
  if (dma.channels.empty()) {
    // The region begins with a block that nothing jumps to.
    text.Line("\"aie.end\"() : () -> ()");
  }
  for (const Transfer& transfer : dma.transfers) {
    text.Label(fmt::format("^bd{}:", *transfer.bd));
    if (transfer.acquire) {
      const LockAcquire& lock = *transfer.acquire;
      emitter.UseLock(emitter.locks.at({lock.tile, lock.id}),
                      MlirEmitter::AcquireAction(lock.at_least), lock.value);
    }
    EmitBd(emitter, transfer, fmt::format("%buffer{}", transfer.buffer),
           emitter.design.buffers[transfer.buffer].type, emitter.BufferType(transfer.buffer),
           pad_value);
    if (transfer.release) {
      const LockRelease& lock = *transfer.release;
      emitter.UseLock(emitter.locks.at({lock.tile, lock.id}), MlirEmitter::kReleaseAction,
                      lock.value);
    }
    text.Line("\"aie.next_bd\"()[{}] : () -> ()",
              transfer.next ? fmt::format("^bd{}", *transfer.next) : "^end");
  }
  if (!dma.channels.empty() || !dma.transfers.empty()) {
    text.Label("^end:");
    text.Line("\"aie.end\"() : () -> ()");
  }
  text.Close("}}) : (index) -> index");
}

void EmitSequence(MlirEmitter& emitter, const Sequence& sequence) {
  MlirText& text = emitter.text;
  const Sequence tasks = AsTasks(sequence);
  std::vector<std::string> arguments;
  const auto type_of = [&](size_t argument) {
    return MemRefType(tasks.arguments[argument].type, tasks.arguments[argument].elements);
  };
  for (size_t i = 0; i < tasks.arguments.size(); ++i) {
    arguments.push_back(fmt::format("%arg{}: {}", i, type_of(i)));
  }
  text.Open("\"aie.runtime_sequence\"() <{{sym_name = \"sequence\"}}> ({{");
  text.Label(fmt::format("^bb0({}):", fmt::join(arguments, ", ")));
  for (const SequenceStep& step : tasks.steps) {
    if (const auto* configure = std::get_if<ConfigureStep>(&step)) {
      text.Open(
          "%{} = \"aiex.dma_configure_task\"({}) <{{channel = {} : i32, direction = {} : i32, "
          "issue_token = {}, repeat_count = {} : i32}}> ({{",
          configure->task, MlirEmitter::NameOf(configure->channel.tile), configure->channel.channel,
          DirectionNumber(configure->channel.direction), configure->token, configure->repeat);
      for (size_t i = 0; i < configure->transfers.size(); ++i) {
        const Transfer& transfer = configure->transfers[i];
        if (i > 0) text.Label(fmt::format("^bd{}:", i));
        EmitTransfer(emitter, transfer, fmt::format("%arg{}", transfer.buffer),
                     tasks.arguments[transfer.buffer].type, type_of(transfer.buffer));
        if (transfer.next) {
          text.Line("\"aie.next_bd\"()[^bd{}] : () -> ()", *transfer.next);
        } else {
          text.Line("\"aie.end\"() : () -> ()");
        }
      }
      text.Close("}}) : (index) -> index");
    } else if (const auto* start = std::get_if<StartStep>(&step)) {
      text.Line("\"aiex.dma_start_task\"(%{}) : (index) -> ()", start->task);
    } else if (const auto* finish = std::get_if<FinishStep>(&step)) {
      text.Line("\"aiex.dma_{}_task\"(%{}) : (index) -> ()", finish->wait ? "await" : "free",
                finish->task);
    }
  }
  text.Close("}}) : () -> ()");
}

}  // namespace tandem::npu
