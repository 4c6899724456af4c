// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The preloaded library: functions of the C library that lead what concerns an NPU to the emulated
// one, and leave all else alone. TANDEM_NPU_SHIM says which generation (npu1, the default, or
// npu2), TANDEM_NPU_SHIM_FAULT what goes wrong (fault.h), TANDEM_NPU_SHIM_LOG a file that tells
// every call.

// The functions that these stand in for must be functions, under their own names.
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "devices/npu/shim/accelerator.h"
#include "devices/npu/shim/fake_tree.h"
#include "devices/npu/shim/system.h"

namespace tandem::npu::shim {
namespace {

Shared& SharedState() {
  static Shared* const shared = [] {
    auto* const made = new Shared;
    const char* const device = std::getenv("TANDEM_NPU_SHIM");
    const std::string_view wanted = device != nullptr && *device != 0 ? device : "npu1";
    if (wanted != "npu1" && wanted != "npu2") {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("TANDEM_NPU_SHIM: '{}' is none", Printable(wanted)), "npu1, npu2");
    }
    if (wanted == "npu2") made->generation = Generation::kNpu2;
    const char* const fault = std::getenv("TANDEM_NPU_SHIM_FAULT");
    made->fault = ParseFault(fault != nullptr ? fault : "");
    return made;
  }();
  return *shared;
}

/// Made when the first path asks for it; nullptr where it cannot be. Lives to the end.
const FakeTree* Tree() {
  static const FakeTree* const tree = []() -> const FakeTree* {
    try {
      return new FakeTree(SharedState().generation, SharedState().fault);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "tandem-npu-shim: %s\n", error.what());
      std::_Exit(125);
    }
  }();
  return tree;
}
bool tree_made = false;

class Log {
 public:
  static void Line(const std::string& line) {
    static FILE* const file = [] {
      const char* const name = std::getenv("TANDEM_NPU_SHIM_LOG");
      return name != nullptr ? System().fopen(name, "ae") : nullptr;
    }();
    if (file == nullptr) return;
    std::fputs((line + "\n").c_str(), file);
    std::fflush(file);
  }
};

/// A path of the system as it is to be opened.
class Path {
 public:
  explicit Path(const char* path) : path_(path) {
    // Nearly all paths need no tree, and it must not be made on behalf of them.
    if (path == nullptr || path[0] != '/') return;
    const std::string_view view = path;
    if (!view.starts_with("/sys/") && !view.starts_with("/dev/accel")) return;
    const FakeTree* const tree = Tree();
    tree_made = true;
    led_ = tree->Lead(view);
    node_ = view == FakeTree::kNode;
  }
  const char* get() const { return led_ ? led_->c_str() : path_; }
  bool led() const { return led_.has_value(); }
  /// The node itself, which is not a file.
  bool node() const { return node_; }
  bool denied() const { return node_ && SharedState().fault.Is(FaultKind::kDenied); }

 private:
  const char* path_;
  std::optional<std::string> led_;
  bool node_ = false;
};

class Nodes {
 public:
  static Nodes& Get() {
    static auto* const nodes = new Nodes;
    return *nodes;
  }
  int Open() {
    const int fd = memfd_create("accel0", MFD_CLOEXEC);
    if (fd < 0) return fd;
    const std::lock_guard lock(mutex_);
    open_[fd] = std::make_shared<Accelerator>(SharedState());
    Log::Line("open");
    return fd;
  }
  std::shared_ptr<Accelerator> Find(int fd) {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(fd);
    return found == open_.end() ? nullptr : found->second;
  }
  void Close(int fd) {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(fd);
    if (found == open_.end()) return;
    const Accelerator::Open open = found->second->open();
    Log::Line(fmt::format("close: {} buffers, {} contexts, {} syncobjs are open", open.buffers,
                          open.contexts, open.syncobjs));
    open_.erase(found);
  }

