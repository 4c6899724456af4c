// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "core/checked.h"
#include "core/error.h"
#include "formats/byte_reader.h"

namespace tandem {
namespace {

constexpr uint32_t kMaxDims = 4;
// The least bytes of a tensor's entry: name length, one character, dimension count, one dimension,
// type, offset.
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

struct KnownFormat {
  std::string_view magic;
  std::string_view what;
  std::string_view hint;
};

constexpr std::string_view kConvertHint =
    "give the folder with its config.json to 'tandem convert', or download a GGUF file";
constexpr KnownFormat kKnownFormats[] = {
    {"PK\x03\x04", "a zip archive, perhaps a PyTorch checkpoint",
     "download the safetensors or GGUF version of the model"},
    {"\x80\x02", "a Python pickle, perhaps a PyTorch checkpoint",
     "download the safetensors or GGUF version of the model"},
    {"tjgg", "a ggjt file, older than GGUF", "download the GGUF version of the model"},
    {"fmgg", "a ggmf file, older than GGUF", "download the GGUF version of the model"},
    {"lmgg", "a ggml file, older than GGUF", "download the GGUF version of the model"},
    {"version https://git-lfs", "a Git LFS pointer, not the file it points to",
     "run 'git lfs pull' in the repository, or download the file itself"},
    {"TNDMSESS", "a session of Tandem",
     "give it with --session, beside the model it was saved with"},
    {"<!DOCTYPE", "a web page", "download the file itself, not the page about it"},
    {"<html", "a web page", "download the file itself, not the page about it"},
};

bool LooksLikeSafetensors(std::span<const std::byte> bytes) {
  if (bytes.size() < 10) return false;
  const auto header = LoadUnaligned<uint64_t>(bytes.data());
  return header >= 2 && header <= bytes.size() - 8 && bytes[8] == std::byte{'{'};
}

[[noreturn]] void FailMagic(std::span<const std::byte> bytes, std::string_view file) {
  if (bytes.empty()) {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: the file is empty", file),
                kDownloadAgain);
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 32));
  for (const KnownFormat& format : kKnownFormats) {
    if (text.starts_with(format.magic)) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("{}: not a GGUF file but {}", file, format.what),
                  std::string(format.hint));
    }
  }
  if (LooksLikeSafetensors(bytes)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: not a GGUF file but a safetensors file", file),
                std::string(kConvertHint));
  }
  throw Error(
      ErrorKind::kCorruptFile,
      fmt::format("{}: not a GGUF file: it starts with '{}'", file, Printable(text.substr(0, 4))),
      kDownloadAgain);
}

uint32_t ReadVersion(ByteReader& reader) {
  const auto version = reader.Read<uint32_t>("the version");
  if (version == 2 || version == 3) return version;
  std::string what = fmt::format("GGUF version {}", version);
  std::string hint = "only versions 2 and 3 are read; download a current file of the model";
  if (version == 0) reader.Fail("GGUF version 0");
  if (version > 3 && version % 0x10000 == 0) {
    what = "a big-endian GGUF file";
    hint = "only little-endian files are read; download or convert that version of the model";
  }
  throw Error(ErrorKind::kUnsupported, fmt::format("{}: {} is not supported", reader.file(), what),
              std::move(hint));
}

uint64_t AlignmentOf(const GgufMetadata& metadata, const ByteReader& reader) {
  const uint64_t alignment = metadata.FindUint("general.alignment").value_or(kGgufDefaultAlignment);
  if (alignment < kGgufMinAlignment || alignment > kGgufMaxAlignment ||
      !std::has_single_bit(alignment)) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: general.alignment is {}, not a power of two from {} to {}",
                            reader.file(), alignment, kGgufMinAlignment, kGgufMaxAlignment),
                kDownloadAgain);
  }
  return alignment;
}

void ReadShape(ByteReader& reader, GgufTensor& tensor) {
  const auto n_dims = reader.Read<uint32_t>("a dimension count");
  if (n_dims < 1 || n_dims > kMaxDims) {
    reader.Fail(fmt::format("tensor '{}' has {} dimensions, not 1 to {}", Printable(tensor.name),
                            n_dims, kMaxDims));
  }
  tensor.n_dims = static_cast<int>(n_dims);
  std::optional<uint64_t> elements = 1;
  for (uint32_t i = 0; i < n_dims; ++i) {
    const auto size = reader.Read<uint64_t>("a dimension");
    if (size == 0) {
      reader.Fail(fmt::format("tensor '{}': dimension {} is 0", Printable(tensor.name), i));
    }
    if (elements) elements = CheckedMul(*elements, size);
    tensor.ne[i] = static_cast<int64_t>(size);
  }
  if (!elements || *elements > static_cast<uint64_t>(INT64_MAX)) {
    reader.Fail(fmt::format("tensor '{}' has more than 2^63 elements", Printable(tensor.name)));
  }
  tensor.elements = *elements;
}

