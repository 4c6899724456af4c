// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the program and libtandem_npu_xrt.so, which is opened at run time, say to each other: C
// types alone, so that XRT's C++ library, and the C++ library that it was built with, stay on the
// far side. Objects are pointers; who made one destroys it. Functions that fail return nullptr, or
// what is not 0, and fill in the error. One thread at a time.
#pragma once

#include <cstdint>

extern "C" {

/// Changes with every change below.
enum {
  kTandemXrtAbi = 2
};

enum TandemXrtErrorKind : int32_t {
  kTandemXrtOther = 0,
  kTandemXrtNoDevice,  ///< XRT knows of no device of that number.
  kTandemXrtDenied,
  kTandemXrtNoMemory,
  kTandemXrtLost,     ///< The device went away, or refuses.
  kTandemXrtTimeout,  ///< No answer in time.
  kTandemXrtCommand,  ///< A run ended in a state that is not "completed".
};

struct TandemXrtError {
  int32_t kind;
  int32_t state;   ///< Of the command: ERT_CMD_STATE_...; 0 where there is none.
  int32_t number;  ///< errno; 0 where there is none.
  char text[500];
};

struct TandemXrtInfo {
  char name[128];    ///< "RyzenAI-npu1".
  char address[32];  ///< PCI: "0000:c5:00.1".
  char version[32];  ///< Of XRT.
};

enum TandemXrtBufferKind : int32_t {
  kTandemXrtData = 0,      ///< Of the device; the context is not looked at.
  kTandemXrtInstructions,  ///< Of a context.
};

struct TandemXrtRun {
  void* instructions;
  uint32_t words;
  uint32_t arguments;
  void* const* buffers;
};

struct TandemXrtApi {
  uint32_t abi;
  void* (*open_device)(uint32_t index, TandemXrtError* error);
  void (*close_device)(void* device);
  int (*get_info)(void* device, TandemXrtInfo* info, TandemXrtError* error);
  /// `gops`: a hint how much will be computed per second, for the driver's clocks; 0 for none.
  void* (*make_context)(void* device, const void* xclbin, uint64_t bytes, const char* kernel,
                        uint32_t gops, TandemXrtError* error);
  void (*destroy_context)(void* context);
  void* (*make_buffer)(void* device, void* context, int32_t kind, uint64_t bytes, void** memory,
                       TandemXrtError* error);
  void (*destroy_buffer)(void* buffer);
  /// Of whole lines of the cache inside the buffer.
  int (*sync_buffer)(void* buffer, int to_device, uint64_t first, uint64_t bytes,
                     TandemXrtError* error);
  int (*export_buffer)(void* buffer, int* descriptor, TandemXrtError* error);
  /// Runs a list and waits for it.
  int (*run)(void* context, const TandemXrtRun* runs, uint32_t count, uint32_t timeout_ms,
             TandemXrtError* error);
};

/// The one symbol of the library, "tandem_npu_xrt".
const TandemXrtApi* tandem_npu_xrt(void);
}