 private:
  std::mutex mutex_;
  std::map<int, std::shared_ptr<Accelerator>> open_;
};

int OpenNode(const Path& path, int flags) {
  if (path.denied()) {
    errno = EACCES;
    return -1;
  }
  struct stat status {};
  if (System().stat(path.get(), &status) != 0) return -1;
  if ((flags & O_DIRECTORY) != 0) {
    errno = ENOTDIR;
    return -1;
  }
  return Nodes::Get().Open();
}

int Open(const char* name, int flags, mode_t mode) {
  const Path path(name);
  if (path.node()) return OpenNode(path, flags);
  return System().open(path.get(), flags, mode);
}

int OpenAt(int folder, const char* name, int flags, mode_t mode) {
  const Path path(name);
  if (path.node()) return OpenNode(path, flags);
  return System().openat(folder, path.get(), flags, mode);
}

/// How a link or path that leads into the tree reads outside of it.
ssize_t ReadLink(ssize_t length, char* buffer) {
  if (length <= 0 || !tree_made) return length;
  const std::string outside(Tree()->Back({buffer, static_cast<size_t>(length)}));
  std::memcpy(buffer, outside.data(), outside.size());
  return static_cast<ssize_t>(outside.size());
}

char* RealPath(const char* name, char* resolved) {
  char* const path = System().realpath(Path(name).get(), resolved);
  if (path == nullptr || !tree_made) return path;
  const std::string outside(Tree()->Back(path));
  std::memcpy(path, outside.c_str(), outside.size() + 1);
  return path;
}

[[gnu::destructor]] void RemoveTree() {
  if (tree_made) Tree()->Remove();
}

}  // namespace
}  // namespace tandem::npu::shim

using namespace tandem::npu::shim;

// What follows has the names, and the types, of the C library.
#define TANDEM_EXPORT extern "C" [[gnu::visibility("default")]]

/// The mode of a call that may have one.
#define TANDEM_MODE(flags)                                   \
  mode_t mode = 0;                                           \
  if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) != 0) {  \
    va_list arguments;                                       \
    va_start(arguments, flags);                              \
    mode = static_cast<mode_t>(va_arg(arguments, unsigned)); \
    va_end(arguments);                                       \
  }

/// Whether this library is in the process: what an emulated device is known by.
TANDEM_EXPORT int tandem_npu_shim() { return 1; }

TANDEM_EXPORT int open(const char* name, int flags, ...) {
  TANDEM_MODE(flags)
  return Open(name, flags, mode);
}
TANDEM_EXPORT int open64(const char* name, int flags, ...) {
  TANDEM_MODE(flags)
  return Open(name, flags, mode);
}
TANDEM_EXPORT int openat(int folder, const char* name, int flags, ...) {
  TANDEM_MODE(flags)
  return OpenAt(folder, name, flags, mode);
}
TANDEM_EXPORT int openat64(int folder, const char* name, int flags, ...) {
  TANDEM_MODE(flags)
  return OpenAt(folder, name, flags, mode);
}
TANDEM_EXPORT int __open_2(const char* name, int flags) { return Open(name, flags, 0); }
TANDEM_EXPORT int __open64_2(const char* name, int flags) { return Open(name, flags, 0); }
TANDEM_EXPORT int __openat_2(int folder, const char* name, int flags) {
  return OpenAt(folder, name, flags, 0);
}
TANDEM_EXPORT int __openat64_2(int folder, const char* name, int flags) {
  return OpenAt(folder, name, flags, 0);
}
TANDEM_EXPORT FILE* fopen(const char* name, const char* mode) {
  return System().fopen(Path(name).get(), mode);
}
TANDEM_EXPORT FILE* fopen64(const char* name, const char* mode) {
  return System().fopen(Path(name).get(), mode);
}
TANDEM_EXPORT DIR* opendir(const char* name) { return System().opendir(Path(name).get()); }

