// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/session_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/atomic_file.h"
#include "core/checked.h"
#include "core/error.h"
#include "core/file_status.h"
#include "core/hash.h"
#include "core/mapped_file.h"

namespace tandem {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the layout is written as it is in memory");

constexpr std::string_view kMagic = "TNDMSESS";
constexpr uint32_t kVersion = 1;
using Hash = std::array<uint8_t, 16>;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t type;
  Fingerprint model;
  uint64_t tokens;
  uint64_t positions;
  uint64_t caches;
};
static_assert(sizeof(Header) == 56);

struct CacheHeader {
  uint64_t layer;
  uint64_t kv_heads;
  uint64_t head_dim;
  uint64_t window;
  uint64_t first;
  bool operator==(const CacheHeader&) const = default;
};
static_assert(sizeof(CacheHeader) == 40);

CacheHeader Describe(const CacheTensor& cache, int64_t first) {
  return {static_cast<uint64_t>(cache.layer), static_cast<uint64_t>(cache.kv_heads),
          static_cast<uint64_t>(cache.head_dim), static_cast<uint64_t>(cache.window),
          static_cast<uint64_t>(first)};
}

// Writes and hashes.
class Output {
 public:
  explicit Output(const std::filesystem::path& path) : file_(path) {}
  void Write(const void* data, size_t size) {
    const std::span bytes(static_cast<const std::byte*>(data), size);
    hash_.Add(bytes);
    file_.Write(bytes);
  }
  void Finish() {
    const Hash hash = hash_.Value();
    file_.Write(std::as_bytes(std::span(hash)));
    file_.Commit();
  }

 private:
  AtomicFile file_;
  StreamHash hash_;
};

// Reads what is known to be there.
class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : rest_(bytes) {}
  void Read(void* target, size_t size) {
    if (size > 0) std::memcpy(target, Take(size), size);  // An empty vector's data is null.
  }
  const std::byte* Take(size_t size) {
    const std::byte* data = rest_.data();
    rest_ = rest_.subspan(size);
    return data;
  }

 private:
  std::span<const std::byte> rest_;
};

class Reader {
 public:
  Reader(const std::filesystem::path& path, const Program& program, KvStore& kv)
      : name_(Printable(path.string(), 4096)), file_(path), program_(program), kv_(kv) {}

