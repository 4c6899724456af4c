// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/shim/accelerator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "devices/npu/shim/system.h"

namespace tandem::npu::shim {
namespace {

/// Copies what fits to the caller, and says how much there is.
int Give(InfoArgs& args, const void* data, size_t size) {
  if (args.size < size) {
    args.size = static_cast<uint32_t>(size);
    return ENOSPC;
  }
  if (args.buffer == 0) return EFAULT;
  std::memcpy(reinterpret_cast<void*>(args.buffer), data, size);
  args.size = static_cast<uint32_t>(size);
  return 0;
}

void GiveText(uint64_t& size, char* to, const char* text) {
  const size_t length = std::strlen(text);
  if (to != nullptr) std::memcpy(to, text, std::min<size_t>(size, length));
  size = length;
}

ClockMetadata Clock(const char* name, uint32_t mhz) {
  ClockMetadata clock{};
  std::snprintf(clock.name, sizeof(clock.name), "%s", name);
  clock.mhz = mhz;
  return clock;
}

template <typename T>
T& As(void* arguments) {
  return *static_cast<T*>(arguments);
}

constexpr uint32_t kMostCus = 32;
constexpr uint32_t kMostAtOnce = 1024;

}  // namespace

int Accelerator::Call(uint32_t number, void* arguments) {
  std::unique_lock lock(mutex_);
  if (shared_.gone) return ENODEV;
  auto* const handle = static_cast<HandleArgs*>(arguments);
  switch (number) {
    case kDrmVersion: return Version(As<DrmVersion>(arguments));
    case kDrmGemClose: return memory_.Close(handle->handle);
    case kDrmPrimeHandleToFd: return ExportBo(As<PrimeArgs>(arguments));
    case kDrmPrimeFdToHandle: {
      auto& args = As<PrimeArgs>(arguments);
      return memory_.Import(args.fd, args.handle);
    }
    case kDrmSyncobjCreate:
      handle->handle = next_timeline_++;
      timelines_[handle->handle] = 0;
      return 0;
    case kDrmSyncobjDestroy: return timelines_.erase(handle->handle) == 1 ? 0 : EINVAL;
    case kDrmSyncobjTimelineWait: return WaitTimelines(lock, As<TimelineWaitArgs>(arguments));
    case kDrmSyncobjQuery: return Query(As<TimelineArrayArgs>(arguments), /*signal=*/false);
    case kDrmSyncobjTimelineSignal: return Query(As<TimelineArrayArgs>(arguments), /*signal=*/true);
    case kCreateContext: return CreateContext(As<CreateContextArgs>(arguments));
    case kDestroyContext: return contexts_.erase(handle->handle) == 1 ? 0 : EINVAL;
    case kConfigContext: return ConfigContext(As<ConfigContextArgs>(arguments));
    case kCreateBo: return CreateBo(As<CreateBoArgs>(arguments));
    case kGetBoInfo: return GetBoInfo(As<GetBoInfoArgs>(arguments));
    case kSyncBo: return 0;  // Caller and emulator see the same memory.
    case kExecCommand: return Exec(As<ExecArgs>(arguments));
    case kGetInfo: return GetInfo(As<InfoArgs>(arguments));
    case kSetState: return SetState(As<InfoArgs>(arguments));
    case kWaitCommand: return WaitCommand(lock, As<WaitArgs>(arguments));
    case kGetArray: return GetArray(As<ArrayArgs>(arguments));
    default: return EINVAL;
  }
}

void* Accelerator::Map(void* address, size_t size, int protection, int flags, off_t offset) {
  const std::lock_guard lock(mutex_);
  Bo* const bo = shared_.gone ? nullptr : memory_.AtOffset(static_cast<uint64_t>(offset));
  if (bo == nullptr || bo->fd < 0 || size > bo->bytes.size()) {
    errno = shared_.gone ? ENODEV : EINVAL;
    return MAP_FAILED;
  }
  if (shared_.fault.Is(FaultKind::kMemlock)) {
    errno = EAGAIN;  // As the kernel says it of MAP_LOCKED beyond the limit.
    return MAP_FAILED;
  }
  // The emulator's memory needs no locking.
  void* const at = System().mmap(address, size, protection, flags & ~MAP_LOCKED, bo->fd, 0);
  if (at != MAP_FAILED) bo->user = reinterpret_cast<uint64_t>(at);
  return at;
}

int Accelerator::Version(DrmVersion& args) const {
  args.major = 0;
  args.minor = 8;
  args.patch = 0;
  GiveText(args.name_size, args.name, "amdxdna_accel_driver");
  GiveText(args.date_size, args.date, "");
  GiveText(args.text_size, args.text, "emulated by Tandem");
  return 0;
}

int Accelerator::ExportBo(PrimeArgs& args) {
  const Bo* const bo = memory_.Find(args.handle);
  if (bo == nullptr || bo->fd < 0) return EINVAL;
  args.fd = dup(bo->fd);
  return args.fd < 0 ? errno : 0;
}

int Accelerator::CreateContext(CreateContextArgs& args) {
  const uint32_t rows = 4;
  if (args.num_tiles == 0 || args.num_tiles % rows != 0 ||
      args.num_tiles / rows > static_cast<uint32_t>(MaxColumns(generation_))) {
    return EINVAL;
  }
  auto context = std::make_unique<Context>(generation_, memory_);
  context->syncobj = next_timeline_++;
  timelines_[context->syncobj] = 0;
  args.handle = next_context_++;
  args.syncobj = context->syncobj;
  args.umq_doorbell = 0;
  contexts_[args.handle] = std::move(context);
  return 0;
}

int Accelerator::ConfigContext(const ConfigContextArgs& args) {
  const auto context = contexts_.find(args.handle);
  if (context == contexts_.end()) return EINVAL;
  if (args.param != kContextCu) return 0;
  if (args.value == 0 || args.value_size < sizeof(CuConfigHead)) return EINVAL;
  const auto* const bytes = reinterpret_cast<const std::byte*>(args.value);
  CuConfigHead head{};
  std::memcpy(&head, bytes, sizeof(head));
  if (head.count == 0 || head.count > kMostCus ||
      args.value_size < sizeof(head) + head.count * sizeof(CuConfig)) {
    return EINVAL;
  }
  CuConfig cu{};
  std::memcpy(&cu, bytes + sizeof(head), sizeof(cu));
  const Bo* const image = memory_.Find(cu.bo);
  if (image == nullptr || image->type != kBoDev) return EINVAL;
  try {
    context->second->Configure(image->bytes);
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "tandem-npu-shim: %s\n", error.message().c_str());
    return EINVAL;
  }
}

