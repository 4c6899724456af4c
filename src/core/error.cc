// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.h"

#include <fmt/format.h>

#include <utility>

#include "core/utf8.h"

namespace tandem {

std::string_view ErrorKindName(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return "invalid_argument";
    case ErrorKind::kNotFound: return "not_found";
    case ErrorKind::kCorruptFile: return "corrupt_file";
    case ErrorKind::kUnsupported: return "unsupported";
    case ErrorKind::kIo: return "io";
    case ErrorKind::kResource: return "resource";
    case ErrorKind::kCancelled: return "cancelled";
    case ErrorKind::kDeviceLost: return "device_lost";
    case ErrorKind::kInternal: return "internal";
  }
  return "unknown";
}

namespace {

// Made before main(): when it is needed there is no memory to make it. Never destroyed, so that it
// serves to the very end.
const Error* const kOutOfMemory =
    new Error(ErrorKind::kResource, "memory has run out",
              "close other programs, or use a smaller model or context");

}  // namespace

struct Error::Text {
  ErrorKind kind;
  std::string message;
  std::string hint;
};

Error::Error(ErrorKind kind, std::string message, std::string hint)
    : text_(std::make_shared<const Text>(Text{kind, std::move(message), std::move(hint)})) {}
Error::Error(std::shared_ptr<const Text> text) noexcept : text_(std::move(text)) {}
Error::Error(const Error&) noexcept = default;
Error& Error::operator=(const Error&) noexcept = default;
Error::~Error() = default;

Error Error::OutOfMemory() noexcept { return *kOutOfMemory; }

ErrorKind Error::kind() const noexcept { return text_->kind; }
const std::string& Error::message() const noexcept { return text_->message; }
const std::string& Error::hint() const noexcept { return text_->hint; }
const char* Error::what() const noexcept { return text_->message.c_str(); }

std::string Printable(std::string_view text, size_t limit) {
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    if (out.size() >= limit) {
      out += "...";
      break;
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = Utf8SequenceLength(text.substr(i));
    if (length == 0 || byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
      ++i;
    } else {
      out += text.substr(i, length);
      i += length;
    }
  }
  return out;
}

}  // namespace tandem
