// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What user space and the amdxdna driver say to each other, as far as the emulated accelerator
// answers. Layouts are the kernel's.
//
// Source: Linux, include/uapi/drm/amdxdna_accel.h and drm.h (numbers, fields), ert.h of XRT
// (command words).
#pragma once

#include <cstdint>

namespace tandem::npu::shim {

/// ioctl numbers: type 'd', the driver's own from 0x40 on.
enum DrmNr : uint32_t {
  kDrmVersion = 0x00,
  kDrmGemClose = 0x09,
  kDrmPrimeHandleToFd = 0x2D,
  kDrmPrimeFdToHandle = 0x2E,
  kDrmSyncobjCreate = 0xBF,
  kDrmSyncobjDestroy = 0xC0,
  kDrmSyncobjHandleToFd = 0xC1,
  kDrmSyncobjFdToHandle = 0xC2,
  kDrmSyncobjTimelineWait = 0xCA,
  kDrmSyncobjQuery = 0xCB,
  kDrmSyncobjTimelineSignal = 0xCD,
  kCreateContext = 0x40,
  kDestroyContext,
  kConfigContext,
  kCreateBo,
  kGetBoInfo,
  kSyncBo,
  kExecCommand,
  kGetInfo,
  kSetState,
  kWaitCommand,
  kGetArray
};

struct DrmVersion {
  int32_t major, minor, patch;
  uint64_t name_size;
  char* name;
  uint64_t date_size;
  char* date;
  uint64_t text_size;
  char* text;
};
struct HandleArgs {  ///< GEM_CLOSE, SYNCOBJ_CREATE (flags), SYNCOBJ_DESTROY, DESTROY_HWCTX.
  uint32_t handle, other;
};
struct PrimeArgs {
  uint32_t handle, flags;
  int32_t fd;
};
struct SyncobjHandleArgs {
  uint32_t handle, flags;
  int32_t fd;
  uint32_t pad;
};
struct TimelineWaitArgs {
  uint64_t handles, points;
  int64_t deadline_ns;  ///< On the monotonic clock.
  uint32_t count, flags, first_signaled, pad;
};
struct TimelineArrayArgs {
  uint64_t handles, points;
  uint32_t count, flags;
};

struct CreateContextArgs {
  uint64_t ext, ext_flags, qos;
  uint32_t umq_bo, log_bo, max_opc, num_tiles, mem_size, umq_doorbell, handle, syncobj;
};
struct ConfigContextArgs {
  uint32_t handle, param;
  uint64_t value;
  uint32_t value_size, pad;
};
enum ContextParam : uint32_t {
  kContextCu = 0
};
struct CuConfigHead {
  uint16_t count, pad[3];
};
struct CuConfig {
  uint32_t bo;
  uint8_t function, pad[3];
};
struct CreateBoArgs {
  uint64_t flags, vaddr, size;
  uint32_t type, handle;
};
enum BoType : uint32_t {
  kBoShare = 1,
  kBoDevHeap,
  kBoDev,
  kBoCommand
};
struct VaTableHead {
  int32_t dmabuf_fd;
  uint32_t entries;
};
struct VaEntry {
  uint64_t address, size;
};
struct GetBoInfoArgs {
  uint64_t ext, ext_flags;
  uint32_t handle, pad;
  uint64_t map_offset, vaddr, xdna_address;
};
struct ExecArgs {
  uint64_t ext, ext_flags;
  uint32_t context, type;
  uint64_t commands, arguments;
  uint32_t command_count, argument_count;
  uint64_t sequence;
};
struct InfoArgs {  ///< GET_INFO, SET_STATE.
  uint32_t param, size;
  uint64_t buffer;
};
struct WaitArgs {
  uint32_t context, timeout_ms;
  uint64_t sequence;
};
struct ArrayArgs {
  uint32_t param, element_size, elements, pad;
  uint64_t buffer;
};
static_assert(sizeof(CreateContextArgs) == 56 && sizeof(ConfigContextArgs) == 24 &&
              sizeof(CreateBoArgs) == 32 && sizeof(GetBoInfoArgs) == 48 && sizeof(ExecArgs) == 56 &&
              sizeof(InfoArgs) == 16 && sizeof(WaitArgs) == 16);

enum InfoParam : uint32_t {
  kInfoAieMetadata = 1,
  kInfoAieVersion = 2,
  kInfoClocks = 3,
  kInfoSensors = 4,
  kInfoContexts = 5,
  kInfoFirmware = 8,
  kInfoPowerMode = 9,
  kInfoResources = 12
};
struct TileMetadata {
  uint16_t rows, first_row, channels, locks, events, pad[3];
};
struct AieMetadata {
  uint32_t column_bytes;
  uint16_t columns, rows;
  uint32_t major, minor;
  TileMetadata core, memory, shim;
};
static_assert(sizeof(AieMetadata) == 64);
struct ClockMetadata {
  char name[16];
  uint32_t mhz, pad;
};

/// Word 0 of a command: state [3:0], extra masks of CUs [11:10], words that follow [22:12], opcode
/// [27:23].
enum CommandState : uint32_t {
  kStateNew = 1,
  kStateCompleted = 4,
  kStateError = 5,
  kStateAbort = 6,
  kStateTimeout = 8
};
enum CommandOpcode : uint32_t {
  kOpcodeStartCu = 0,
  kOpcodeChain = 19
};
/// A chain's words behind word 0; then handles of 64 bits.
struct ChainHead {
  uint32_t count, submit_index, error_index, reserved[3];
};

}  // namespace tandem::npu::shim
