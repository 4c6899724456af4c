// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "core/error.h"
#include "devices/npu/design/json_parts.h"
#include "devices/npu/design/sequence.h"
#include "formats/json_file.h"

namespace tandem::npu {
namespace {

class SequenceReader {
 public:
  explicit SequenceReader(const JsonValue& root) : root_(root) {}

  Sequence Read() {
    sequence_.device = root_.At("device").AsDevice();
    const bool design = root_.Has("sequence_ops");
    if (!design && !root_.Has("ops")) {
      root_.Fail("has neither \"ops\" nor \"sequence_ops\": no runtime sequence");
    }
    ReadContext(design);
    root_.At(design ? "sequence_ops" : "ops").ForEach([&](const JsonValue& op) {
      sequence_.steps.push_back(ReadStep(op));
    });
    return std::move(sequence_);
  }

 private:
  void ReadContext(bool design) {
    if (const auto args = root_.Find(design ? "sequence_args" : "args")) {
      args->ForEach([&](const JsonValue& arg) {
        arg.CheckKeys({"type", "elements"});
        sequence_.arguments.push_back(
            {arg.At("type").Type(), arg.At("elements").Integer(0, kMostElements)});
      });
    }
    if (const auto buffers = root_.Find("buffers")) {
      buffers->ForEach([&](const JsonValue& value) {
        sequence_.buffers.push_back(ReadBuffer(value));
        names_.buffers[sequence_.buffers.back().name] = sequence_.buffers.size() - 1;
      });
    }
    if (const auto locks = root_.Find("locks")) {
      locks->ForEach([&](const JsonValue& value) {
        sequence_.locks.push_back(ReadLock(value));
        names_.locks[sequence_.locks.back().name] = sequence_.locks.size() - 1;
      });
    }
    if (const auto tiles = root_.Find("tiles")) {
      tiles->ForEach([&](const JsonValue& tile) {
        tile.CheckKeys({"col", "row", "controller_id"});
        if (const auto id = tile.Find("controller_id")) {
          sequence_.controller_ids[TileMembers(tile)] = static_cast<int>(id->AsPacket().id);
        }
      });
    }
    if (const auto allocs = root_.Find(design ? "shim_allocations" : "allocs")) {
      allocs->ForEach([&](const JsonValue& alloc) {
        alloc.CheckKeys({"name", "col", "tile", "dir", "channel", "packet"});
        const Tile tile = design ? alloc.At("tile").AsTile() : Tile{alloc.At("col").Int(0, 127), 0};
        names_.allocations[alloc.At("name").Text()] = {tile, alloc.At("dir").Dir(),
                                                       alloc.At("channel").Int(0, 63)};
      });
    }
  }

  Channel Allocation(const JsonValue& value) const {
    const auto found = names_.allocations.find(value.Text());
    if (found == names_.allocations.end()) {
      value.Fail(fmt::format("there is no {}", Printable(value.Text())));
    }
    return found->second;
  }
  static Channel ChannelMembers(const JsonValue& op) {
    return {TileMembers(op), op.At("dir").Dir(), op.At("channel").Int(0, 63)};
  }
  size_t ArgumentIndex(const JsonValue& value) const {
    const int index = value.Int(0, 1 << 20);
    if (static_cast<size_t>(index) >= sequence_.arguments.size()) {
      value.Fail(fmt::format("there are {} arguments", sequence_.arguments.size()));
    }
    return static_cast<size_t>(index);
  }

  /// With column and row, an address is an offset inside that tile.
  static uint32_t Place(const JsonValue& op) {
    const uint32_t address = op.At("addr").Word();
    return op.Has("col") || op.Has("row") ? AddressOf(TileMembers(op), address) : address;
  }

