// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A fixed team of threads that runs one parallel loop at a time. The caller works too. Created
// once per engine; ParallelFor must be called from one thread at a time and never from inside a
// loop body.
//
// A loop costs no lock and no system call while the team is awake: a token of a model is some
// hundred loops of a few microseconds each. Threads that find no loop for a moment are parked.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace tandem {

class ThreadTeam {
 public:
  /// `threads` includes the calling thread; 0 means as many as PlanThreads() advises. With `pin`
  /// each thread that the team starts stays on one processor, in PlanThreads()'s order from its
  /// second on: the calling thread is not the team's to pin, and finds the first one free. Throws
  /// Error kResource when the system refuses a thread; one that it does not let pin stays unpinned.
  explicit ThreadTeam(int threads = 0, bool pin = false);
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  ~ThreadTeam();

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(begin, end, worker) over a partition of [0, count) into contiguous ranges whose
  /// borders are multiples of `grain`. Whoever is free takes the next range, so a slow processor
  /// gets fewer; worker is in [0, size()) and may be called several times. Returns when all are
  /// done. The first exception thrown by a body is rethrown here, once the others have ended.
  template <typename Body>
  void ParallelFor(int64_t count, int64_t grain, Body&& body) {
    Run(count, grain, &body, [](const void* target, int64_t begin, int64_t end, int worker) {
      (*static_cast<const std::remove_reference_t<Body>*>(target))(begin, end, worker);
    });
  }

 private:
  using Call = void (*)(const void* body, int64_t begin, int64_t end, int worker);

  void Run(int64_t count, int64_t grain, const void* body, Call call);
  void WorkerLoop(int worker);
  /// Takes ranges of the loop until none is left.
  void Work(int worker);
  /// Waits until there is a range to take, or the end; false at the end.
  bool AwaitLoop();
  void AwaitCompletion();
  void Stop();

  std::vector<std::thread> workers_;
  bool spin_ = true;  ///< Whether waiting for a moment beats parking: not with too few processors.

  // The loop. Written while no range is open, so that who has taken one may read it.
  const void* body_ = nullptr;
  Call call_ = nullptr;
  int64_t count_ = 0;
  int64_t grain_ = 1;
  int64_t grains_ = 0;
  /// Number of the loop in the upper half, grains that nobody has taken in the lower: taking some
  /// fails when the loop has changed.
  alignas(64) std::atomic<uint64_t> open_{0};
  alignas(64) std::atomic<int64_t> unfinished_{0};  ///< Grains not yet done.

  alignas(64) std::atomic<int> parked_{0};
  std::atomic<bool> caller_parked_{false};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  ///< For parking, and for failure_.
  std::condition_variable wake_;
  std::condition_variable done_;
  std::exception_ptr failure_;
};

/// Threads of a team that is asked for `threads`: itself, or what PlanThreads() advises for 0.
int TeamSize(int threads);

}  // namespace tandem