  std::vector<int32_t> Run(const Fingerprint& model) {
    const auto bytes = file_.bytes();
    if (bytes.size() < kMagic.size() ||
        std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
      throw Error(
          ErrorKind::kCorruptFile, fmt::format("{}: not a session of Tandem", name_),
          "name a file that --session or /save wrote; --session makes one that is not there");
    }
    if (bytes.size() < sizeof(Header) + sizeof(Hash)) Corrupt("too short for a session");
    std::memcpy(&header_, bytes.data(), sizeof header_);
    if (header_.version != kVersion) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("{}: session format {}, this program reads {}", name_,
                              header_.version, kVersion),
                  "it was saved by another version of Tandem");
    }
    CheckHash(bytes);
    if (header_.model != model || !SameCaches(bytes)) {
      throw Error(ErrorKind::kUnsupported, fmt::format("{}: saved with another model", name_),
                  "load the model that it was saved with");
    }
    CheckSize(bytes.size());
    Input input(bytes.subspan(sizeof(Header) + header_.caches * sizeof(CacheHeader)));
    std::vector<int32_t> tokens(header_.tokens);
    input.Read(tokens.data(), tokens.size() * sizeof(int32_t));
    for (const int32_t token : tokens) {
      if (token < 0 || token >= program_.vocab_rows) Corrupt("a token outside the vocabulary");
    }
    ReadRows(input);
    return tokens;
  }

 private:
  [[noreturn]] void Corrupt(const std::string& what) const {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", name_, what),
                "the file is damaged; start a new session");
  }

  void CheckHash(std::span<const std::byte> bytes) const {
    const auto content = bytes.first(bytes.size() - sizeof(Hash));
    Hash stored{};
    std::memcpy(stored.data(), bytes.data() + content.size(), sizeof stored);
    StreamHash hash;
    hash.Add(content);
    if (hash.Value() != stored) Corrupt("cut short or changed (its checksum does not match)");
  }

  // Whether the cache tensors are this Program's; also reads where each begins.
  bool SameCaches(std::span<const std::byte> bytes) {
    if (header_.caches != program_.caches.size()) return false;
    const size_t size = program_.caches.size() * sizeof(CacheHeader);
    if (bytes.size() < sizeof(Header) + size + sizeof(Hash)) return false;
    Input input(bytes.subspan(sizeof(Header)));
    for (const CacheTensor& cache : program_.caches) {
      CacheHeader stored{};
      input.Read(&stored, sizeof stored);
      if (stored != Describe(cache, static_cast<int64_t>(stored.first))) return false;
      if (stored.first > header_.positions) Corrupt("a cache begins after its end");
      first_.push_back(static_cast<int64_t>(stored.first));
    }
    return true;
  }

  void CheckSize(size_t file_size) {
    const auto type = DTypeFromGguf(header_.type);
    if (type != DType::kF32 && type != DType::kF16 && type != DType::kQ8_0) {
      Corrupt("keys and values of an unknown type");
    }
    type_ = *type;
    for (const CacheTensor& cache : program_.caches) {
      if (type_ == DType::kQ8_0 && cache.width() % 32 != 0) {
        Corrupt("keys and values of a type that this model cannot have");
      }
    }
    if (header_.positions > header_.tokens) Corrupt("more positions than tokens");
    if (header_.tokens > static_cast<uint64_t>(kv_.shape().context)) {
      throw Error(ErrorKind::kResource,
                  fmt::format("{}: {} tokens do not fit the context of {}", name_, header_.tokens,
                              kv_.shape().context),
                  "ask for a longer context with --ctx");
    }
    uint64_t expected = sizeof(Header) + header_.caches * sizeof(CacheHeader) +
                        header_.tokens * sizeof(int32_t) + sizeof(Hash);
    for (size_t i = 0; i < first_.size(); ++i) {
      const uint64_t held = header_.positions - static_cast<uint64_t>(first_[i]);
      const auto row = CheckedMul(2 * held, RowBytes(type_, program_.caches[i].width()));
      const auto sum = row ? CheckedAdd(expected, *row) : std::nullopt;
      if (!sum) Corrupt("impossible sizes");
      expected = *sum;
      // Later tokens look back at the window; without it the session could not go on.
      const int64_t window = program_.caches[i].window;
      const auto needed =
          window == 0 ? 0
                      : std::max<int64_t>(0, static_cast<int64_t>(header_.positions) - window + 1);
      if (first_[i] > needed) Corrupt("keys and values are missing");
    }
    if (expected != file_size) Corrupt(fmt::format("{} bytes, expected {}", file_size, expected));
  }

  void ReadRows(Input& input) {
    const auto end = static_cast<int64_t>(header_.positions);
    std::vector<int64_t> held;
    for (size_t i = 0; i < first_.size(); ++i) {
      const int64_t width = program_.caches[i].width();
      const size_t stored_row = RowBytes(type_, width);
      // A ring of this session may be shorter than that of the one saved.
      const int64_t first = std::max(first_[i], end - kv_.views()[i].capacity);
      for (const bool values : {false, true}) {
        for (int64_t p = first_[i]; p < end; ++p) {
          const std::byte* source = input.Take(stored_row);
          if (p < first) continue;
          CopyRow(source, values ? kv_.ValueRow(i, p) : kv_.KeyRow(i, p), width);
        }
      }
      held.push_back(first);
    }
    kv_.Adopt(held, end);
  }

  void CopyRow(const std::byte* source, std::byte* target, int64_t width) {
    const DType wanted = kv_.shape().type;
    if (wanted == type_) {
      std::memcpy(target, source, RowBytes(type_, width));
      return;
    }
    row_.resize(static_cast<size_t>(width));
    DequantizeRow(type_, source, row_.data(), width);
    QuantizeRow(wanted, row_.data(), target, width);
  }

  std::string name_;
  MappedFile file_;
  const Program& program_;
  KvStore& kv_;
  Header header_{};
  DType type_ = DType::kF32;
  std::vector<int64_t> first_;
  std::vector<float> row_;
};

}  // namespace

namespace {

// A slip of the name must not cost anybody a model: only sessions are replaced.
void RequireReplaceable(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(FileStatus(path))) return;  // the writer knows these
  const MappedFile there(path);
  const std::string_view start(reinterpret_cast<const char*>(there.bytes().data()),
                               std::min(there.size(), kMagic.size()));
  if (there.size() == 0 || start == kMagic) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("{}: there is a file that is no session", Printable(path.string(), 4096)),
              "choose another name, or remove that file first");
}

}  // namespace

void WriteSession(const std::filesystem::path& path, const Program& program,
                  const Fingerprint& model, const std::vector<int32_t>& tokens, const KvStore& kv) {
  RequireReplaceable(path);
  Header header{};
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.version = kVersion;
  header.type = static_cast<uint32_t>(kv.shape().type);
  header.model = model;
  header.tokens = tokens.size();
  header.positions = static_cast<uint64_t>(kv.end());
  header.caches = program.caches.size();
  Output output(path);
  output.Write(&header, sizeof header);
  for (size_t i = 0; i < program.caches.size(); ++i) {
    const CacheHeader cache = Describe(program.caches[i], std::min(kv.FirstHeld(i), kv.end()));
    output.Write(&cache, sizeof cache);
  }
  output.Write(tokens.data(), tokens.size() * sizeof(int32_t));
  for (size_t i = 0; i < program.caches.size(); ++i) {
    for (int64_t p = kv.FirstHeld(i); p < kv.end(); ++p) {
      output.Write(kv.KeyRow(i, p), kv.RowBytesOf(i));
    }
    for (int64_t p = kv.FirstHeld(i); p < kv.end(); ++p) {
      output.Write(kv.ValueRow(i, p), kv.RowBytesOf(i));
    }
  }
  output.Finish();
}

std::vector<int32_t> ReadSession(const std::filesystem::path& path, const Program& program,
                                 const Fingerprint& model, KvStore& kv) {
  return Reader(path, program, kv).Run(model);
}

}  // namespace tandem