  SequenceStep ReadStep(const JsonValue& op) {
    const std::string name = op.At("op").Text();
    using Reader = SequenceStep (SequenceReader::*)(const JsonValue&) const;
    static constexpr std::pair<std::string_view, Reader> kReaders[] = {
        {"write32", &SequenceReader::ReadWrite},
        {"maskwrite32", &SequenceReader::ReadMaskWrite},
        {"blockwrite", &SequenceReader::ReadBlockWrite},
        {"sync", &SequenceReader::ReadSync},
        {"load_pdi", &SequenceReader::ReadLoadPdi},
        {"preempt", &SequenceReader::ReadPreempt},
        {"create_scratchpad", &SequenceReader::ReadCreateScratchpad},
        {"update_from_scratchpad", &SequenceReader::ReadUpdate},
        {"address_patch", &SequenceReader::ReadPatch},
        {"push_queue", &SequenceReader::ReadPush},
        {"rtp_write", &SequenceReader::ReadParameter},
        {"set_lock", &SequenceReader::ReadSetLock},
        {"writebd", &SequenceReader::ReadWriteBd},
        {"dma_memcpy_nd", &SequenceReader::ReadCopy},
        {"dma_wait", &SequenceReader::ReadWait},
        {"configure", &SequenceReader::ReadConfigure},
        {"start", &SequenceReader::ReadStart},
        {"await", &SequenceReader::ReadFinish},
        {"free", &SequenceReader::ReadFinish},
        {"dma_channel_reset", &SequenceReader::ReadResetChannel},
        {"core_reset", &SequenceReader::ReadResetCore},
    };
    for (const auto& [known, read] : kReaders) {
      if (known == name) return (this->*read)(op);
    }
    op.Fail(fmt::format("\"{}\" is not an operation", Printable(name)));
  }

  SequenceStep ReadWrite(const JsonValue& op) const {
    op.CheckKeys({"op", "addr", "value", "col", "row"});
    return StreamOpStep{WriteOp{Place(op), op.At("value").Word()}};
  }
  SequenceStep ReadMaskWrite(const JsonValue& op) const {
    op.CheckKeys({"op", "addr", "value", "mask", "col", "row"});
    return StreamOpStep{MaskWriteOp{Place(op), op.At("value").Word(), op.At("mask").Word()}};
  }
  SequenceStep ReadBlockWrite(const JsonValue& op) const {
    op.CheckKeys({"op", "addr", "data", "col", "row"});
    BlockWriteOp block{Place(op), {}, 0};
    if (op.Has("col")) {
      const Tile tile = TileMembers(op);
      block.place = static_cast<uint32_t>(tile.column) | static_cast<uint32_t>(tile.row) << 8;
    }
    op.At("data").ForEach([&](const JsonValue& word) { block.data.push_back(word.Word()); });
    return StreamOpStep{std::move(block)};
  }
  SequenceStep ReadSync(const JsonValue& op) const {
    op.CheckKeys({"op", "col", "row", "dir", "channel", "ncols", "nrows"});
    const auto byte = [&](const char* key, int max) {
      return static_cast<uint8_t>(op.At(key).Int(0, max));
    };
    return StreamOpStep{SyncOp{byte("col", 255), byte("row", 255),
                               byte("dir", 1) == 0 ? Direction::kS2mm : Direction::kMm2s,
                               byte("channel", 255), byte("ncols", 255), byte("nrows", 255)}};
  }
  SequenceStep ReadLoadPdi(const JsonValue& op) const {
    op.CheckKeys({"op", "id", "size", "address"});
    return StreamOpStep{LoadPdiOp{static_cast<uint16_t>(op.At("id").Int(0, 0xFFFF)),
                                  op.At("size").Word(), op.At("address").Unsigned(UINT64_MAX)}};
  }
  SequenceStep ReadPreempt(const JsonValue& op) const {
    op.CheckKeys({"op", "level"});
    return StreamOpStep{PreemptOp{static_cast<uint8_t>(op.At("level").Int(0, 3))}};
  }
  SequenceStep ReadCreateScratchpad(const JsonValue& op) const {
    op.CheckKeys({"op", "size", "usage"});
    return StreamOpStep{CreateScratchpadOp{static_cast<uint8_t>(op.At("usage").Int(0, 255)),
                                           static_cast<uint32_t>(op.At("size").Int(0, 128))}};
  }
  SequenceStep ReadUpdate(const JsonValue& op) const {
    op.CheckKeys({"op", "func", "index", "func_arg", "addr"});
    static constexpr std::array<std::string_view, 3> kFunctions = {"mul", "incr", "decr"};
    const std::string name = op.At("func").Text();
    for (size_t i = 0; i < kFunctions.size(); ++i) {
      if (kFunctions[i] != name) continue;
      return StreamOpStep{UpdateFromScratchpadOp{static_cast<uint8_t>(op.At("index").Int(0, 255)),
                                                 static_cast<uint8_t>(i), op.At("func_arg").Word(),
                                                 op.At("addr").Word()}};
    }
    op.At("func").Fail("not one of mul, incr, decr");
  }
  SequenceStep ReadPatch(const JsonValue& op) const {
    op.CheckKeys({"op", "arg", "addr", "arg_plus"});
    return StreamOpStep{AddressPatchOp{op.At("addr").Word(),
                                       static_cast<uint32_t>(op.At("arg").Int(0, 1 << 20)),
                                       op.At("arg_plus").Unsigned(UINT64_MAX >> 1)}};
  }
  SequenceStep ReadPush(const JsonValue& op) const {
    op.CheckKeys({"op", "col", "row", "dir", "channel", "token", "repeat", "bd"});
    return PushStep{ChannelMembers(op), op.At("bd").Int(0, 63), op.At("repeat").Int(0, 1 << 20),
                    op.At("token").Bool()};
  }
  SequenceStep ReadParameter(const JsonValue& op) const {
    op.CheckKeys({"op", "buffer", "index", "value"});
    return ParameterStep{Lookup(names_.buffers, op.At("buffer")),
                         op.At("index").Integer(0, kMostElements), op.At("value").Word()};
  }
  SequenceStep ReadSetLock(const JsonValue& op) const {
    op.CheckKeys({"op", "lock", "value"});
    return SetLockStep{Lookup(names_.locks, op.At("lock")), op.At("value").Integer(0, 63)};
  }