TANDEM_EXPORT int stat(const char* name, struct stat* status) noexcept {
  return System().stat(Path(name).get(), status);
}
TANDEM_EXPORT int stat64(const char* name, struct stat64* status) noexcept {
  return System().stat(Path(name).get(), reinterpret_cast<struct stat*>(status));
}
TANDEM_EXPORT int lstat(const char* name, struct stat* status) noexcept {
  return System().lstat(Path(name).get(), status);
}
TANDEM_EXPORT int lstat64(const char* name, struct stat64* status) noexcept {
  return System().lstat(Path(name).get(), reinterpret_cast<struct stat*>(status));
}
TANDEM_EXPORT int fstatat(int folder, const char* name, struct stat* status, int flags) noexcept {
  return System().fstatat(folder, Path(name).get(), status, flags);
}
TANDEM_EXPORT int fstatat64(int folder, const char* name, struct stat64* status,
                            int flags) noexcept {
  return System().fstatat(folder, Path(name).get(), reinterpret_cast<struct stat*>(status), flags);
}
TANDEM_EXPORT int statx(int folder, const char* name, int flags, unsigned mask,
                        struct statx* status) noexcept {
  return System().statx(folder, Path(name).get(), flags, mask, status);
}
TANDEM_EXPORT int access(const char* name, int mode) noexcept {
  const Path path(name);
  if (path.denied() && mode != F_OK) {
    errno = EACCES;
    return -1;
  }
  return System().access(path.get(), mode);
}
TANDEM_EXPORT int faccessat(int folder, const char* name, int mode, int flags) noexcept {
  const Path path(name);
  if (path.denied() && mode != F_OK) {
    errno = EACCES;
    return -1;
  }
  return System().faccessat(folder, path.get(), mode, flags);
}
TANDEM_EXPORT ssize_t readlink(const char* name, char* buffer, size_t size) noexcept {
  return ReadLink(System().readlink(Path(name).get(), buffer, size), buffer);
}
TANDEM_EXPORT ssize_t readlinkat(int folder, const char* name, char* buffer, size_t size) noexcept {
  return ReadLink(System().readlinkat(folder, Path(name).get(), buffer, size), buffer);
}
TANDEM_EXPORT char* realpath(const char* name, char* resolved) noexcept {
  return RealPath(name, resolved);
}
TANDEM_EXPORT char* __realpath_chk(const char* name, char* resolved, size_t) noexcept {
  return RealPath(name, resolved);
}
TANDEM_EXPORT char* canonicalize_file_name(const char* name) noexcept {
  return RealPath(name, nullptr);
}

TANDEM_EXPORT int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list list;
  va_start(list, request);
  void* const arguments = va_arg(list, void*);
  va_end(list);
  const auto accelerator = Nodes::Get().Find(fd);
  if (accelerator == nullptr || (request >> 8 & 0xFF) != 'd') {
    return System().ioctl(fd, request, arguments);
  }
  const auto number = static_cast<uint32_t>(request & 0xFF);
  const int error = accelerator->Call(number, arguments);
  Log::Line(fmt::format("ioctl 0x{:02X} {} bytes: {}", number, request >> 16 & 0x3FFF, error));
  if (error == 0) return 0;
  errno = error;
  return -1;
}

TANDEM_EXPORT void* mmap(void* address, size_t size, int protection, int flags, int fd,
                         off_t offset) noexcept {
  const auto accelerator = fd < 0 ? nullptr : Nodes::Get().Find(fd);
  if (accelerator == nullptr) return System().mmap(address, size, protection, flags, fd, offset);
  return accelerator->Map(address, size, protection, flags, offset);
}
TANDEM_EXPORT void* mmap64(void* address, size_t size, int protection, int flags, int fd,
                           off64_t offset) noexcept {
  return mmap(address, size, protection, flags, fd, offset);
}

TANDEM_EXPORT int close(int fd) {
  Nodes::Get().Close(fd);
  return System().close(fd);
}
