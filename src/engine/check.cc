// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>

#include "core/error.h"
#include "core/file_status.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mapped_file.h"
#include "engine/model_data.h"
#include "formats/non_finite.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;
using Bytes = std::span<const std::byte>;

// Hashed and scanned while it is in the processor's cache.
constexpr size_t kPieceBytes = size_t{1} << 20;

struct Region {
  std::string name;
  std::string type_name;
  std::optional<DType> type;
  std::vector<int64_t> shape;
  Bytes data;
};

struct FileToCheck {
  std::string name;
  Bytes bytes;
  std::vector<Region> regions;  ///< Inside `bytes`, without overlap.
};

std::vector<int64_t> IndexOf(uint64_t element, const std::vector<int64_t>& shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    const auto size = static_cast<uint64_t>(shape[i]);
    index[i] = static_cast<int64_t>(element % size);
    element /= size;
  }
  return index;
}

class Checker {
 public:
  Checker(uint64_t total, const CheckProgress& progress) : total_(total), progress_(progress) {}

  void Check(FileToCheck file) {
    std::sort(file.regions.begin(), file.regions.end(),
              [](const Region& a, const Region& b) { return a.data.data() < b.data.data(); });
    StreamHash hash;
    Bytes rest = file.bytes;
    for (const Region& region : file.regions) {
      if (region.data.empty()) {
        if (!region.type) Skip(region);
        continue;
      }
      const auto gap = static_cast<size_t>(region.data.data() - rest.data());
      Read(rest.first(gap), file.name, hash, [](Bytes) {});
      if (!region.type) {
        Skip(region);
        Read(region.data, region.name, hash, [](Bytes) {});
      } else {
        Scan(region, hash);
      }
      rest = rest.subspan(gap + region.data.size());
    }
    Read(rest, file.name, hash, [](Bytes) {});
    result_.files.push_back({file.name, file.bytes.size(), hash.Value()});
  }

  CheckResult& result() { return result_; }

 private:
  void Skip(const Region& region) {
    result_.skipped.push_back(fmt::format("{} ({})", region.name, region.type_name));
  }

  template <typename Look>
  void Read(Bytes bytes, std::string_view name, StreamHash& hash, const Look& look,
            size_t unit = 1) {
    const size_t piece = kPieceBytes / unit * unit;
    while (!bytes.empty()) {
      const Bytes part = bytes.first(std::min(piece, bytes.size()));
      hash.Add(part);
      look(part);
      bytes = bytes.subspan(part.size());
      done_ += part.size();
      if (progress_) progress_(done_, total_, name);
    }
  }

  void Scan(const Region& region, StreamHash& hash) {
    BadTensor bad{region.name, region.type_name, region.shape, {}, 0};
    uint64_t element = 0;
    const auto unit = static_cast<size_t>(BlockBytes(*region.type));
    const auto look = [&](Bytes part) {
      const NonFinite found = FindNonFinite(*region.type, part);
      if (bad.count == 0 && found.count > 0) {
        bad.first = IndexOf(element + found.first, region.shape);
      }
      bad.count += found.count;
      element += part.size() / unit * static_cast<uint64_t>(BlockElements(*region.type));
    };
    Read(region.data, region.name, hash, look, unit);
    ++result_.tensors;
    result_.tensor_bytes += region.data.size();
    if (bad.count > 0) result_.bad.push_back(std::move(bad));
  }

  uint64_t total_;
  const CheckProgress& progress_;
  uint64_t done_ = 0;
  CheckResult result_;
};

std::vector<FileToCheck> GgufFiles(const GgufFile& gguf) {
  std::vector<FileToCheck> files;
  for (size_t part = 0; part < gguf.part_count(); ++part) {
    files.push_back({gguf.part_name(part), gguf.part_bytes(part), {}});
  }
  for (const GgufTensor& tensor : gguf.tensors()) {
    std::vector<int64_t> shape(tensor.ne.begin(), tensor.ne.begin() + tensor.n_dims);
    std::reverse(shape.begin(), shape.end());
    files[tensor.part].regions.push_back({Printable(tensor.name, 256),
                                          std::string(GgufTypeName(tensor.type_number)),
                                          tensor.type, std::move(shape), tensor.data});
  }
  return files;
}

std::optional<DType> FloatType(std::string_view dtype) {
  if (dtype == "F32") return DType::kF32;
  if (dtype == "F16") return DType::kF16;
  if (dtype == "BF16") return DType::kBF16;
  return std::nullopt;
}

std::vector<FileToCheck> SafetensorsFiles(const SafetensorsSet& set) {
  std::vector<FileToCheck> files;
  for (size_t file = 0; file < set.file_count(); ++file) {
    files.push_back({set.file_name(file), set.file_bytes(file), {}});
  }
  for (const SafetensorsTensor& tensor : set.tensors()) {
    files[tensor.file].regions.push_back({Printable(tensor.name, 256), Printable(tensor.dtype),
                                          FloatType(tensor.dtype), tensor.shape, tensor.data});
  }
  return files;
}

// What lies beside the weights of a folder and makes a difference to what they say.
std::vector<MappedFile> FilesBeside(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (fs::path& path : ListFolder(folder)) {
    const std::string extension = path.extension().string();
    const bool ours = extension == ".json" || extension == ".model" || extension == ".jinja";
    if (ours && fs::is_regular_file(FileStatus(path))) paths.push_back(std::move(path));
  }
  std::sort(paths.begin(), paths.end());
  std::vector<MappedFile> files;
  files.reserve(paths.size());
  for (const fs::path& path : paths) files.emplace_back(path);
  return files;
}

}  // namespace

CheckResult CheckModel(const Model& model, const CheckProgress& progress) {
  const auto start = std::chrono::steady_clock::now();
  const ModelSource& source = model.data().files();
  std::vector<FileToCheck> files;
  std::vector<MappedFile> beside;
  if (source.gguf) {
    files = GgufFiles(*source.gguf);
  } else {
    files = SafetensorsFiles(*source.safetensors);
    beside = FilesBeside(source.path);
    for (const MappedFile& file : beside) {
      files.push_back({Printable(file.path().string(), 4096), file.bytes(), {}});
    }
  }
  uint64_t total = 0;
  for (const FileToCheck& file : files) total += file.bytes.size();
  Checker checker(total, progress);
  for (FileToCheck& file : files) checker.Check(std::move(file));
  CheckResult result = std::move(checker.result());
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  log::Event("checked: {}, {} bytes in {} files, {} of {} tensors bad, {:.1f} s", source.name,
             total, result.files.size(), result.bad.size(), result.tensors, result.seconds);
  return result;
}

}  // namespace tandem
