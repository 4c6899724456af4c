// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// libtandem_npu_xrt.so: plugin.h on XRT 2.18 and newer.
#include "devices/npu/xrt/plugin.h"

#include <fcntl.h>
#include <xrt/experimental/xrt_ext.h>
#include <xrt/experimental/xrt_kernel.h>
#include <xrt/experimental/xrt_version.h>
#include <xrt/experimental/xrt_xclbin.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_hw_context.h>
#include <xrt/xrt_kernel.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace {

/// "Run this instruction buffer": the first argument of every run.
constexpr uint64_t kTransaction = 3;
/// Where instructions, their count and the buffers stand among a kernel's arguments.
constexpr int kInstructions = 1;
constexpr int kFirstBuffer = 3;

struct Device {
  xrt::device device;
};

struct Context {
  Context(const xrt::device& device, const xrt::uuid& uuid, uint32_t gops, const char* name)
      : hardware(device, uuid, Hints(gops)), kernel(hardware, name) {}
  static xrt::hw_context::cfg_param_type Hints(uint32_t gops) {
    if (gops == 0) return {};
    return {{"gops", gops}};
  }
  xrt::hw_context hardware;
  xrt::kernel kernel;
  /// Kept, since each has a command buffer of its own.
  std::vector<xrt::run> runs;
  xrt::runlist list;
  bool stuck = false;  ///< A command of it never came back.
};

bool InProgress(const xrt::run& run) {
  switch (run.state()) {
    case ERT_CMD_STATE_NEW:
    case ERT_CMD_STATE_QUEUED:
    case ERT_CMD_STATE_SUBMITTED:
    case ERT_CMD_STATE_RUNNING: return true;
    default: return false;
  }
}

struct Buffer {
  explicit Buffer(xrt::bo from) : bo(std::move(from)) {}
  xrt::bo bo;
};

void Tell(TandemXrtError* error, TandemXrtErrorKind kind, const char* text) {
  error->kind = kind;
  std::snprintf(error->text, sizeof(error->text), "%s", text);
}

TandemXrtErrorKind KindOf(int number) {
  switch (number) {
    case EACCES:
    case EPERM: return kTandemXrtDenied;
    case ENOMEM:
    case ENOSPC:
    case EAGAIN: return kTandemXrtNoMemory;
    case ETIME:
    case ETIMEDOUT: return kTandemXrtTimeout;
    case ENODEV:
    case ENXIO:
    case EIO: return kTandemXrtLost;
    default: return kTandemXrtOther;
  }
}

/// Calls what may throw; nothing of C++ leaves the library.
template <typename Result, typename Function>
Result Guarded(TandemXrtError* error, Result failure, const Function& function) {
  *error = {};
  try {
    return function();
  } catch (const xrt::runlist::command_error& command) {
    error->state = command.get_command_state();
    Tell(error, kTandemXrtCommand, command.what());
  } catch (const xrt::run::command_error& command) {
    error->state = command.get_command_state();
    Tell(error, kTandemXrtCommand, command.what());
  } catch (const std::system_error& system) {
    error->number = system.code().value() < 0 ? -system.code().value() : system.code().value();
    Tell(error, KindOf(error->number), system.what());
  } catch (const std::bad_alloc& memory) {
    Tell(error, kTandemXrtNoMemory, memory.what());
  } catch (const std::exception& other) {
    Tell(error, kTandemXrtOther, other.what());
  } catch (...) {
    Tell(error, kTandemXrtOther, "XRT failed without a word");
  }
  return failure;
}

void* OpenDevice(uint32_t index, TandemXrtError* error) {
  return Guarded<void*>(error, nullptr, [&]() -> void* { return new Device{xrt::device(index)}; });
}

int GetInfo(void* device, TandemXrtInfo* info, TandemXrtError* error) {
  return Guarded(error, 1, [&] {
    const auto& xrt = static_cast<Device*>(device)->device;
    *info = {};
    const auto copy = [](auto& to, const std::string& text) {
      std::snprintf(to, sizeof(to), "%s", text.c_str());
    };
    copy(info->name, xrt.get_info<xrt::info::device::name>());
    copy(info->address, xrt.get_info<xrt::info::device::bdf>());
    copy(info->version,
         std::to_string(xrt::version::major()) + "." + std::to_string(xrt::version::minor()));
    return 0;
  });
}

void* MakeContext(void* device, const void* xclbin, uint64_t bytes, const char* kernel,
                  uint32_t gops, TandemXrtError* error) {
  return Guarded<void*>(error, nullptr, [&]() -> void* {
    auto& xrt = static_cast<Device*>(device)->device;
    const auto* const data = static_cast<const char*>(xclbin);
    const xrt::xclbin container(std::vector<char>(data, data + bytes));
    const xrt::uuid uuid = xrt.register_xclbin(container);
    return new Context(xrt, uuid, gops, kernel);
  });
}