int Accelerator::CreateBo(CreateBoArgs& args) {
  if (args.type == kBoShare && args.vaddr != 0) {
    VaTableHead head{};
    const auto* const table = reinterpret_cast<const std::byte*>(args.vaddr);
    std::memcpy(&head, table, sizeof(head));
    if (head.dmabuf_fd > 0 && head.entries == 0) return memory_.Import(head.dmabuf_fd, args.handle);
    if (head.entries != 1) return EOPNOTSUPP;
    VaEntry entry{};
    std::memcpy(&entry, table + sizeof(head), sizeof(entry));
    return memory_.CreateFromUser(entry.address, entry.size, args.handle);
  }
  if (args.type < kBoShare || args.type > kBoCommand) return EINVAL;
  if (shared_.fault.Is(FaultKind::kNoMemory) && args.type == kBoShare) return ENOMEM;
  return memory_.Create(static_cast<BoType>(args.type), args.size, args.handle);
}

int Accelerator::GetBoInfo(GetBoInfoArgs& args) {
  const Bo* const bo = memory_.Find(args.handle);
  if (bo == nullptr) return EINVAL;
  args.map_offset = bo->map_offset == 0 ? UINT64_MAX : bo->map_offset;
  args.vaddr = bo->user;
  args.xdna_address = bo->address;
  return 0;
}

int Accelerator::Exec(ExecArgs& args) {
  const auto found = contexts_.find(args.context);
  if (found == contexts_.end() || args.type != 0 || args.command_count == 0 ||
      args.command_count > kMostAtOnce) {
    return EINVAL;
  }
  Context& context = *found->second;
  for (uint32_t i = 0; i < args.command_count; ++i) {
    uint32_t handle = static_cast<uint32_t>(args.commands);
    if (args.command_count > 1) {
      std::memcpy(&handle, reinterpret_cast<const uint32_t*>(args.commands) + i, sizeof(handle));
    }
    const Bo* const command = memory_.Find(handle);
    if (command == nullptr || command->type != kBoCommand) return EINVAL;
    if (shared_.fault.Is(FaultKind::kGone) && shared_.fault.Meets(shared_.commands + 1)) {
      shared_.gone = true;
      signalled_.notify_all();
      return ENODEV;
    }
    args.sequence = ++context.sequence;
    uint64_t number = shared_.commands;
    const bool done = context.Execute(handle, shared_.fault, number);
    shared_.commands = number;
    if (done) {
      timelines_[context.syncobj] = context.sequence;
      signalled_.notify_all();
    }
  }
  return 0;
}

