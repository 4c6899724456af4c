// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/api_guard.h"

#include <exception>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace tandem {
namespace {

// Not a std::exception, so that nothing on the way takes it for a failure of ours.
struct CallersException {
  std::exception_ptr inner;
};

thread_local int depth = 0;

[[noreturn]] void RethrowTranslated() {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error::OutOfMemory();
  } catch (const std::length_error&) {
    throw Error::OutOfMemory();  // a container longer than any memory
  } catch (const std::filesystem::filesystem_error& error) {
    throw Error(ErrorKind::kIo, error.what());
  } catch (const std::system_error& error) {
    throw Error(ErrorKind::kResource, error.what());
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kInternal, std::string("internal: ") + error.what());
  }
}

}  // namespace

ApiScope::ApiScope() noexcept : outermost_(depth == 0) { ++depth; }
ApiScope::~ApiScope() { --depth; }

void ApiScope::Rethrow() const {
  if (!outermost_) throw;
  try {
    throw;
  } catch (const CallersException& exception) {
    std::rethrow_exception(exception.inner);
  } catch (...) {
    try {
      RethrowTranslated();
    } catch (const std::bad_alloc&) {
      throw Error::OutOfMemory();  // not even the message of another error could be made
    }
  }
}

CallerScope::CallerScope() noexcept : saved_(std::exchange(depth, 0)) {}
CallerScope::~CallerScope() { depth = saved_; }

void RethrowAsCallers() {
  try {
    throw;
  } catch (const CallersException&) {
    throw;
  } catch (...) {
    throw CallersException{std::current_exception()};
  }
}

}  // namespace tandem
