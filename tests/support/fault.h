// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// For tests: makes the n-th allocation, or the n-th call of some kind to the operating system,
// fail. Linking fault.cc and fault_calls.cc replaces operator new and the C library's functions for
// the whole program; they do as always unless a FaultInjection is alive. Calls of all threads
// count. One injection at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tandem::test {

/// Calls that can fail, counted apart.
enum class Call {
  kAllocation,  ///< operator new in all its forms
  kThread,      ///< pthread_create
  kOpen,        ///< open, openat, opendir
  kStat,        ///< stat, lstat, fstat
  kList,        ///< readdir
  kLink,        ///< readlink, realpath
  kMap,         ///< mmap
  kMemoryFile,  ///< memfd_create
  kResize,      ///< ftruncate
  kRead,        ///< read
  kWrite,       ///< write
  kSync,        ///< fsync
  kRename,      ///< rename
  kMode,        ///< fchmod
};
inline constexpr size_t kCalls = static_cast<size_t>(Call::kMode) + 1;
std::string_view CallName(Call call);

/// What goes wrong.
struct Fault {
  /// Instead of an error number: the call transfers half of what it was asked to.
  static constexpr int kShort = -1;

  Call call = Call::kAllocation;
  uint64_t nth = 0;      ///< From 1; 0 = nothing goes wrong, calls are only counted.
  int error = 0;         ///< errno of the failing call.
  bool lasting = false;  ///< All later calls fail too.
};

/// Counts calls and injects `fault` from its construction until Stop() or its destruction.
class FaultInjection {
 public:
  explicit FaultInjection(const Fault& fault = {});
  FaultInjection(const FaultInjection&) = delete;
  FaultInjection& operator=(const FaultInjection&) = delete;
  ~FaultInjection() { Stop(); }

  void Stop();
  /// Calls so far, the failed ones included.
  uint64_t Count(Call call) const;
  /// Whether the fault has happened.
  bool fired() const;
  /// Whether only allocations that may return null have failed: whoever asks for those can do
  /// without them.
  bool fired_softly() const;
};

/// Blocks from operator new that have not been deleted.
int64_t LiveBlocks();
/// Mappings made by mmap and not yet unmapped.
int64_t LiveMappings();
/// Open file descriptors of this process.
int64_t OpenDescriptors();

namespace fault_internal {

/// Counts a call and says whether it has to fail; `soft` as in fired_softly().
bool Fails(Call call, bool soft = false);
/// errno of the failing call, or Fault::kShort.
int ErrorNumber();
void CountMapping(int change);

}  // namespace fault_internal
}  // namespace tandem::test