int Accelerator::GetInfo(InfoArgs& args) const {
  const bool npu1 = generation_ == Generation::kNpu1;
  switch (args.param) {
    case kInfoAieMetadata: {
      AieMetadata metadata{};
      metadata.column_bytes = 1U << 25;
      // npu1 has a fifth column without a shim.
      metadata.columns = npu1 ? 5 : 8;
      metadata.rows = kRows;
      metadata.major = npu1 ? 1 : 2;
      metadata.minor = 0;
      metadata.core = {4, 2, 2, 16, 0, {}};
      metadata.memory = {1, 1, 6, 64, 0, {}};
      metadata.shim = {1, 0, 2, 16, 0, {}};
      return Give(args, &metadata, sizeof(metadata));
    }
    case kInfoAieVersion: {
      const uint32_t version[] = {npu1 ? 1U : 2U, 0};
      return Give(args, version, sizeof(version));
    }
    case kInfoClocks: {
      const ClockMetadata clocks[] = {Clock("MP-NPU Clock", npu1 ? 847 : 1267),
                                      Clock("H Clock", npu1 ? 1600 : 1800)};
      return Give(args, clocks, sizeof(clocks));
    }
    case kInfoFirmware: {
      const uint32_t version[] = {1, npu1 ? 5U : 1U, 2, npu1 ? 391U : 64U};
      return Give(args, version, sizeof(version));
    }
    case kInfoPowerMode: {
      const uint8_t mode[8] = {shared_.power_mode};
      return Give(args, mode, sizeof(mode));
    }
    case kInfoResources: {
      const uint64_t resources[] = {npu1 ? 1600U : 1800U, npu1 ? 10U : 50U, 4, npu1 ? 10U : 50U,
                                    contexts_.size()};
      return Give(args, resources, sizeof(resources));
    }
    case kInfoSensors:
    case kInfoContexts:
      // There are none to tell of.
      args.size = 0;
      return 0;
    default: return EOPNOTSUPP;
  }
}

int Accelerator::SetState(const InfoArgs& args) {
  if (args.param != 0) return EOPNOTSUPP;
  if (args.buffer == 0 || args.size < 1) return EINVAL;
  const uint8_t mode = *reinterpret_cast<const uint8_t*>(args.buffer);
  if (mode > 4) return EINVAL;
  shared_.power_mode = mode;
  return 0;
}

int Accelerator::GetArray(ArrayArgs& args) const {
  if (args.param != 0 && args.param != 2 && args.param != 6) return EOPNOTSUPP;
  args.elements = 0;
  return 0;
}

int Accelerator::WaitCommand(std::unique_lock<std::mutex>& lock, const WaitArgs& args) {
  const auto found = contexts_.find(args.context);
  if (found == contexts_.end()) return EINVAL;
  const uint32_t syncobj = found->second->syncobj;
  const auto done = [&] {
    const auto timeline = timelines_.find(syncobj);
    return shared_.gone || timeline == timelines_.end() || timeline->second >= args.sequence;
  };
  if (args.timeout_ms == 0) {
    signalled_.wait(lock, done);
  } else if (!signalled_.wait_for(lock, std::chrono::milliseconds(args.timeout_ms), done)) {
    return ETIME;
  }
  return shared_.gone ? ENODEV : 0;
}

int Accelerator::WaitTimelines(std::unique_lock<std::mutex>& lock, TimelineWaitArgs& args) {
  if (args.count == 0 || args.count > kMostAtOnce || args.handles == 0 || args.points == 0) {
    return EINVAL;
  }
  const auto* const handles = reinterpret_cast<const uint32_t*>(args.handles);
  const auto* const points = reinterpret_cast<const uint64_t*>(args.points);
  const bool all = (args.flags & 1) != 0;
  for (uint32_t i = 0; i < args.count; ++i) {
    if (!timelines_.contains(handles[i])) return ENOENT;
  }
  const auto done = [&] {
    uint32_t reached = 0;
    for (uint32_t i = args.count; i-- > 0;) {
      const auto timeline = timelines_.find(handles[i]);
      if (timeline == timelines_.end() || timeline->second < points[i]) continue;
      ++reached;
      args.first_signaled = i;
    }
    return shared_.gone || (all ? reached == args.count : reached > 0);
  };
  // Clocks that count nanoseconds overflow at "for ever".
  const auto now = std::chrono::steady_clock::now();
  const auto left = std::chrono::nanoseconds(args.deadline_ns) - now.time_since_epoch();
  const auto most = std::chrono::hours(24 * 365);
  if (left > most) {
    signalled_.wait(lock, done);
  } else if (!signalled_.wait_until(lock, now + left, done)) {
    return ETIME;
  }
  return shared_.gone ? ENODEV : 0;
}

int Accelerator::Query(const TimelineArrayArgs& args, bool signal) {
  if (args.count > kMostAtOnce || args.handles == 0 || args.points == 0) return EINVAL;
  const auto* const handles = reinterpret_cast<const uint32_t*>(args.handles);
  auto* const points = reinterpret_cast<uint64_t*>(args.points);
  for (uint32_t i = 0; i < args.count; ++i) {
    const auto timeline = timelines_.find(handles[i]);
    if (timeline == timelines_.end()) return ENOENT;
    if (signal) {
      timeline->second = std::max(timeline->second, points[i]);
    } else {
      points[i] = timeline->second;
    }
  }
  if (signal) signalled_.notify_all();
  return 0;
}

}  // namespace tandem::npu::shim