void* MakeBuffer(void* device, void* context, int32_t kind, uint64_t bytes, void** memory,
                 TandemXrtError* error) {
  return Guarded<void*>(error, nullptr, [&]() -> void* {
    auto& xrt = static_cast<Device*>(device)->device;
    std::unique_ptr<Buffer> buffer;
    if (kind == kTandemXrtInstructions) {
      if (context == nullptr) throw std::invalid_argument("instructions belong to a context");
      const auto& kernel = static_cast<Context*>(context)->kernel;
      buffer = std::make_unique<Buffer>(
          xrt::bo(xrt, bytes, xrt::bo::flags::cacheable, kernel.group_id(kInstructions)));
    } else {
      buffer = std::make_unique<Buffer>(xrt::ext::bo(xrt, bytes));
    }
    *memory = buffer->bo.map<void*>();
    return buffer.release();
  });
}

int SyncBuffer(void* buffer, int to_device, uint64_t first, uint64_t bytes, TandemXrtError* error) {
  return Guarded(error, 1, [&] {
    static_cast<Buffer*>(buffer)->bo.sync(
        to_device != 0 ? XCL_BO_SYNC_BO_TO_DEVICE : XCL_BO_SYNC_BO_FROM_DEVICE, bytes, first);
    return 0;
  });
}

int ExportBuffer(void* buffer, int* descriptor, TandemXrtError* error) {
  return Guarded(error, 1, [&] {
    // XRT keeps what it exports; the caller gets one of its own.
    const auto exported = static_cast<Buffer*>(buffer)->bo.export_buffer();
    *descriptor = fcntl(static_cast<int>(exported), F_DUPFD_CLOEXEC, 0);
    if (*descriptor < 0) throw std::system_error(errno, std::generic_category(), "dma-buf");
    return 0;
  });
}

/// Fills in what a context is to run.
void SetRuns(Context& context, const TandemXrtRun* runs, uint32_t count) {
  while (context.runs.size() < count) context.runs.emplace_back(context.kernel);
  for (uint32_t i = 0; i < count; ++i) {
    xrt::run& run = context.runs[i];
    run.set_arg(0, kTransaction);
    run.set_arg(kInstructions, static_cast<Buffer*>(runs[i].instructions)->bo);
    run.set_arg(2, runs[i].words);
    for (uint32_t j = 0; j < runs[i].arguments; ++j) {
      run.set_arg(kFirstBuffer + static_cast<int>(j), static_cast<Buffer*>(runs[i].buffers[j])->bo);
    }
  }
}

/// Whether it is done in time.
bool StartAndWait(Context& context, uint32_t count, std::chrono::milliseconds timeout) {
  if (count == 1) {
    context.runs[0].start();
    return context.runs[0].wait2(timeout) == std::cv_status::no_timeout;
  }
  context.list = xrt::runlist(context.hardware);
  for (uint32_t i = 0; i < count; ++i) context.list.add(context.runs[i]);
  context.list.execute();
  return context.list.wait(timeout) == std::cv_status::no_timeout;
}

int Run(void* to, const TandemXrtRun* runs, uint32_t count, uint32_t timeout_ms,
        TandemXrtError* error) {
  auto& context = *static_cast<Context*>(to);
  bool started = false;
  int failed = Guarded(error, 1, [&] {
    SetRuns(context, runs, count);
    started = true;
    return StartAndWait(context, count, std::chrono::milliseconds(timeout_ms)) ? 0 : 1;
  });
  if (failed == 0 || !started) return failed;
  // XRT has more than one way to say that nobody answered; the commands say it themselves.
  TandemXrtError ignored{};
  context.stuck = Guarded(&ignored, true, [&] {
    const auto last = context.runs.begin() + count;
    return std::any_of(context.runs.begin(), last, InProgress);
  });
  const bool told = error->kind == kTandemXrtCommand || error->kind == kTandemXrtLost;
  if (context.stuck && !told) Tell(error, kTandemXrtTimeout, "no answer in time");
  return failed;
}

void DestroyContext(void* context) {
  auto* const own = static_cast<Context*>(context);
  // XRT ends the process where a run is destroyed that is in progress. What is left here the driver
  // takes back when the device is closed.
  if (!own->stuck) delete own;
}

const TandemXrtApi kApi = {
    kTandemXrtAbi,
    OpenDevice,
    [](void* device) { delete static_cast<Device*>(device); },
    GetInfo,
    MakeContext,
    DestroyContext,
    MakeBuffer,
    [](void* buffer) { delete static_cast<Buffer*>(buffer); },
    SyncBuffer,
    ExportBuffer,
    Run,
};

}  // namespace

[[gnu::visibility("default")]] const TandemXrtApi* tandem_npu_xrt() { return &kApi; }
