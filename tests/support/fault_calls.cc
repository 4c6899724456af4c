// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Functions of the C library, defined here anew: the dynamic linker gives these to the program and
// to the standard library alike, and the sanitizers' or the C library's own are found behind them.

// What it turns on defines some of these functions inline.
#undef _FORTIFY_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "support/fault.h"

namespace {

using tandem::test::Call;
using tandem::test::Fault;
using tandem::test::fault_internal::CountMapping;
using tandem::test::fault_internal::ErrorNumber;
using tandem::test::fault_internal::Fails;

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

bool FailsWithErrno(Call call) {
  if (!Fails(call)) return false;
  errno = ErrorNumber();
  return true;
}

// Bytes that read() or write() is to ask for, or -1 for a failure.
ssize_t Transfer(Call call, size_t size) {
  if (!Fails(call)) return static_cast<ssize_t>(size);
  if (ErrorNumber() == Fault::kShort) return static_cast<ssize_t>((size + 1) / 2);
  errno = ErrorNumber();
  return -1;
}

mode_t ModeOf(int flags, va_list arguments) {
  const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return creates ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

// Shared libraries find only what the program shows them.
#pragma GCC visibility push(default)

extern "C" {

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
  static const auto next = Next<decltype(pthread_create)>("pthread_create");
  if (Fails(Call::kThread)) return ErrorNumber();
  return next(thread, attributes, start, argument);
}

int open(const char* path, int flags, ...) {
  static const auto next = Next<decltype(open)>("open");
  if (FailsWithErrno(Call::kOpen)) return -1;
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return next(path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  static const auto next = Next<decltype(openat)>("openat");
  if (FailsWithErrno(Call::kOpen)) return -1;
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return next(folder, path, flags, mode);
}

int stat(const char* path, struct stat* status) noexcept {
  using Function = int(const char*, struct stat*);
  static const auto next = Next<Function>("stat");
  return FailsWithErrno(Call::kStat) ? -1 : next(path, status);
}

int lstat(const char* path, struct stat* status) noexcept {
  using Function = int(const char*, struct stat*);
  static const auto next = Next<Function>("lstat");
  return FailsWithErrno(Call::kStat) ? -1 : next(path, status);
}

int fstat(int fd, struct stat* status) noexcept {
  using Function = int(int, struct stat*);
  static const auto next = Next<Function>("fstat");
  return FailsWithErrno(Call::kStat) ? -1 : next(fd, status);
}

DIR* opendir(const char* path) {
  static const auto next = Next<decltype(opendir)>("opendir");
  return FailsWithErrno(Call::kOpen) ? nullptr : next(path);
}

ssize_t readlink(const char* path, char* target, size_t size) noexcept {
  static const auto next = Next<decltype(readlink)>("readlink");
  return FailsWithErrno(Call::kLink) ? -1 : next(path, target, size);
}

char* realpath(const char* path, char* resolved) noexcept {
  static const auto next = Next<decltype(realpath)>("realpath");
  return FailsWithErrno(Call::kLink) ? nullptr : next(path, resolved);
}

struct dirent* readdir(DIR* folder) {
  static const auto next = Next<decltype(readdir)>("readdir");
  return FailsWithErrno(Call::kList) ? nullptr : next(folder);
}

void* mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  static const auto next = Next<decltype(mmap)>("mmap");
  if (FailsWithErrno(Call::kMap)) return MAP_FAILED;
  void* mapping = next(address, size, protection, flags, fd, offset);
  if (mapping != MAP_FAILED && (flags & MAP_FIXED) == 0) CountMapping(1);
  return mapping;
}

int munmap(void* address, size_t size) noexcept {
  static const auto next = Next<decltype(munmap)>("munmap");
  const int result = next(address, size);
  if (result == 0) CountMapping(-1);
  return result;
}

int memfd_create(const char* name, unsigned flags) noexcept {
  static const auto next = Next<decltype(memfd_create)>("memfd_create");
  return FailsWithErrno(Call::kMemoryFile) ? -1 : next(name, flags);
}

int ftruncate(int fd, off_t size) noexcept {
  static const auto next = Next<decltype(ftruncate)>("ftruncate");
  return FailsWithErrno(Call::kResize) ? -1 : next(fd, size);
}

ssize_t read(int fd, void* target, size_t size) {
  static const auto next = Next<decltype(read)>("read");
  const ssize_t asked = Transfer(Call::kRead, size);
  return asked < 0 ? -1 : next(fd, target, static_cast<size_t>(asked));
}

ssize_t write(int fd, const void* source, size_t size) {
  static const auto next = Next<decltype(write)>("write");
  const ssize_t asked = Transfer(Call::kWrite, size);
  return asked < 0 ? -1 : next(fd, source, static_cast<size_t>(asked));
}

// Nothing is synced: it takes most of the time, and no test could tell.
int fsync(int fd) {
  if (FailsWithErrno(Call::kSync)) return -1;
  return ::fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

int rename(const char* from, const char* to) noexcept {
  static const auto next = Next<decltype(rename)>("rename");
  return FailsWithErrno(Call::kRename) ? -1 : next(from, to);
}

int fchmod(int fd, mode_t mode) noexcept {
  static const auto next = Next<decltype(fchmod)>("fchmod");
  return FailsWithErrno(Call::kMode) ? -1 : next(fd, mode);
}

}  // extern "C"

#pragma GCC visibility pop