  SequenceStep ReadWriteBd(const JsonValue& op) const {
    op.CheckKeys({"op", "col", "row", "bd", "fields", "burst"});
    WriteDescriptorStep step;
    step.tile = TileMembers(op);
    step.bd = op.At("bd").Int(0, 63);
    const JsonValue fields = op.At("fields");
    fields.CheckKeys({"buffer_length",
                      "buffer_offset",
                      "enable_packet",
                      "out_of_order_id",
                      "packet_id",
                      "packet_type",
                      "d0_size",
                      "d0_stride",
                      "d1_size",
                      "d1_stride",
                      "d2_size",
                      "d2_stride",
                      "iteration_current",
                      "iteration_size",
                      "iteration_stride",
                      "next_bd",
                      "use_next_bd",
                      "valid_bd",
                      "lock_rel_val",
                      "lock_rel_id",
                      "lock_acq_enable",
                      "lock_acq_val",
                      "lock_acq_id",
                      "d0_zero_before",
                      "d1_zero_before",
                      "d2_zero_before",
                      "d0_zero_after",
                      "d1_zero_after",
                      "d2_zero_after",
                      "column",
                      "row",
                      "bd_id"});
    // d2_size is accepted and has no effect: the compiler gives it no field.
    static constexpr std::pair<const char*, int64_t Descriptor::*> kFields[] = {
        {"buffer_length", &Descriptor::length},
        {"buffer_offset", &Descriptor::base},
        {"enable_packet", &Descriptor::enable_packet},
        {"out_of_order_id", &Descriptor::out_of_order_id},
        {"packet_id", &Descriptor::packet_id},
        {"packet_type", &Descriptor::packet_type},
        {"d0_size", &Descriptor::d0_wrap},
        {"d0_stride", &Descriptor::d0_step},
        {"d1_size", &Descriptor::d1_wrap},
        {"d1_stride", &Descriptor::d1_step},
        {"d2_stride", &Descriptor::d2_step},
        {"iteration_current", &Descriptor::iteration_current},
        {"iteration_size", &Descriptor::iteration_wrap},
        {"iteration_stride", &Descriptor::iteration_step},
        {"next_bd", &Descriptor::next},
        {"use_next_bd", &Descriptor::use_next},
        {"valid_bd", &Descriptor::valid},
        {"lock_rel_val", &Descriptor::release_value},
        {"lock_rel_id", &Descriptor::release_id},
        {"lock_acq_enable", &Descriptor::acquire_enable},
        {"lock_acq_val", &Descriptor::acquire_value},
        {"lock_acq_id", &Descriptor::acquire_id},
        {"d0_zero_before", &Descriptor::d0_before},
        {"d1_zero_before", &Descriptor::d1_before},
        {"d2_zero_before", &Descriptor::d2_before},
        {"d0_zero_after", &Descriptor::d0_after},
        {"d1_zero_after", &Descriptor::d1_after},
        {"d2_zero_after", &Descriptor::d2_after},
    };
    for (const auto& [key, member] : kFields) {
      if (const auto value = fields.Find(key)) {
        step.descriptor.*member = value->Integer(INT32_MIN, UINT32_MAX);
      }
    }
    if (step.descriptor.length < 0) step.descriptor.length += int64_t{1} << 32;
    if (KindOf(step.tile) == TileKind::kShim) {
      const Generation generation = sequence_.device.generation;
      const auto burst = op.Find("burst");
      const int64_t bytes = burst ? burst->Integer(0, 1 << 20) : 0;
      step.descriptor.burst = bytes == 0 ? LargestBurst(generation) : BurstCode(generation, bytes);
      step.descriptor.axcache = kAxCacheModifiable;
    }
    return step;
  }

