// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The one exception type of Tandem. Every failure that a file, a user, a device or the operating
// system can cause is thrown as tandem::Error; anything else that escapes is a bug.
#pragma once

#include <exception>
#include <string>
#include <string_view>

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
  kInternal,         ///< An invariant of ours is broken.
};

/// Stable lower-case name of a kind, for logs and JSON ("corrupt_file").
std::string_view ErrorKindName(ErrorKind kind);

/// An error is one line (what went wrong and where: file, tensor, offset) and at most one hint
/// (what to do about it). Neither ends in a newline. Copyable; safe to pass between threads.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message, std::string hint = {});

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& hint() const noexcept { return hint_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
  std::string hint_;
};

/// `text` made safe to print inside an error or log line: control characters and invalid UTF-8
/// become \xNN, and more than `limit` bytes end in an ellipsis. Use it for every name that comes
/// out of a file or a request.
std::string Printable(std::string_view text, size_t limit = 80);

}  // namespace tandem
