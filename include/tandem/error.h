// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The one exception type of Tandem. Every failure that a file, a user, a device or the operating
// system can cause, memory that runs out included, leaves the library as a tandem::Error.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "tandem/export.h"

namespace tandem {

/// What kind of failure it is: callers branch on this, never on the text.
enum class ErrorKind {
  kInvalidArgument,  ///< An option, prompt or request that makes no sense as given.
  kNotFound,         ///< A file, tensor, key or device that is not there.
  kCorruptFile,      ///< Bytes that contradict their own format (truncated, overlapping, ...).
  kUnsupported,      ///< Well-formed, but nothing here can run or write it.
  kIo,               ///< The operating system refused a read, write, map, sync or rename.
  kResource,         ///< Not enough memory, context or threads.
  kCancelled,        ///< The caller asked to stop.
  kDeviceLost,       ///< A GPU or NPU stopped working; what it held is lost, sessions are not.
  kInternal,         ///< An invariant of Tandem is broken: please report it.
};

/// Stable lower-case name of a kind, for logs and JSON ("corrupt_file").
TANDEM_API std::string_view ErrorKindName(ErrorKind kind) noexcept;

/// An error is one line (what went wrong and where: file, tensor, offset) and at most one hint
/// (what to do about it). Neither ends in a newline. A value: copying never throws or allocates,
/// and copies may be used on any thread.
class TANDEM_API Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message, std::string hint = {});
  Error(const Error&) noexcept;
  Error& operator=(const Error&) noexcept;
  ~Error() override;

  /// The kResource error of memory that ran out. Needs none itself.
  static Error OutOfMemory() noexcept;

  ErrorKind kind() const noexcept;
  const std::string& message() const noexcept;
  const std::string& hint() const noexcept;  ///< Empty when there is nothing to advise.
  const char* what() const noexcept override;

 private:
  struct Text;
  explicit Error(std::shared_ptr<const Text> text) noexcept;

  std::shared_ptr<const Text> text_;
};

}  // namespace tandem
