// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/isa/descriptor.h"

#include <fmt/format.h>

#include <array>

#include "core/error.h"

namespace tandem::npu {
namespace {

using D = Descriptor;

constexpr DescriptorField kShimFields[] = {
    {"Buffer_Length", 0, 31, 0, 0, false, &D::length},
    {"Base_Address_Low", 1, 31, 2, 2, false, &D::base},
    {"Enable_Packet", 2, 30, 30, 0, false, &D::enable_packet},
    {"Out_Of_Order_BD_ID", 2, 29, 24, 0, false, &D::out_of_order_id},
    {"Packet_ID", 2, 23, 19, 0, false, &D::packet_id},
    {"Packet_Type", 2, 18, 16, 0, false, &D::packet_type},
    {"Base_Address_High", 2, 15, 0, 32, false, &D::base},
    {"Secure_Access", 3, 30, 30, 0, false, &D::secure},
    {"D0_Wrap", 3, 29, 20, 0, false, &D::d0_wrap},
    {"D0_Stepsize", 3, 19, 0, 0, false, &D::d0_step},
    {"Burst_Length", 4, 31, 30, 0, false, &D::burst},
    {"D1_Wrap", 4, 29, 20, 0, false, &D::d1_wrap},
    {"D1_Stepsize", 4, 19, 0, 0, false, &D::d1_step},
    {"SMID", 5, 31, 28, 0, false, &D::smid},
    {"AxCache", 5, 27, 24, 0, false, &D::axcache},
    {"AxQoS", 5, 23, 20, 0, false, &D::axqos},
    {"D2_Stepsize", 5, 19, 0, 0, false, &D::d2_step},
    {"Iteration_Current", 6, 31, 26, 0, false, &D::iteration_current},
    {"Iteration_Wrap", 6, 25, 20, 0, false, &D::iteration_wrap},
    {"Iteration_Stepsize", 6, 19, 0, 0, false, &D::iteration_step},
    {"TLAST_Suppress", 7, 31, 31, 0, false, &D::tlast_suppress},
    {"Next_BD", 7, 30, 27, 0, false, &D::next},
    {"Use_Next_BD", 7, 26, 26, 0, false, &D::use_next},
    {"Valid_BD", 7, 25, 25, 0, false, &D::valid},
    {"Lock_Rel_Value", 7, 24, 18, 0, true, &D::release_value},
    {"Lock_Rel_ID", 7, 16, 13, 0, false, &D::release_id},
    {"Lock_Acq_Enable", 7, 12, 12, 0, false, &D::acquire_enable},
    {"Lock_Acq_Value", 7, 11, 5, 0, true, &D::acquire_value},
    {"Lock_Acq_ID", 7, 3, 0, 0, false, &D::acquire_id},
};

constexpr DescriptorField kMemoryFields[] = {
    {"Enable_Packet", 0, 31, 31, 0, false, &D::enable_packet},
    {"Packet_Type", 0, 30, 28, 0, false, &D::packet_type},
    {"Packet_ID", 0, 27, 23, 0, false, &D::packet_id},
    {"Out_Of_Order_BD_ID", 0, 22, 17, 0, false, &D::out_of_order_id},
    {"Buffer_Length", 0, 16, 0, 0, false, &D::length},
    {"D0_Zero_Before", 1, 31, 26, 0, false, &D::d0_before},
    {"Next_BD", 1, 25, 20, 0, false, &D::next},
    {"Use_Next_BD", 1, 19, 19, 0, false, &D::use_next},
    {"Base_Address", 1, 18, 0, 0, false, &D::base},
    {"TLAST_Suppress", 2, 31, 31, 0, false, &D::tlast_suppress},
    {"D0_Wrap", 2, 26, 17, 0, false, &D::d0_wrap},
    {"D0_Stepsize", 2, 16, 0, 0, false, &D::d0_step},
    {"D1_Zero_Before", 3, 31, 27, 0, false, &D::d1_before},
    {"D1_Wrap", 3, 26, 17, 0, false, &D::d1_wrap},
    {"D1_Stepsize", 3, 16, 0, 0, false, &D::d1_step},
    {"Enable_Compression", 4, 31, 31, 0, false, &D::enable_compression},
    {"D2_Zero_Before", 4, 30, 27, 0, false, &D::d2_before},
    {"D2_Wrap", 4, 26, 17, 0, false, &D::d2_wrap},
    {"D2_Stepsize", 4, 16, 0, 0, false, &D::d2_step},
    {"D2_Zero_After", 5, 31, 28, 0, false, &D::d2_after},
    {"D1_Zero_After", 5, 27, 23, 0, false, &D::d1_after},
    {"D0_Zero_After", 5, 22, 17, 0, false, &D::d0_after},
    {"D3_Stepsize", 5, 16, 0, 0, false, &D::d3_step},
    {"Iteration_Current", 6, 28, 23, 0, false, &D::iteration_current},
    {"Iteration_Wrap", 6, 22, 17, 0, false, &D::iteration_wrap},
    {"Iteration_Stepsize", 6, 16, 0, 0, false, &D::iteration_step},
    {"Valid_BD", 7, 31, 31, 0, false, &D::valid},
    {"Lock_Rel_Value", 7, 30, 24, 0, true, &D::release_value},
    {"Lock_Rel_ID", 7, 23, 16, 0, false, &D::release_id},
    {"Lock_Acq_Enable", 7, 15, 15, 0, false, &D::acquire_enable},
    {"Lock_Acq_Value", 7, 14, 8, 0, true, &D::acquire_value},
    {"Lock_Acq_ID", 7, 7, 0, 0, false, &D::acquire_id},
};

constexpr DescriptorField kCoreFields[] = {
    {"Base_Address", 0, 27, 14, 0, false, &D::base},
    {"Buffer_Length", 0, 13, 0, 0, false, &D::length},
    {"Enable_Compression", 1, 31, 31, 0, false, &D::enable_compression},
    {"Enable_Packet", 1, 30, 30, 0, false, &D::enable_packet},
    {"Out_Of_Order_BD_ID", 1, 29, 24, 0, false, &D::out_of_order_id},
    {"Packet_ID", 1, 23, 19, 0, false, &D::packet_id},
    {"Packet_Type", 1, 18, 16, 0, false, &D::packet_type},
    {"D1_Stepsize", 2, 25, 13, 0, false, &D::d1_step},
    {"D0_Stepsize", 2, 12, 0, 0, false, &D::d0_step},
    {"D1_Wrap", 3, 28, 21, 0, false, &D::d1_wrap},
    {"D0_Wrap", 3, 20, 13, 0, false, &D::d0_wrap},
    {"D2_Stepsize", 3, 12, 0, 0, false, &D::d2_step},
    {"Iteration_Current", 4, 24, 19, 0, false, &D::iteration_current},
    {"Iteration_Wrap", 4, 18, 13, 0, false, &D::iteration_wrap},
    {"Iteration_Stepsize", 4, 12, 0, 0, false, &D::iteration_step},
    {"TLAST_Suppress", 5, 31, 31, 0, false, &D::tlast_suppress},
    {"Next_BD", 5, 30, 27, 0, false, &D::next},
    {"Use_Next_BD", 5, 26, 26, 0, false, &D::use_next},
    {"Valid_BD", 5, 25, 25, 0, false, &D::valid},
    {"Lock_Rel_Value", 5, 24, 18, 0, true, &D::release_value},
    {"Lock_Rel_ID", 5, 16, 13, 0, false, &D::release_id},
    {"Lock_Acq_Enable", 5, 12, 12, 0, false, &D::acquire_enable},
    {"Lock_Acq_Value", 5, 11, 5, 0, true, &D::acquire_value},
    {"Lock_Acq_ID", 5, 3, 0, 0, false, &D::acquire_id},
};

/// Every member, with the name that errors call it.
struct Member {
  std::string_view name;
  int64_t Descriptor::*member;
};
constexpr Member kMembers[] = {
    {"length", &D::length},
    {"base address", &D::base},
    {"enable packet", &D::enable_packet},
    {"packet id", &D::packet_id},
    {"packet type", &D::packet_type},
    {"out-of-order BD id", &D::out_of_order_id},
    {"enable compression", &D::enable_compression},
    {"D0 wrap", &D::d0_wrap},
    {"D1 wrap", &D::d1_wrap},
    {"D2 wrap", &D::d2_wrap},
    {"D0 step", &D::d0_step},
    {"D1 step", &D::d1_step},
    {"D2 step", &D::d2_step},
    {"D3 step", &D::d3_step},
    {"D0 padding before", &D::d0_before},
    {"D0 padding after", &D::d0_after},
    {"D1 padding before", &D::d1_before},
    {"D1 padding after", &D::d1_after},
    {"D2 padding before", &D::d2_before},
    {"D2 padding after", &D::d2_after},
    {"iteration wrap", &D::iteration_wrap},
    {"iteration step", &D::iteration_step},
    {"iteration current", &D::iteration_current},
    {"burst", &D::burst},
    {"SMID", &D::smid},
    {"AxCache", &D::axcache},
    {"AxQoS", &D::axqos},
    {"secure access", &D::secure},
    {"TLAST suppress", &D::tlast_suppress},
    {"valid", &D::valid},
    {"use next BD", &D::use_next},
    {"next BD", &D::next},
    {"lock acquire enable", &D::acquire_enable},
    {"lock acquire value", &D::acquire_value},
    {"lock acquire id", &D::acquire_id},
    {"lock release value", &D::release_value},
    {"lock release id", &D::release_id},
};

constexpr uint32_t MaskOf(const DescriptorField& field) {
  return static_cast<uint32_t>((uint64_t{1} << (field.high - field.low + 1)) - 1);
}

/// What the registers can hold of `member`, for the error.
std::string RangeText(TileKind kind, int64_t Descriptor::*member) {
  int bits = 0;
  int unit = 0;
  bool is_signed = false;
  for (const DescriptorField& field : DescriptorFields(kind)) {
    if (field.member != member) continue;
    if (bits == 0) unit = field.shift;
    bits = field.shift + field.high - field.low + 1;
    is_signed = field.is_signed;
  }
  if (bits == 0) return fmt::format("a {} has no such field", TileKindName(kind));
  if (is_signed) {
    return fmt::format("the field holds {} to {}", -(int64_t{1} << (bits - 1)),
                       (int64_t{1} << (bits - 1)) - 1);
  }
  std::string text = fmt::format("the field holds 0 to {}", (int64_t{1} << bits) - (1 << unit));
  if (unit != 0) text += fmt::format(" in steps of {}", 1 << unit);
  return text;
}

}  // namespace

std::span<const DescriptorField> DescriptorFields(TileKind kind) {
  switch (kind) {
    case TileKind::kShim: return kShimFields;
    case TileKind::kMemory: return kMemoryFields;
    case TileKind::kCore: break;
  }
  return kCoreFields;
}

std::vector<uint32_t> PackDescriptor(TileKind kind, const Descriptor& descriptor) {
  std::vector<uint32_t> words(static_cast<size_t>(ResourcesOf(kind).descriptor_words));
  for (const DescriptorField& field : DescriptorFields(kind)) {
    const auto value = static_cast<uint64_t>(descriptor.*field.member) >> field.shift;
    words[field.word] |= (static_cast<uint32_t>(value) & MaskOf(field)) << field.low;
  }
  // What does not come back did not fit.
  const Descriptor held = UnpackDescriptor(kind, words);
  for (const Member& member : kMembers) {
    const int64_t value = descriptor.*member.member;
    if (held.*member.member == value) continue;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("BD of a {}: {} {}: {}", TileKindName(kind), member.name, value,
                            RangeText(kind, member.member)));
  }
  return words;
}

