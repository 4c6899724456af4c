// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/gguf_patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <span>
#include <stdexcept>

#include "formats/gguf.h"

namespace tandem::test {
namespace {

template <typename T>
void Append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void AppendText(std::string& out, std::string_view text) {
  Append<uint64_t>(out, text.size());
  out += text;
}

void Align(std::string& out) { out.resize((out.size() + 31) / 32 * 32); }

void WriteText(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

int64_t Elements(const PatchTensor& tensor) {
  int64_t elements = 1;
  for (const int64_t size : tensor.ne) elements *= size;
  return elements;
}

}  // namespace

std::vector<float> PatchTensor::Values() const {
  std::vector<float> values(static_cast<size_t>(Elements(*this)));
  DequantizeRow(type, data.data(), values.data(), static_cast<int64_t>(values.size()));
  return values;
}

void PatchTensor::Store(DType new_type, const std::vector<float>& values) {
  type = new_type;
  const size_t row_bytes = RowBytes(type, ne[0]);
  const size_t rows = values.size() / static_cast<size_t>(ne[0]);
  data.resize(rows * row_bytes);
  for (size_t row = 0; row < rows; ++row) {
    QuantizeRow(type, values.data() + row * static_cast<size_t>(ne[0]),
                data.data() + row * row_bytes, ne[0]);
  }
}

GgufPatch::GgufPatch(const std::filesystem::path& path) {
  const GgufFile file = GgufFile::Open(path);
  for (const GgufValue& value : file.metadata().values()) {
    SetRaw(value.key, value.type, value.element_type, value.count,
           {reinterpret_cast<const char*>(value.raw.data()), value.raw.size()});
  }
  for (const GgufTensor& tensor : file.tensors()) {
    tensors_.push_back({std::string(tensor.name),
                        *tensor.type,
                        {tensor.ne.begin(), tensor.ne.begin() + tensor.n_dims},
                        {tensor.data.begin(), tensor.data.end()}});
  }
}

bool GgufPatch::Has(std::string_view key) const {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const Pair& p) { return p.key == key; });
}

std::vector<std::string> GgufPatch::Keys() const {
  std::vector<std::string> keys;
  for (const Pair& pair : pairs_) keys.push_back(pair.key);
  return keys;
}

void GgufPatch::Remove(std::string_view key) {
  if (std::erase_if(pairs_, [&](const Pair& pair) { return pair.key == key; }) != 1) {
    throw std::invalid_argument("no such key: " + std::string(key));
  }
}

void GgufPatch::SetString(std::string_view key, std::string_view value) {
  const uint64_t size = value.size();
  std::string raw(reinterpret_cast<const char*>(&size), sizeof size);
  SetRaw(key, GgufType::kString, GgufType::kString, 1, raw.append(value));
}

void GgufPatch::SetStrings(std::string_view key, const std::vector<std::string>& values) {
  std::string raw;
  for (const std::string& value : values) {
    const uint64_t size = value.size();
    raw.append(reinterpret_cast<const char*>(&size), sizeof size).append(value);
  }
  SetRaw(key, GgufType::kArray, GgufType::kString, values.size(), std::move(raw));
}

void GgufPatch::SetRaw(std::string_view key, GgufType type, GgufType element_type, uint64_t count,
                       std::string raw) {
  const auto found =
      std::find_if(pairs_.begin(), pairs_.end(), [&](const Pair& pair) { return pair.key == key; });
  Pair pair{std::string(key), type, element_type, count, std::move(raw)};
  if (found == pairs_.end()) {
    pairs_.push_back(std::move(pair));
  } else {
    *found = std::move(pair);
  }
}

PatchTensor& GgufPatch::Tensor(std::string_view name) {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const PatchTensor& tensor) { return tensor.name == name; });
  if (found == tensors_.end()) throw std::invalid_argument("no such tensor: " + std::string(name));
  return *found;
}

void GgufPatch::RemoveTensor(std::string_view name) {
  if (std::erase_if(tensors_, [&](const PatchTensor& t) { return t.name == name; }) != 1) {
    throw std::invalid_argument("no such tensor: " + std::string(name));
  }
}

std::string GgufPatch::Serialize(const std::vector<Pair>& pairs,
                                 std::span<const PatchTensor> tensors, uint32_t version) {
  std::string out = "GGUF";
  Append(out, version);
  Append<uint64_t>(out, tensors.size());
  Append<uint64_t>(out, pairs.size());
  for (const Pair& pair : pairs) {
    AppendText(out, pair.key);
    Append(out, static_cast<uint32_t>(pair.type));
    if (pair.type == GgufType::kArray) {
      Append(out, static_cast<uint32_t>(pair.element_type));
      Append(out, pair.count);
    }
    out += pair.raw;
  }
  uint64_t offset = 0;
  for (const PatchTensor& tensor : tensors) {
    AppendText(out, tensor.name);
    Append(out, static_cast<uint32_t>(tensor.ne.size()));
    for (const int64_t size : tensor.ne) Append(out, static_cast<uint64_t>(size));
    Append(out, static_cast<uint32_t>(tensor.type));
    Append(out, offset);
    offset += (tensor.data.size() + 31) / 32 * 32;
  }
  Align(out);
  for (const PatchTensor& tensor : tensors) {
    out.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
    Align(out);
  }
  return out;
}

void GgufPatch::Write(const std::filesystem::path& path, uint32_t version) const {
  WriteText(path, Serialize(pairs_, tensors_, version));
}

std::filesystem::path GgufPatch::WriteParts(const std::filesystem::path& stem, int parts) const {
  const auto path = [&](int part) {
    return fmt::format("{}-{:05}-of-{:05}.gguf", stem.string(), part + 1, parts);
  };
  const size_t count = static_cast<size_t>(parts);
  const size_t share = (tensors_.size() + count - 1) / count;
  for (int part = 0; part < parts; ++part) {
    GgufPatch keys;
    if (part == 0) keys.pairs_ = pairs_;
    keys.Set<uint32_t>("split.no", static_cast<uint32_t>(part));
    keys.Set<uint32_t>("split.count", static_cast<uint32_t>(parts));
    keys.Set<int32_t>("split.tensors.count", static_cast<int32_t>(tensors_.size()));
    const size_t first = std::min(tensors_.size(), static_cast<size_t>(part) * share);
    const auto own = std::span(tensors_).subspan(first, std::min(share, tensors_.size() - first));
    WriteText(path(part), Serialize(keys.pairs_, own, 3));
  }
  return path(0);
}

}  // namespace tandem::test
