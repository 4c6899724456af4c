// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The border between Tandem and its callers: only tandem::Error gets out, whatever the standard
// library throws inside, and what a caller's callback throws passes through untouched.
#pragma once

#include <functional>
#include <utility>

namespace tandem {

/// Marks the outermost public call on this thread; calls inside it leave translation to it.
class ApiScope {
 public:
  ApiScope() noexcept;
  ~ApiScope();
  ApiScope(const ApiScope&) = delete;
  ApiScope& operator=(const ApiScope&) = delete;

  /// Throws what the current exception is for callers. Only within a catch block.
  [[noreturn]] void Rethrow() const;

 private:
  bool outermost_;
};

/// Runs `body`, all of a public function.
template <typename Body>
decltype(auto) AtBorder(Body&& body) {
  const ApiScope scope;
  try {
    return body();
  } catch (...) {
    scope.Rethrow();
  }
}

/// Marks code of a caller that runs within one of our calls: if it calls us, that is a border
/// again.
class CallerScope {
 public:
  CallerScope() noexcept;
  ~CallerScope();
  CallerScope(const CallerScope&) = delete;
  CallerScope& operator=(const CallerScope&) = delete;

 private:
  int saved_;
};

/// The current exception, which a callback threw, in a wrapper that Rethrow() takes off. Only
/// within a catch block.
[[noreturn]] void RethrowAsCallers();

/// `callback`, with what it throws marked as the caller's own. Empty stays empty.
template <typename Result, typename... Args>
std::function<Result(Args...)> FromCaller(const std::function<Result(Args...)>& callback) {
  if (!callback) return {};
  return [&callback](Args... args) -> Result {
    const CallerScope scope;
    try {
      return callback(std::forward<Args>(args)...);
    } catch (...) {
      RethrowAsCallers();
    }
  };
}

}  // namespace tandem