  SequenceStep ReadCopy(const JsonValue& op) const {
    op.CheckKeys(
        {"op", "arg", "offsets", "sizes", "strides", "bd", "alloc", "token", "packet", "burst"});
    CopyStep step;
    step.channel = Allocation(op.At("alloc"));
    step.token = op.At("token").Bool();
    Transfer& transfer = step.transfer;
    transfer.buffer = ArgumentIndex(op.At("arg"));
    transfer.type = sequence_.arguments[transfer.buffer].type;
    transfer.bd = op.At("bd").Int(0, 63);
    transfer.sizes = op.At("sizes").Integers(1, kMostElements);
    transfer.strides = op.At("strides").Integers(0, kMostElements);
    const std::vector<int64_t> offsets = op.At("offsets").Integers(0, kMostElements);
    if (transfer.sizes.size() != 4 || transfer.strides.size() != 4 || offsets.size() != 4) {
      op.Fail("offsets, sizes and strides have four dimensions");
    }
    transfer.length = 1;
    for (size_t i = 0; i < 4; ++i) {
      int64_t place = 0;
      if (__builtin_mul_overflow(offsets[i], transfer.strides[i], &place) ||
          __builtin_add_overflow(transfer.offset, place, &transfer.offset) ||
          transfer.offset > kMostElements) {
        op.At("offsets").Fail("an offset beyond any buffer");
      }
      if (i > 0 && (__builtin_mul_overflow(transfer.length, transfer.sizes[i], &transfer.length) ||
                    transfer.length > kMostElements)) {
        op.At("sizes").Fail("a transfer larger than any buffer");
      }
    }
    if (const auto packet = op.Find("packet")) transfer.packet = packet->AsPacket();
    if (const auto burst = op.Find("burst")) transfer.burst = burst->Integer(0, 1 << 20);
    return step;
  }

  SequenceStep ReadWait(const JsonValue& op) const {
    op.CheckKeys({"op", "alloc"});
    return WaitStep{Allocation(op.At("alloc"))};
  }