void SetType(const ByteReader& reader, GgufOptions options, GgufTensor& tensor) {
  tensor.type = DTypeFromGguf(tensor.type_number);
  if (!tensor.type) {
    if (options.allow_unsupported_types) return;
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: tensor '{}' has the type {} (number {}), which is not supported",
                            reader.file(), Printable(tensor.name), GgufTypeName(tensor.type_number),
                            tensor.type_number),
                "quantise the original weights to q4_k, q8_0 or another type that is read, or "
                "download such a file");
  }
  const auto block_elements = static_cast<uint64_t>(BlockElements(*tensor.type));
  if (static_cast<uint64_t>(tensor.ne[0]) % block_elements != 0) {
    reader.Fail(fmt::format("tensor '{}': rows of {} elements are not whole {} blocks of {}",
                            Printable(tensor.name), tensor.ne[0], DTypeName(*tensor.type),
                            block_elements));
  }
  const auto bytes =
      CheckedMul(tensor.elements / block_elements, static_cast<uint64_t>(BlockBytes(*tensor.type)));
  if (!bytes) {
    reader.Fail(fmt::format("tensor '{}' has more than 2^64 bytes", Printable(tensor.name)));
  }
  tensor.bytes = *bytes;
}

/// Leaves in `offset` what the file says: relative to the data section.
GgufTensor ReadTensorInfo(ByteReader& reader, GgufOptions options) {
  GgufTensor tensor;
  tensor.name = reader.ReadString("a tensor name", kGgufMaxTensorNameBytes);
  if (!IsPrintableName(tensor.name)) {
    reader.Fail(fmt::format("the tensor name '{}' is not text", Printable(tensor.name)));
  }
  ReadShape(reader, tensor);
  tensor.type_number = reader.Read<uint32_t>("a tensor type");
  tensor.offset = reader.Read<uint64_t>("a tensor offset");
  SetType(reader, options, tensor);
  return tensor;
}

void PlaceTensor(std::span<const std::byte> bytes, std::string_view file, uint64_t data_offset,
                 uint64_t alignment, GgufTensor& tensor) {
  if (tensor.offset % alignment != 0) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: tensor '{}' has the offset {}, not a multiple of {}", file,
                            Printable(tensor.name), tensor.offset, alignment),
                kDownloadAgain);
  }
  const auto begin = CheckedAdd(data_offset, tensor.offset);
  const auto end = begin ? CheckedAdd(*begin, tensor.bytes) : std::nullopt;
  if (!end || *end > bytes.size()) {
    const std::string expected = end ? fmt::format("up to byte {}", *end) : "beyond 2^64 bytes";
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: cut short: tensor '{}' goes {}, the file has {} bytes", file,
                            Printable(tensor.name), expected, bytes.size()),
                kDownloadAgain);
  }
  tensor.offset = *begin;
  tensor.data = bytes.subspan(*begin, tensor.bytes);
}

void CheckDisjoint(std::string_view file, std::span<const GgufTensor> tensors) {
  std::vector<const GgufTensor*> order;
  order.reserve(tensors.size());
  for (const GgufTensor& tensor : tensors) order.push_back(&tensor);
  // A tensor of unknown size counts as empty: it may share its start with another tensor, and
  // nothing is ever read from it.
  std::sort(order.begin(), order.end(), [](const GgufTensor* a, const GgufTensor* b) {
    return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const GgufTensor& previous = *order[i - 1];
    if (previous.offset + previous.bytes > order[i]->offset) {
      throw Error(
          ErrorKind::kCorruptFile,
          fmt::format("{}: tensors '{}' and '{}' overlap at offset {}", file,
                      Printable(previous.name), Printable(order[i]->name), order[i]->offset),
          kDownloadAgain);
    }
  }
}

}  // namespace

GgufPart ParseGgufPart(std::span<const std::byte> bytes, std::string_view name,
                       GgufOptions options) {
  ByteReader reader(bytes, name);
  constexpr std::string_view kMagic = "GGUF";
  const auto magic = bytes.first(std::min(bytes.size(), kMagic.size()));
  if (std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size()) != kMagic) {
    FailMagic(bytes, name);
  }
  reader.Take(kMagic.size(), "the magic");
  GgufPart part;
  part.version = ReadVersion(reader);
  const auto tensor_count = reader.Read<uint64_t>("the tensor count");
  const auto key_count = reader.Read<uint64_t>("the key count");
  part.metadata = GgufMetadata(reader, key_count);
  const uint64_t alignment = AlignmentOf(part.metadata, reader);
  reader.CheckCount(tensor_count, kLeastTensorBytes, "tensors");
  part.tensors.reserve(tensor_count);
  for (uint64_t i = 0; i < tensor_count; ++i) {
    part.tensors.push_back(ReadTensorInfo(reader, options));
  }
  const auto data_offset = CheckedAlign(reader.offset(), alignment);
  if (!data_offset) reader.Fail("the data section starts beyond 2^64");
  for (GgufTensor& tensor : part.tensors) {
    PlaceTensor(bytes, name, *data_offset, alignment, tensor);
  }
  CheckDisjoint(name, part.tensors);
  return part;
}

}  // namespace tandem
