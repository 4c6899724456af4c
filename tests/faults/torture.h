// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs a scenario once for every call in it that can fail, with that call failing, and checks what
// must hold whatever goes wrong: an error of the right kind comes out or the failure does not
// matter, nothing leaks, nothing is left half-done.
//
// With TANDEM_FAULTS=all in the environment every call fails once; else a sample, evenly spread.
#pragma once

#include <initializer_list>
#include <string>

#include "support/fault.h"

namespace tandem::test {

/// Something that can fail, run over and over. What Prepare() and Run() build, Clear() takes down:
/// between two runs there are as many allocated blocks, mappings and descriptors as before.
class Scenario {
 public:
  virtual ~Scenario() = default;
  virtual void Prepare() {}
  /// The only part that faults are injected into.
  virtual void Run() = 0;
  /// Checks that Run() did what it does without a fault.
  virtual void CheckDone() = 0;
  /// Checks what Run() left behind when it threw.
  virtual void CheckFailed() {}
  virtual void Clear() {}
  /// Whether Run() uses the public interface alone, which throws nothing but tandem::Error; within
  /// the library std::bad_alloc is as good.
  virtual bool IsPublic() const { return true; }
  /// Whether Run() may succeed although this call failed; `count` calls of the kind are made.
  virtual bool MayIgnore(const Fault&, uint64_t) const { return false; }
};

/// `expected` lists the kinds of calls that the scenario makes: all of them, so that none goes
/// untested and none is thought to be tested.
void Torture(const std::string& name, Scenario& scenario, std::initializer_list<Call> expected);

}  // namespace tandem::test
