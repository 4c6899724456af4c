// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// info --check: hashes of whole files, and planted values that are not finite.
#include "engine/check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "core/hash.h"
#include "engine/convert.h"
#include "support/gguf_patch.h"
#include "support/hf_model.h"
#include "support/model_test.h"

namespace tandem::test {
namespace {

const std::filesystem::path kBase = "data/random/base";

std::array<uint8_t, 16> HashOf(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  StreamHash hash;
  hash.Add(std::as_bytes(std::span(bytes.data(), bytes.size())));
  return hash.Value();
}

void ExpectHashes(const CheckResult& result) {
  for (const CheckedFile& file : result.files) {
    EXPECT_EQ(file.hash, HashOf(file.name)) << file.name;
    EXPECT_EQ(file.bytes, std::filesystem::file_size(file.name));
  }
}

std::filesystem::path Converted(const TemporaryFolder& folder, const std::string& type) {
  ConvertOptions options;
  options.source = kBase;
  options.output = folder / (type + ".gguf");
  options.type = type;
  Convert(options);
  return options.output;
}

TEST(Check, GoodModelsAreGoodAndFullyRead) {
  const TemporaryFolder folder;
  for (const std::string& type : ConvertTypes()) {
    const auto path = Converted(folder, type);
    uint64_t last = 0;
    const CheckResult result =
        CheckModel(*Model::Load(path), [&](uint64_t done, uint64_t total, std::string_view) {
          EXPECT_GT(done, last);
          EXPECT_LE(done, total);
          last = done;
        });
    EXPECT_TRUE(result.ok());
    EXPECT_TRUE(result.skipped.empty());
    ASSERT_EQ(result.files.size(), 1u);
    EXPECT_EQ(last, std::filesystem::file_size(path));
    ExpectHashes(result);
    uint64_t bytes = 0;
    GgufPatch patch(path);
    for (const PatchTensor& tensor : patch.tensors()) bytes += tensor.data.size();
    EXPECT_EQ(result.tensor_bytes, bytes);
    EXPECT_EQ(static_cast<size_t>(result.tensors), patch.tensors().size());
  }
}

// A NaN or infinity in a chosen element of a value, or in the scale of a chosen block.
TEST(Check, FindsThePlantedValueInEveryType) {
  const TemporaryFolder folder;
  for (const DType type : AllDTypes()) {
    SCOPED_TRACE(DTypeName(type));
    GgufPatch patch(Converted(folder, "f32"));
    PatchTensor& tensor = patch.Tensor("blk.1.ffn_down.weight");
    const int64_t cols = tensor.ne[0];
    const int64_t rows = tensor.ne[1];
    const int64_t block = BlockElements(type);
    ASSERT_EQ(cols % 256, 0);
    tensor.type = type;
    tensor.data.assign(RowBytes(type, cols) * static_cast<size_t>(rows), std::byte{0});
    const int64_t row = rows / 3;
    const int64_t blocks = cols / block;
    const int64_t bad_block = blocks - 1;
    // The scale is the last field of some types and the first of the others.
    const auto bytes = static_cast<size_t>(BlockBytes(type));
    const bool last =
        type == DType::kQ2_K || type == DType::kQ3_K || type == DType::kQ6_K || type == DType::kF32;
    std::byte* at = tensor.data.data() + RowBytes(type, cols) * static_cast<size_t>(row) +
                    bytes * static_cast<size_t>(bad_block) + (last ? bytes - 2 : 0);
    const uint16_t nan = type == DType::kF32 || type == DType::kBF16 ? 0xffc0 : 0x7e00;
    std::memcpy(at, &nan, sizeof nan);
    patch.Write(folder / "bad.gguf");
    const CheckResult result = CheckModel(*Model::Load(folder / "bad.gguf"));
    ASSERT_EQ(result.bad.size(), 1u);
    const BadTensor& bad = result.bad[0];
    EXPECT_EQ(bad.name, "blk.1.ffn_down.weight");
    EXPECT_EQ(bad.type, DTypeName(type));
    EXPECT_EQ(bad.count, 1u);
    EXPECT_EQ(bad.first, (std::vector<int64_t>{row, bad_block * block}));
    EXPECT_EQ(bad.shape, (std::vector<int64_t>{rows, cols}));
    ExpectHashes(result);
  }
}

TEST(Check, ReadsAllPartsOfASplitFile) {
  const TemporaryFolder folder;
  GgufPatch patch(Converted(folder, "q8_0"));
  PatchTensor& norm = patch.Tensor("output_norm.weight");
  std::vector<float> values = norm.Values();
  values[3] = -INFINITY;
  values.back() = NAN;
  norm.Store(DType::kF32, values);
  const auto first = patch.WriteParts(folder / "split", 4);
  const CheckResult result = CheckModel(*Model::Load(first));
  EXPECT_EQ(result.files.size(), 4u);
  ExpectHashes(result);
  ASSERT_EQ(result.bad.size(), 1u);
  EXPECT_EQ(result.bad[0].name, "output_norm.weight");
  EXPECT_EQ(result.bad[0].count, 2u);
  EXPECT_EQ(result.bad[0].first, (std::vector<int64_t>{3}));
}

TEST(Check, ReadsFoldersWithTowersAndWhatLiesBeside) {
  const TemporaryFolder folder;
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    HfModel model = ReadHfModel(kBase);
    const std::string name = "model.language_model.norm.weight";
    std::vector<float> values = ValuesOf(model.tensors.at(name));
    values[1] = NAN;
    const auto shape = model.tensors.at(name).shape;
    model.tensors[name] = StoredAs(FloatTensor(shape, values), type);
    model.tensors["model.vision_tower.stem.weight"] =
        FloatTensor({2, 3}, {1, 2, 3, 4, INFINITY, 6});
    model.tensors["model.vision_tower.steps"] = {"I64", {1}, std::vector<std::byte>(8)};
    WriteHfModel(folder / "model", model, 3);
    const CheckResult result = CheckModel(*Model::Load(folder / "model"));
    EXPECT_EQ(result.files.size(), 3u + 2u);  // index and config
    ExpectHashes(result);
    ASSERT_EQ(result.bad.size(), 2u);
    for (const BadTensor& bad : result.bad) {
      if (bad.name == name) {
        EXPECT_EQ(bad.first, (std::vector<int64_t>{1}));
      } else {
        EXPECT_EQ(bad.name, "model.vision_tower.stem.weight");
        EXPECT_EQ(bad.first, (std::vector<int64_t>{1, 1}));
      }
    }
    EXPECT_EQ(result.skipped, (std::vector<std::string>{"model.vision_tower.steps (I64)"}));
  }
}

TEST(Check, StopsWhenProgressThrows) {
  EXPECT_THROW(CheckModel(*Model::LoadEmbedded(),
                          [](uint64_t, uint64_t, std::string_view) {
                            throw Error(ErrorKind::kCancelled, "stop");
                          }),
               Error);
}

}  // namespace
}  // namespace tandem::test
