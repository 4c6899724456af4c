// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers of the stream's operations. Internal to the library.
#pragma once

#include <cstdint>

namespace tandem::npu::opcode {

inline constexpr uint32_t kWrite = 0x00;
inline constexpr uint32_t kBlockWrite = 0x01;
inline constexpr uint32_t kBlockSet = 0x02;
inline constexpr uint32_t kMaskWrite = 0x03;
inline constexpr uint32_t kMaskPoll = 0x04;
inline constexpr uint32_t kNoop = 0x05;
inline constexpr uint32_t kPreempt = 0x06;
inline constexpr uint32_t kMaskPollBusy = 0x07;
inline constexpr uint32_t kLoadPdi = 0x08;
inline constexpr uint32_t kLoadPmStart = 0x09;
inline constexpr uint32_t kCreateScratchpad = 0x0A;
inline constexpr uint32_t kUpdateStateTable = 0x0B;
inline constexpr uint32_t kUpdateRegister = 0x0C;
inline constexpr uint32_t kUpdateScratch = 0x0D;
inline constexpr uint32_t kConfigShimBd = 0x0E;
inline constexpr uint32_t kConfigShimDmaBuf = 0x0F;
inline constexpr uint32_t kSync = 0x80;
inline constexpr uint32_t kAddressPatch = 0x81;
inline constexpr uint32_t kReadRegisters = 0x82;
inline constexpr uint32_t kRecordTimer = 0x83;
inline constexpr uint32_t kMergeSync = 0x84;

/// The generation of a device in the header.
inline constexpr uint32_t kGenerationNpu1 = 3;
inline constexpr uint32_t kGenerationNpu2 = 4;

}  // namespace tandem::npu::opcode
