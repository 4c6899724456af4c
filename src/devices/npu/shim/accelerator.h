// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The emulated accelerator as one who opened its node sees it: answers the amdxdna driver's calls.
// Any number of threads may call; one call runs at a time, but for waits.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "devices/npu/isa/tile.h"
#include "devices/npu/shim/context.h"
#include "devices/npu/shim/fault.h"
#include "devices/npu/shim/memory.h"
#include "devices/npu/shim/uapi.h"

namespace tandem::npu::shim {

/// What all who opened the node have in common.
struct Shared {
  Generation generation = Generation::kNpu1;
  Fault fault;
  std::atomic<uint64_t> commands = 0;  ///< So far.
  std::atomic<uint8_t> power_mode = 0;
  std::atomic<bool> gone = false;
};

class Accelerator {
 public:
  explicit Accelerator(Shared& shared) : shared_(shared), generation_(shared.generation) {}

  /// The ioctl with these arguments. Returns 0, or an errno.
  int Call(uint32_t number, void* arguments);
  /// The node's memory at an offset, as the system's mmap: MAP_FAILED with errno.
  void* Map(void* address, size_t size, int protection, int flags, off_t offset);

  /// What is open: buffers, contexts, synchronisation objects.
  struct Open {
    size_t buffers, contexts, syncobjs;
  };
  Open open() const { return {memory_.count(), contexts_.size(), timelines_.size()}; }

 private:
  int Version(DrmVersion& args) const;
  int ExportBo(PrimeArgs& args);
  int CreateContext(CreateContextArgs& args);
  int ConfigContext(const ConfigContextArgs& args);
  int CreateBo(CreateBoArgs& args);
  int GetBoInfo(GetBoInfoArgs& args);
  int Exec(ExecArgs& args);
  int GetInfo(InfoArgs& args) const;
  int SetState(const InfoArgs& args);
  int GetArray(ArrayArgs& args) const;
  int WaitCommand(std::unique_lock<std::mutex>& lock, const WaitArgs& args);
  int WaitTimelines(std::unique_lock<std::mutex>& lock, TimelineWaitArgs& args);
  int Query(const TimelineArrayArgs& args, bool signal);

  Shared& shared_;
  Generation generation_;
  std::mutex mutex_;
  std::condition_variable signalled_;
  Memory memory_;
  std::map<uint32_t, std::unique_ptr<Context>> contexts_;
  std::map<uint32_t, uint64_t> timelines_;  ///< The last point that was reached.
  uint32_t next_context_ = 1;
  uint32_t next_timeline_ = 1;
};

}  // namespace tandem::npu::shim