Descriptor UnpackDescriptor(TileKind kind, std::span<const uint32_t> words) {
  Descriptor descriptor;
  for (const DescriptorField& field : DescriptorFields(kind)) {
    const uint32_t mask = MaskOf(field);
    auto value = static_cast<int64_t>(words[field.word] >> field.low & mask);
    const int width = field.high - field.low + 1;
    if (field.is_signed && value >= int64_t{1} << (width - 1)) value -= int64_t{1} << width;
    // Signed fields stand alone; the parts of an address have bits of their own.
    if (field.is_signed) {
      descriptor.*field.member = value;
    } else {
      descriptor.*field.member |= value << field.shift;
    }
  }
  return descriptor;
}

uint32_t DescriptorOffset(TileKind kind, int id) {
  const uint32_t base = kind == TileKind::kMemory ? 0xA0000 : 0x1D000;
  return base + 0x20 * static_cast<uint32_t>(id);
}

bool ChannelReaches(TileKind kind, int channel, int id) {
  if (id < 0 || id >= ResourcesOf(kind).descriptors) return false;
  return kind != TileKind::kMemory || (channel % 2 == 1) == (id >= 24);
}

int64_t LargestBurst(Generation generation) { return generation == Generation::kNpu1 ? 2 : 3; }

int64_t BurstCode(Generation generation, int64_t bytes) {
  for (int64_t code = 0; code <= LargestBurst(generation); ++code) {
    if (bytes == int64_t{64} << code) return code;
  }
  throw Error(
      ErrorKind::kInvalidArgument,
      fmt::format("burst of {} bytes: {} has {}", bytes, GenerationName(generation),
                  generation == Generation::kNpu1 ? "64, 128 and 256" : "64, 128, 256 and 512"));
}

}  // namespace tandem::npu
