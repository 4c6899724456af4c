// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/thread_team.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <memory>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/processors.h"

namespace tandem {
namespace {

// Longer than what lies between two loops of a token, shorter than what a sleeper would be missed.
constexpr std::chrono::microseconds kSpin{100};

constexpr uint64_t kTaken = 0xffffffff;  // The lower half of ThreadTeam::open_.

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// True as soon as `ready` is, false when it has not come true for a while.
template <typename Ready>
bool SpinFor(const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

void Pin(std::thread& thread, int processor) {
  const auto bits = static_cast<size_t>(processor) + 1;
  const size_t size = CPU_ALLOC_SIZE(bits);
  const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
      CPU_ALLOC(bits), [](cpu_set_t* memory) { CPU_FREE(memory); });
  if (set == nullptr) return;
  CPU_ZERO_S(size, set.get());
  CPU_SET_S(bits - 1, size, set.get());
  if (::pthread_setaffinity_np(thread.native_handle(), size, set.get()) == 0) return;
  log::Debug("a thread could not be pinned to processor {}", processor);
}

}  // namespace

int TeamSize(int threads) {
  return threads > 0 ? threads : PlanThreads(ReadMachine(AllowedProcessors())).threads;
}

ThreadTeam::ThreadTeam(int threads, bool pin) {
  const std::vector<int> allowed = AllowedProcessors();
  ThreadPlan plan;
  double quota = 0;
  if (threads <= 0 || pin) {
    const Machine machine = ReadMachine(allowed);
    plan = PlanThreads(machine);
    quota = machine.quota;
  } else if (threads > 1) {
    quota = ReadQuota();
  }
  if (threads <= 0) threads = plan.threads;
  // More threads than processors whose time this process gets must not spin.
  const auto processors = static_cast<int>(allowed.size());
  const int usable =
      quota > 0 && quota < processors ? static_cast<int>(std::ceil(quota)) : processors;
  spin_ = threads == 1 || threads <= usable;
  try {
    for (int worker = 1; worker < threads; ++worker) {
      workers_.emplace_back([this, worker] { WorkerLoop(worker); });
      if (!pin) continue;
      Pin(workers_.back(), plan.order[static_cast<size_t>(worker) % plan.order.size()]);
    }
  } catch (const std::exception&) {
    const size_t started = workers_.size();
    Stop();
    throw Error(ErrorKind::kResource,
                fmt::format("cannot start {} threads: only {} could be", threads, started + 1),
                "ask for fewer with --threads");
  }
}

ThreadTeam::~ThreadTeam() { Stop(); }

void ThreadTeam::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadTeam::Run(int64_t count, int64_t grain, const void* body, Call call) {
  if (count <= 0) return;
  // Grains are counted in 32 bits.
  grain = std::max({grain, int64_t{1}, count / std::numeric_limits<int32_t>::max() + 1});
  const int64_t grains = (count + grain - 1) / grain;
  if (workers_.empty() || grains == 1) {
    call(body, 0, count, 0);
    return;
  }
  body_ = body;
  call_ = call;
  count_ = count;
  grain_ = grain;
  grains_ = grains;
  unfinished_.store(grains, std::memory_order_relaxed);
  const uint64_t loop = (open_.load(std::memory_order_relaxed) | kTaken) + 1;
  // Ordered before the look at parked_; a thread that parks counts itself before it looks at open_.
  open_.store(loop | static_cast<uint64_t>(grains), std::memory_order_seq_cst);
  if (parked_.load(std::memory_order_seq_cst) > 0) {
    { const std::lock_guard lock(mutex_); }
    wake_.notify_all();
  }
  Work(0);
  AwaitCompletion();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadTeam::Work(int worker) {
  uint64_t open = open_.load(std::memory_order_acquire);
  while ((open & kTaken) != 0) {
    // Large ranges first and small ones towards the end, so that all end together.
    const uint64_t left = open & kTaken;
    const uint64_t take = std::max<uint64_t>(1, left / (2 * static_cast<uint64_t>(size())));
    if (!open_.compare_exchange_weak(open, open - take, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      continue;
    }
    const int64_t begin = (grains_ - static_cast<int64_t>(left)) * grain_;
    const int64_t end = std::min(count_, begin + static_cast<int64_t>(take) * grain_);
    try {
      call_(body_, begin, end, worker);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    const auto done = static_cast<int64_t>(take);
    if (unfinished_.fetch_sub(done, std::memory_order_seq_cst) == done &&
        caller_parked_.load(std::memory_order_seq_cst)) {
      { const std::lock_guard lock(mutex_); }
      done_.notify_one();
    }
    open = open_.load(std::memory_order_acquire);
  }
}

void ThreadTeam::AwaitCompletion() {
  const auto finished = [this] { return unfinished_.load(std::memory_order_seq_cst) == 0; };
  if (finished() || (spin_ && SpinFor(finished))) return;
  std::unique_lock lock(mutex_);
  caller_parked_.store(true, std::memory_order_seq_cst);
  done_.wait(lock, finished);
  caller_parked_.store(false, std::memory_order_relaxed);
}

bool ThreadTeam::AwaitLoop() {
  const auto called = [this] {
    return (open_.load(std::memory_order_seq_cst) & kTaken) != 0 ||
           stopping_.load(std::memory_order_relaxed);
  };
  if (!spin_ || !SpinFor(called)) {
    std::unique_lock lock(mutex_);
    parked_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, called);
    parked_.fetch_sub(1, std::memory_order_relaxed);
  }
  return !stopping_.load(std::memory_order_relaxed);
}

void ThreadTeam::WorkerLoop(int worker) {
  while (AwaitLoop()) Work(worker);
}

}  // namespace tandem
