// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A fixed team of threads that runs one parallel loop at a time. The caller works too. Created
// once per engine; ParallelFor must be called from one thread at a time and never from inside a
// loop body.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tandem {

class ThreadTeam {
 public:
  /// `threads` includes the calling thread; 0 means one per processor this process may use. Throws
  /// Error kResource when the system refuses one.
  explicit ThreadTeam(int threads = 0);
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  ~ThreadTeam();

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(begin, end, worker) over a partition of [0, count) into at most size() contiguous
  /// ranges whose borders are multiples of `grain`; worker is in [0, size()). Returns when all are
  /// done. The first exception thrown by a body is rethrown here.
  void ParallelFor(int64_t count, int64_t grain,
                   const std::function<void(int64_t begin, int64_t end, int worker)>& body);

 private:
  void WorkerLoop(int worker);
  void Stop();
  void RunShare(int worker);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  uint64_t generation_ = 0;
  int running_ = 0;
  bool stopping_ = false;
  const std::function<void(int64_t, int64_t, int)>* body_ = nullptr;
  int64_t count_ = 0;
  int64_t share_ = 0;
  std::exception_ptr failure_;
};

/// Processors this process may run on (its affinity mask), at least 1.
int AvailableProcessors();

}  // namespace tandem
