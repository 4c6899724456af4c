// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf.h"

#include <cmath>
#include <limits>
#include <thread>

#include "formats/file_test_util.h"
#include "formats/gguf_writer.h"

namespace tandem {
namespace {

using GgufTest = TemporaryFolderTest;

template <typename T>
void AddLimits(GgufWriter& writer, const std::string& name) {
  const std::vector<T> values = {std::numeric_limits<T>::lowest(), T{0}, T{1},
                                 std::numeric_limits<T>::max()};
  writer.Add<T>(name + ".low", values[0]);
  writer.Add<T>(name + ".high", values[3]);
  writer.AddArray<T>(name + ".all", values);
}

template <typename T>
void ExpectLimits(const GgufMetadata& metadata, const std::string& name) {
  const T low = std::numeric_limits<T>::lowest();
  const T high = std::numeric_limits<T>::max();
  if constexpr (std::is_integral_v<T>) {
    if constexpr (std::is_signed_v<T>) {
      EXPECT_EQ(metadata.GetInt(name + ".low"), low);
      EXPECT_EQ(metadata.GetInt(name + ".high"), high);
      EXPECT_THROW((void)metadata.GetUint(name + ".low"), Error);
      EXPECT_EQ(metadata.GetInts(name + ".all"), (std::vector<int64_t>{low, 0, 1, high}));
    }
    EXPECT_EQ(metadata.GetUint(name + ".high"), static_cast<uint64_t>(high));
  }
  EXPECT_EQ(metadata.GetFloat(name + ".low"), static_cast<double>(low));
  EXPECT_EQ(metadata.GetDoubles(name + ".all"),
            (std::vector<double>{static_cast<double>(low), 0, 1, static_cast<double>(high)}));
  EXPECT_EQ(metadata.GetFloats(name + ".all")[2], 1.0f);
}

void AddEverything(GgufWriter& writer) {
  AddLimits<uint8_t>(writer, "u8");
  AddLimits<int8_t>(writer, "i8");
  AddLimits<uint16_t>(writer, "u16");
  AddLimits<int16_t>(writer, "i16");
  AddLimits<uint32_t>(writer, "u32");
  AddLimits<int32_t>(writer, "i32");
  AddLimits<uint64_t>(writer, "u64");
  AddLimits<int64_t>(writer, "i64");
  AddLimits<float>(writer, "f32");
  AddLimits<double>(writer, "f64");
  writer.Add<bool>("yes", true);
  writer.Add<bool>("no", false);
  writer.AddBools("bools", {true, false, true});
  writer.AddString("text", "a\xff b");
  writer.AddString("empty", "");
  const std::vector<std::string_view> strings = {"", "one", std::string_view("\0\n", 2)};
  writer.AddStrings("strings", strings);
  writer.AddStrings("none", {});
  writer.AddArray<float>("no floats", {});
}

void ExpectEverything(const GgufMetadata& metadata) {
  ExpectLimits<uint8_t>(metadata, "u8");
  ExpectLimits<int8_t>(metadata, "i8");
  ExpectLimits<uint16_t>(metadata, "u16");
  ExpectLimits<int16_t>(metadata, "i16");
  ExpectLimits<uint32_t>(metadata, "u32");
  ExpectLimits<int32_t>(metadata, "i32");
  ExpectLimits<uint64_t>(metadata, "u64");
  ExpectLimits<int64_t>(metadata, "i64");
  ExpectLimits<float>(metadata, "f32");
  ExpectLimits<double>(metadata, "f64");
  EXPECT_TRUE(metadata.GetBool("yes"));
  EXPECT_FALSE(metadata.GetBool("no"));
  EXPECT_EQ(metadata.GetBools("bools"), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(metadata.GetString("text"), "a\xff b");
  EXPECT_EQ(metadata.GetString("empty"), "");
  const auto strings = metadata.GetStrings("strings");
  ASSERT_EQ(strings.size(), 3u);
  EXPECT_EQ(strings[1], "one");
  EXPECT_EQ(strings[2], std::string_view("\0\n", 2));
  EXPECT_TRUE(metadata.GetStrings("none").empty());
  EXPECT_TRUE(metadata.GetFloats("no floats").empty());
}

TEST_F(GgufTest, EveryValueTypeSurvivesWritingAndCopying) {
  GgufWriter writer(folder_ / "a.gguf");
  AddEverything(writer);
  writer.WriteHeader();
  writer.Finish();
  const GgufFile file = GgufFile::Open(folder_ / "a.gguf");
  EXPECT_EQ(file.version(), 3u);
  EXPECT_TRUE(file.tensors().empty());
  ExpectEverything(file.metadata());
  EXPECT_EQ(file.metadata().values()[0].key, "u8.low");

  GgufWriter copy(folder_ / "b.gguf");
  for (const GgufValue& value : file.metadata().values()) copy.Copy(value);
  copy.WriteHeader();
  copy.Finish();
  EXPECT_EQ(ReadBytes(folder_ / "a.gguf"), ReadBytes(folder_ / "b.gguf"));
}

TEST_F(GgufTest, ValuesConvertOnlyWithoutLoss) {
  GgufWriter writer(folder_ / "a.gguf");
  writer.Add<float>("count", 15.0f);
  writer.Add<float>("half", 0.5f);
  writer.Add<double>("negative", -3.0);
  writer.Add<float>("nan", std::nanf(""));
  writer.Add<double>("2^63", 0x1p63);
  writer.Add<double>("2^64", 0x1p64);
  writer.Add<uint8_t>("one", 1);
  writer.Add<uint8_t>("two", 2);
  writer.AddString("text", "7");
  writer.AddArray<float>("scales", std::vector<float>{-INFINITY, 1.5f});
  writer.AddArray<int32_t>("flags", std::vector<int32_t>{0, 1});
  writer.WriteHeader();
  writer.Finish();
  const GgufFile file = GgufFile::Open(folder_ / "a.gguf");
  const GgufMetadata& metadata = file.metadata();
  EXPECT_EQ(metadata.GetUint("count"), 15u);
  EXPECT_EQ(metadata.GetInt("negative"), -3);
  EXPECT_EQ(metadata.GetUint("2^63"), uint64_t{1} << 63);
  EXPECT_EQ(metadata.GetFloat("one"), 1.0);
  EXPECT_TRUE(metadata.GetBool("one"));
  EXPECT_EQ(metadata.GetFloats("scales")[0], -INFINITY);
  EXPECT_EQ(metadata.GetBools("flags"), (std::vector<bool>{false, true}));
  for (const char* key : {"half", "negative", "nan", "2^64", "text", "scales"}) {
    const Error error = Caught([&] { (void)metadata.GetUint(key); });
    EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile) << key;
    EXPECT_NE(error.message().find(std::string("'") + key + "'"), std::string::npos);
    EXPECT_NE(error.message().find("a.gguf"), std::string::npos);
  }
  EXPECT_THROW((void)metadata.GetInt("2^63"), Error);
  EXPECT_THROW((void)metadata.GetBool("two"), Error);
  EXPECT_THROW((void)metadata.GetBool("count"), Error);
  EXPECT_THROW((void)metadata.GetString("one"), Error);
  EXPECT_THROW((void)metadata.GetInts("scales"), Error);
  EXPECT_THROW((void)metadata.GetInts("one"), Error);
  EXPECT_THROW((void)metadata.GetStrings("flags"), Error);
  EXPECT_EQ(metadata.FindUint("absent"), std::nullopt);
  EXPECT_EQ(metadata.FindStrings("absent"), std::nullopt);
  EXPECT_EQ(Caught([&] { (void)metadata.GetUint("absent"); }).kind(), ErrorKind::kNotFound);
}

TEST_F(GgufTest, TensorsOfEveryTypeSurvive) {
  GgufWriter writer(folder_ / "a.gguf");
  std::vector<Bytes> contents;
  for (const DType type : AllDTypes()) {
    const std::vector<int64_t> ne = {256, 3};
    writer.AddTensor(DTypeName(type), type, ne);
    Bytes content(3 * RowBytes(type, 256));
    for (size_t i = 0; i < content.size(); ++i) {
      content[i] = static_cast<std::byte>(i * 31 + contents.size());
    }
    contents.push_back(content);
  }
  writer.WriteHeader();
  for (const Bytes& content : contents) {
    const size_t cut = content.size() / 3;
    writer.WriteTensorData(std::span(content).first(cut));
    writer.WriteTensorData(std::span(content).subspan(cut));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.gguf"));
  writer.Finish();

  GgufFile opened = GgufFile::Open(folder_ / "a.gguf");
  const GgufFile file = std::move(opened);
  EXPECT_EQ(file.file_bytes() % kGgufDefaultAlignment, 0u);
  ASSERT_EQ(file.tensors().size(), contents.size());
  for (size_t i = 0; i < contents.size(); ++i) {
    const DType type = AllDTypes()[i];
    const GgufTensor& tensor = file.GetTensor(DTypeName(type));
    EXPECT_EQ(&tensor, &file.tensors()[i]);
    EXPECT_EQ(tensor.type, type);
    EXPECT_EQ(tensor.offset % kGgufDefaultAlignment, 0u);
    EXPECT_EQ(Bytes(tensor.data.begin(), tensor.data.end()), contents[i]);
    const WeightView view = file.View(tensor);
    EXPECT_EQ(view.rows, 3);
    EXPECT_EQ(view.cols, 256);
    EXPECT_EQ(view.Row(2) + view.row_stride, tensor.data.data() + tensor.data.size());
  }
  EXPECT_EQ(file.FindTensor("q9_9"), nullptr);
  EXPECT_EQ(Caught([&] { (void)file.GetTensor("q9_9"); }).kind(), ErrorKind::kNotFound);
}

TEST_F(GgufTest, ViewsOfVectorsMatricesAndStacks) {
  GgufWriter writer(folder_ / "a.gguf");
  writer.AddTensor("vector", DType::kF32, std::vector<int64_t>{5});
  writer.AddTensor("stack", DType::kF16, std::vector<int64_t>{4, 2, 3});
  writer.AddTensor("stacks", DType::kF32, std::vector<int64_t>{1, 2, 3, 2});
  writer.WriteHeader();
  for (const size_t bytes : {20u, 48u, 48u}) writer.WriteTensorData(Bytes(bytes));
  writer.Finish();
  const GgufFile file = GgufFile::Open(folder_ / "a.gguf");
  const WeightView vector = file.View(file.GetTensor("vector"));
  EXPECT_EQ(vector.rows, 1);
  EXPECT_EQ(vector.cols, 5);
  const GgufTensor& stack = file.GetTensor("stack");
  EXPECT_EQ(stack.n_dims, 3);
  EXPECT_EQ(stack.elements, 24u);
  for (int64_t i = 0; i < 3; ++i) {
    const WeightView matrix = file.View(stack, i);
    EXPECT_EQ(matrix.rows, 2);
    EXPECT_EQ(matrix.cols, 4);
    EXPECT_EQ(matrix.data - stack.data.data(), i * 16);
  }
  EXPECT_THROW((void)file.View(stack, 3), Error);
  EXPECT_THROW((void)file.View(stack, -1), Error);
  EXPECT_THROW((void)file.View(file.GetTensor("vector"), 1), Error);
  EXPECT_EQ(file.View(file.GetTensor("stacks"), 5).data - file.View(file.GetTensor("stacks")).data,
            40);
}

TEST_F(GgufTest, WriterRefusesWhatItCannotKeep) {
  GgufWriter writer(folder_ / "a.gguf");
  writer.Add<uint32_t>("key", 1);
  EXPECT_THROW(writer.AddString("key", "again"), Error);
  EXPECT_THROW(writer.AddString("", "x"), Error);
  EXPECT_THROW(writer.AddString("line\nbreak", "x"), Error);
  EXPECT_THROW(writer.AddString(std::string(65536, 'k'), "x"), Error);
  EXPECT_THROW(writer.Add<uint32_t>("general.alignment", 64), Error);
  const std::vector<int64_t> row = {64};
  writer.AddTensor("t", DType::kQ8_0, row);
  writer.AddTensor(std::string(63, 'n'), DType::kF32, row);
  EXPECT_THROW(writer.AddTensor("t", DType::kF32, row), Error);
  EXPECT_THROW(writer.AddTensor(std::string(64, 'n'), DType::kF32, row), Error);
  EXPECT_THROW(writer.AddTensor("k", DType::kQ4_K, row), Error);
  for (const auto& ne : std::vector<std::vector<int64_t>>{
           {}, {0}, {4, -1}, {1, 1, 1, 1, 1}, {1LL << 40, 1LL << 40}, {1LL << 62}}) {
    EXPECT_THROW(writer.AddTensor("bad", DType::kF32, ne), Error);
  }
  EXPECT_THROW(writer.WriteTensorData(Bytes(1)), Error);
  EXPECT_THROW(writer.Finish(), Error);
  writer.WriteHeader();
  EXPECT_THROW(writer.WriteHeader(), Error);
  EXPECT_THROW(writer.Add<bool>("late", true), Error);
  EXPECT_THROW(writer.AddTensor("late", DType::kF32, row), Error);
  EXPECT_THROW(writer.WriteTensorData(Bytes(69)), Error);
  writer.WriteTensorData(Bytes(68));
  writer.WriteTensorData(Bytes(255));
  EXPECT_THROW(writer.Finish(), Error);
  writer.WriteTensorData(Bytes(1));
  EXPECT_THROW(writer.WriteTensorData(Bytes(1)), Error);
  writer.Finish();
  EXPECT_EQ(GgufFile::Open(folder_ / "a.gguf").tensors().size(), 2u);
}

TEST_F(GgufTest, LargeVocabulariesAreViewsOfTheFile) {
  constexpr size_t kCount = 262144;
  std::vector<std::string> tokens;
  for (size_t i = 0; i < kCount; ++i) tokens.push_back("token" + std::to_string(i));
  GgufWriter writer(folder_ / "a.gguf");
  writer.AddStrings("tokens", std::vector<std::string_view>(tokens.begin(), tokens.end()));
  writer.WriteHeader();
  writer.Finish();
  const Bytes bytes = ReadBytes(folder_ / "a.gguf");
  const GgufFile file = GgufFile::FromBytes(bytes, "a.gguf");
  const auto read = file.metadata().GetStrings("tokens");
  ASSERT_TRUE(std::equal(read.begin(), read.end(), tokens.begin(), tokens.end()));
  EXPECT_GE(reinterpret_cast<const std::byte*>(read.back().data()), bytes.data());
  EXPECT_LE(reinterpret_cast<const std::byte*>(read.back().data()), bytes.data() + bytes.size());
}

/// Writes a part of a split model with one tensor, `tensor`.
void WritePart(const std::filesystem::path& path, int number, int count, const std::string& tensor,
               int total = -1) {
  GgufWriter writer(path);
  if (number == 0) writer.AddString("general.name", "split");
  writer.Add<uint16_t>("split.no", static_cast<uint16_t>(number));
  writer.Add<uint16_t>("split.count", static_cast<uint16_t>(count));
  writer.Add<int32_t>("split.tensors.count", total < 0 ? count : total);
  writer.AddTensor(tensor, DType::kF32, std::vector<int64_t>{2});
  writer.WriteHeader();
  writer.WriteTensorData(Bytes(8, static_cast<std::byte>(number)));
  writer.Finish();
}

TEST_F(GgufTest, SplitModelsOpenAsOne) {
  const auto part = [&](int i) {
    return folder_ / ("m-0000" + std::to_string(i) + "-of-00003.gguf");
  };
  for (int i = 0; i < 3; ++i) WritePart(part(i + 1), i, 3, "t" + std::to_string(i));
  const GgufFile file = GgufFile::Open(part(1));
  EXPECT_EQ(file.part_count(), 3u);
  EXPECT_EQ(file.metadata().GetString("general.name"), "split");
  ASSERT_EQ(file.tensors().size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(file.tensors()[i].part, i);
    EXPECT_EQ(file.tensors()[i].data[7], static_cast<std::byte>(i));
  }
  const Error not_first = Caught([&] { GgufFile::Open(part(2)); });
  EXPECT_EQ(not_first.kind(), ErrorKind::kInvalidArgument);
  EXPECT_NE(not_first.hint().find("m-00001-of-00003.gguf"), std::string::npos);

  GgufWriter joined(folder_ / "joined.gguf");
  for (const GgufValue& value : file.metadata().values()) joined.Copy(value);
  joined.WriteHeader();
  joined.Finish();
  EXPECT_FALSE(GgufFile::Open(folder_ / "joined.gguf").metadata().Has("split.count"));

  std::filesystem::rename(part(3), folder_ / "away");
  const Error missing = Caught([&] { GgufFile::Open(part(1)); });
  EXPECT_EQ(missing.kind(), ErrorKind::kNotFound);
  EXPECT_NE(missing.message().find("m-00003-of-00003.gguf"), std::string::npos);
}

TEST_F(GgufTest, SplitModelsMustBeConsistent) {
  const auto first = folder_ / "m-00001-of-00002.gguf";
  const auto second = folder_ / "m-00002-of-00002.gguf";
  const auto kind = [&] { return Caught([&] { GgufFile::Open(first); }).kind(); };
  WritePart(first, 0, 2, "a");
  WritePart(second, 1, 2, "b");
  EXPECT_NO_THROW(GgufFile::Open(first));
  WritePart(second, 0, 2, "b");
  EXPECT_EQ(kind(), ErrorKind::kCorruptFile);
  WritePart(second, 1, 3, "b");
  EXPECT_EQ(kind(), ErrorKind::kCorruptFile);
  WritePart(second, 1, 2, "a");
  EXPECT_EQ(kind(), ErrorKind::kCorruptFile);
  WritePart(second, 1, 2, "b");
  WritePart(first, 0, 2, "a", 3);
  EXPECT_EQ(kind(), ErrorKind::kCorruptFile);
  WritePart(first, 0, 3, "a");
  EXPECT_EQ(kind(), ErrorKind::kInvalidArgument);
  WritePart(first, 0, 0, "a");
  EXPECT_EQ(kind(), ErrorKind::kCorruptFile);
  WritePart(first, 7, 2, "a");
  EXPECT_EQ(kind(), ErrorKind::kInvalidArgument);
  WritePart(first, 0, 1, "a");
  EXPECT_NO_THROW(GgufFile::Open(first));
  WritePart(folder_ / "plain.gguf", 0, 2, "a");
  EXPECT_THROW(GgufFile::Open(folder_ / "plain.gguf"), Error);
  const Bytes bytes = ReadBytes(folder_ / "plain.gguf");
  EXPECT_THROW(GgufFile::FromBytes(bytes, "plain"), Error);
}

TEST_F(GgufTest, ThreadsShareOneFile) {
  GgufWriter writer(folder_ / "a.gguf");
  AddEverything(writer);
  writer.AddTensor("t", DType::kF32, std::vector<int64_t>{2});
  writer.WriteHeader();
  writer.WriteTensorData(Bytes(8));
  writer.Finish();
  const GgufFile file = GgufFile::Open(folder_ / "a.gguf");
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ExpectEverything(file.metadata());
      EXPECT_EQ(file.View(file.GetTensor("t")).cols, 2);
    });
  }
}

}  // namespace
}  // namespace tandem
