// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/hf_model.h"

#include <fmt/format.h>

#include <fstream>
#include <stdexcept>

#include "formats/safetensors.h"

namespace tandem::test {
namespace {

DType TypeOf(const HfTensor& tensor) {
  if (tensor.dtype == "F32") return DType::kF32;
  if (tensor.dtype == "F16") return DType::kF16;
  if (tensor.dtype == "BF16") return DType::kBF16;
  throw std::invalid_argument("no float tensor: " + tensor.dtype);
}

void WriteText(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

nlohmann::json& HfModel::text() {
  return config.contains("text_config") ? config["text_config"] : config;
}

HfModel ReadHfModel(const std::filesystem::path& folder) {
  HfModel model;
  std::ifstream(folder / "config.json") >> model.config;
  const SafetensorsSet set = SafetensorsSet::Open(folder);
  for (const SafetensorsTensor& tensor : set.tensors()) {
    model.tensors[tensor.name] = {
        tensor.dtype, tensor.shape, {tensor.data.begin(), tensor.data.end()}};
  }
  return model;
}

void WriteSafetensors(const std::filesystem::path& path,
                      const std::map<std::string, HfTensor>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    header[name] = {{"dtype", tensor.dtype},
                    {"shape", tensor.shape},
                    {"data_offsets", {offset, offset + tensor.data.size()}}};
    offset += tensor.data.size();
  }
  const std::string text = header.dump();
  const uint64_t size = text.size();
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&size), sizeof size);
  out << text;
  for (const auto& [name, tensor] : tensors) {
    out.write(reinterpret_cast<const char*>(tensor.data.data()),
              static_cast<std::streamsize>(tensor.data.size()));
  }
}

void WriteHfModel(const std::filesystem::path& folder, const HfModel& model, int shards) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  WriteText(folder / "config.json", model.config.dump(1));
  if (shards == 1) return WriteSafetensors(folder / "model.safetensors", model.tensors);
  std::vector<std::map<std::string, HfTensor>> parts(static_cast<size_t>(shards));
  nlohmann::json index = {{"metadata", {{"total_size", 0}}},
                          {"weight_map", nlohmann::json::object()}};
  size_t next = 0;
  const auto file = [&](size_t part) {
    return fmt::format("model-{:05}-of-{:05}.safetensors", part + 1, shards);
  };
  for (const auto& [name, tensor] : model.tensors) {
    const size_t part = next++ % parts.size();
    parts[part][name] = tensor;
    index["weight_map"][name] = file(part);
  }
  for (size_t part = 0; part < parts.size(); ++part) {
    WriteSafetensors(folder / file(part), parts[part]);
  }
  WriteText(folder / "model.safetensors.index.json", index.dump());
}

HfTensor FloatTensor(std::vector<int64_t> shape, const std::vector<float>& values) {
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  return {"F32", std::move(shape), {bytes, bytes + values.size() * sizeof(float)}};
}

std::vector<float> ValuesOf(const HfTensor& tensor) {
  const DType type = TypeOf(tensor);
  std::vector<float> values(tensor.data.size() / static_cast<size_t>(BlockBytes(type)));
  DequantizeRow(type, tensor.data.data(), values.data(), static_cast<int64_t>(values.size()));
  return values;
}

HfTensor StoredAs(const HfTensor& tensor, DType type) {
  const std::vector<float> values = ValuesOf(tensor);
  HfTensor out{type == DType::kF32   ? "F32"
               : type == DType::kF16 ? "F16"
                                     : "BF16",
               tensor.shape,
               {}};
  out.data.resize(RowBytes(type, static_cast<int64_t>(values.size())));
  QuantizeRow(type, values.data(), out.data.data(), static_cast<int64_t>(values.size()));
  return out;
}

void RenameTensors(HfModel& model, const std::function<std::string(const std::string&)>& rename) {
  std::map<std::string, HfTensor> renamed;
  for (auto& [name, tensor] : model.tensors) renamed[rename(name)] = std::move(tensor);
  model.tensors = std::move(renamed);
}

}  // namespace tandem::test
