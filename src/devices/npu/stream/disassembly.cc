// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/stream/disassembly.h"

#include <fmt/format.h>

#include <span>

#include "devices/npu/isa/descriptor.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu {
namespace {

class Visitor {
 public:
  explicit Visitor(const Device& device) : device_(device) {}

  Disassembled out;

  void operator()(const WriteOp& op) {
    At(op.address);
    out.data = {op.value};
    AddFields(op.value, 0xFFFFFFFF);
  }
  void operator()(const MaskWriteOp& op) { Masked(op.address, op.value, op.mask); }
  void operator()(const MaskPollOp& op) { Masked(op.address, op.value, op.mask); }
  void operator()(const BlockWriteOp& op) {
    At(op.address);
    out.data = op.data;
    if (!reg_) return;
    const TileKind kind = KindOf(*out.tile);
    const auto words = static_cast<size_t>(ResourcesOf(kind).descriptor_words);
    if (reg_->cls == RegisterClass::kDescriptor && reg_->sub == 0 && op.data.size() == words) {
      const Descriptor bd = UnpackDescriptor(kind, op.data);
      for (const DescriptorField& field : DescriptorFields(kind)) {
        // A shim's address has two places; it is one number.
        if (field.shift == 32) continue;
        const int64_t value = bd.*field.member;
        if (value != 0) Add(field.shift == 0 ? field.name : "Base_Address", value);
      }
      return;
    }
    if (op.data.size() == 1) AddFields(op.data[0], 0xFFFFFFFF);
  }
  void operator()(const NoopOp&) {}
  void operator()(const PreemptOp& op) { Add("level", op.level); }
  void operator()(const LoadPdiOp& op) {
    Add("id", op.id);
    Add("size", op.size);
    Add("address", static_cast<int64_t>(op.address));
  }
  void operator()(const CreateScratchpadOp& op) {
    Add("usage", op.usage);
    Add("size", op.size);
  }
  void operator()(const UpdateFromScratchpadOp& op) {
    At(op.address);
    Add("index", op.index);
    Add("function", op.function);
    Add("argument", op.argument);
  }
  void operator()(const SyncOp& op) {
    if (const Tile tile{op.column, op.row}; Contains(device_, tile)) out.tile = tile;
    Add("columns", op.columns);
    Add("rows", op.rows);
    Add(op.direction == Direction::kS2mm ? "S2MM" : "MM2S", op.channel);
  }
  void operator()(const AddressPatchOp& op) {
    At(op.address);
    Add("argument", op.argument);
    Add("offset", static_cast<int64_t>(op.offset));
  }
  void operator()(const ReadRegistersOp& op) {
    for (const uint32_t address : op.addresses) Add("address", address);
  }
  void operator()(const RecordTimerOp& op) { Add("id", op.id); }
  void operator()(const MergeSyncOp& op) {
    Add("tokens", op.tokens);
    Add("columns", op.columns);
  }

 private:
  void Add(std::string_view name, int64_t value) { out.fields.emplace_back(name, value); }

  void At(uint32_t address) {
    out.address = address;
    out.reg = "?";
    const Tile tile = TileOfAddress(address);
    if (!Contains(device_, tile)) return;
    out.tile = tile;
    reg_ = FindRegister(device_.generation, KindOf(tile), OffsetOfAddress(address));
    if (!reg_) return;
    out.reg = reg_->name;
    if (reg_->cls == RegisterClass::kDataMemory || reg_->cls == RegisterClass::kProgramMemory) {
      out.reg += fmt::format("+0x{:X}", reg_->index);
    }
  }

  void Masked(uint32_t address, uint32_t value, uint32_t mask) {
    At(address);
    out.data = {value, mask};
    AddFields(value, mask);
  }

  /// The fields that the mask touches.
  void AddFields(uint32_t value, uint32_t mask) {
    if (!reg_) return;
    const TileKind kind = KindOf(*out.tile);
    if (reg_->cls == RegisterClass::kDescriptor) {
      for (const DescriptorField& field : DescriptorFields(kind)) {
        if (field.word != reg_->sub) continue;
        const BitField bits{field.name, field.high, field.low};
        if (FieldValue(bits, mask) == 0) continue;
        const int64_t raw = FieldValue(bits, value);
        const int64_t half = int64_t{1} << (field.high - field.low);
        Add(field.name, field.is_signed && raw >= half ? raw - 2 * half : raw);
      }
      return;
    }
    for (const BitField& field : FieldsOf(kind, *reg_)) {
      if (FieldValue(field, mask) != 0) Add(field.name, FieldValue(field, value));
    }
  }

  Device device_;
  std::optional<Register> reg_;
};

}  // namespace

Disassembled Disassemble(const Device& device, const StreamOp& op) {
  Visitor visitor(device);
  std::visit(visitor, op);
  visitor.out.name = OpName(op);
  return std::move(visitor.out);
}

std::string TextOf(const Disassembled& op) {
  std::string text;
  if (op.tile) text += TileText(*op.tile) + " ";
  if (op.address) {
    text += op.reg == "?" ? fmt::format("no register at 0x{:08X}", *op.address) : op.reg;
    text += ' ';
  }
  if (op.name.starts_with("MASK")) {
    text += fmt::format("{} 0x{:08X} mask 0x{:08X} ", op.name == "MASKWRITE" ? "=" : "until",
                        op.data[0], op.data[1]);
  } else if (op.data.size() == 1) {
    text += fmt::format("= 0x{:08X} ", op.data[0]);
  } else if (!op.data.empty()) {
    text += fmt::format("[{}] ", op.data.size());
    // Words whose meaning the fields do not tell.
    if (op.fields.empty()) {
      constexpr size_t kShown = 8;
      for (size_t i = 0; i < op.data.size() && i < kShown; ++i) {
        text += fmt::format("{:08X} ", op.data[i]);
      }
      if (op.data.size() > kShown) text += "... ";
    }
  }
  for (const auto& [name, value] : op.fields) {
    const bool plain = value > -1000 && value < 1000000;
    text += plain ? fmt::format(" {}={}", name, value)
                  : fmt::format(" {}=0x{:X}", name, static_cast<uint64_t>(value));
  }
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace tandem::npu