  Transfer ReadTaskTransfer(const JsonValue& bd, TileKind kind) const {
    bd.CheckKeys({"buffer", "type", "offset", "len", "sizes", "strides", "pad", "iteration",
                  "packet", "burst", "acquire", "release", "bd", "next"});
    Transfer transfer;
    if (kind == TileKind::kShim) {
      transfer.buffer = ArgumentIndex(bd.At("buffer"));
      transfer.type = sequence_.arguments[transfer.buffer].type;
    } else {
      transfer.buffer = Lookup(names_.buffers, bd.At("buffer"));
      transfer.type = sequence_.buffers[transfer.buffer].type;
    }
    if (const auto type = bd.Find("type")) transfer.type = type->Type();
    ReadTransferShape(bd, transfer);
    if (transfer.iteration) bd.At("iteration").Fail("a task's iteration is its outermost size");
    if (const auto acquire = bd.Find("acquire")) {
      acquire->CheckKeys({"lock", "value", "ge"});
      const Lock& lock = sequence_.locks[Lookup(names_.locks, acquire->At("lock"))];
      transfer.acquire = {lock.tile, lock.id, acquire->At("value").Integer(0, 64),
                          acquire->At("ge").Bool()};
    }
    if (const auto release = bd.Find("release")) {
      release->CheckKeys({"lock", "value"});
      const Lock& lock = sequence_.locks[Lookup(names_.locks, release->At("lock"))];
      transfer.release = {lock.tile, lock.id, release->At("value").Integer(-64, 63)};
    }
    if (const auto id = bd.Find("bd")) transfer.bd = id->Int(0, 63);
    if (const auto next = bd.Find("next")) transfer.next = next->Int(0, 63);
    return transfer;
  }

  SequenceStep ReadConfigure(const JsonValue& op) const {
    op.CheckKeys(
        {"op", "task", "col", "row", "dir", "channel", "bds", "token", "repeat", "packet"});
    ConfigureStep step;
    step.task = op.At("task").Text();
    step.channel = ChannelMembers(op);
    const TileKind kind = KindOf(step.channel.tile);
    op.At("bds").ForEach([&](const JsonValue& bd) {
      step.transfers.push_back(ReadTaskTransfer(bd, kind));
      if (step.transfers.back().padding.empty()) return;
      if (step.channel.direction != Direction::kMm2s) bd.Fail("padding is for MM2S alone");
    });
    if (const auto token = op.Find("token")) step.token = token->Bool();
    if (const auto repeat = op.Find("repeat")) step.repeat = repeat->Int(0, 1 << 20);
    if (const auto packet = op.Find("packet")) step.packet = packet->AsPacket();
    return step;
  }
  SequenceStep ReadStart(const JsonValue& op) const {
    op.CheckKeys({"op", "task"});
    return StartStep{op.At("task").Text()};
  }
  SequenceStep ReadFinish(const JsonValue& op) const {
    op.CheckKeys({"op", "task"});
    return FinishStep{op.At("task").Text(), op.At("op").Text() == "await"};
  }
  SequenceStep ReadResetChannel(const JsonValue& op) const {
    op.CheckKeys({"op", "col", "row", "dir", "channel"});
    return ResetChannelStep{ChannelMembers(op)};
  }
  SequenceStep ReadResetCore(const JsonValue& op) const {
    op.CheckKeys({"op", "col", "row"});
    return ResetCoreStep{TileMembers(op)};
  }

  JsonValue root_;
  Sequence sequence_;
  Names names_;
};

}  // namespace

Sequence ReadSequence(const JsonDocument& document, std::string_view name) {
  return SequenceReader(JsonValue(document, std::string(name))).Read();
}

Sequence LoadSequence(const std::filesystem::path& path) {
  return ReadSequence(ParseJsonFile(path, kMostJsonBytes), Printable(path.string(), 400));
}

}  // namespace tandem::npu
