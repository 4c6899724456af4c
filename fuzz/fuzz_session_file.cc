// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Saved sessions. The first byte of an input says how the rest is used: bit 0, whether its last 16
// bytes are made the right checksum, without which nearly every edit ends there; bit 1, whether
// the session that reads it keeps halves.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/hash.h"
#include "fuzz.h"
#include "session_model.h"

namespace tandem::fuzz {
namespace {

// A file that has no place on any disk.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    Check(fd_ >= 0 && ::write(fd_, bytes.data(), bytes.size()) == ssize_t(bytes.size()),
          "memory for a file");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void Seal(std::vector<std::byte>& file) {
  StreamHash hash;
  if (file.size() < 16) return;
  hash.Add(std::span(file).first(file.size() - 16));
  const auto value = hash.Value();
  std::memcpy(file.data() + file.size() - 16, value.data(), 16);
}

void CheckRead(const std::vector<int32_t>& tokens, KvStore& kv) {
  const Program& program = SessionProgram();
  const auto end = kv.end();
  Check(end >= 0 && end <= static_cast<int64_t>(tokens.size()), "no position without a token");
  Check(static_cast<int64_t>(tokens.size()) <= kv.shape().context, "the tokens fit the context");
  for (const int32_t token : tokens) {
    Check(token >= 0 && token < program.vocab_rows, "a token is in the vocabulary");
  }
  Check(kv.Holds(end), "the session can go on");
  for (size_t i = 0; i < kv.cache_count(); ++i) {
    Check(end - kv.FirstHeld(i) <= kv.views()[i].capacity, "a ring holds no more than it has");
  }
  const KvSnapshot snapshot = kv.TakeSnapshot();
  kv.Restore(snapshot);
  KvStore fork = kv.Fork();
  const int64_t step = std::min(kv.shape().chunk, kv.shape().context - end);
  fork.BeginStep(step);
  fork.EndStep(step);
  Check(fork.Holds(fork.end()), "a step leaves a session that can go on");
}

}  // namespace
}  // namespace tandem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  if (size == 0) return 0;
  const auto bytes = Bytes(data + 1, size - 1);
  std::vector<std::byte> file(bytes.begin(), bytes.end());
  if ((data[0] & 1) != 0) Seal(file);
  const MemoryFile disk(file);
  const DType type = (data[0] & 2) != 0 ? DType::kF16 : DType::kF32;
  Refuses([&] {
    KvStore kv(SessionProgram(), SessionShape(type));
    const auto tokens = ReadSession(disk.path(), SessionProgram(), kSessionModel, kv);
    CheckRead(tokens, kv);
  });
  return 0;
}
