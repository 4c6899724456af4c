// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <fmt/format.h>

#include <random>

#include "formats/file_test_util.h"

namespace tandem {
namespace {

/// A file of this header and `data` bytes of data, counting up.
std::string Safetensors(std::string_view header, size_t data) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  file += header;
  for (size_t i = 0; i < data; ++i) file += static_cast<char>(i);
  return file;
}

SafetensorsContent Parse(const Bytes& bytes) { return ParseSafetensors(bytes, "test.safetensors"); }

/// One tensor "t" with these members.
std::string Entry(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"t":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape,
                     offsets);
}

constexpr std::string_view kHeader =
    R"({"__metadata__":{"format":"pt"},)"
    R"("b":{"dtype":"F32","shape":[2,3],"data_offsets":[6,30]},)"
    R"("a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},)"
    R"("i":{"dtype":"I64","shape":[1],"data_offsets":[31,39]},)"
    R"("z":{"dtype":"F16","shape":[0,4],"data_offsets":[6,6]},)"
    R"("s":{"dtype":"F16","shape":[],"data_offsets":[40,42]},)"
    R"("four":{"dtype":"F16","shape":[1,1,2,1],"data_offsets":[42,46]},)"
    R"("stack":{"dtype":"F16","shape":[2,1,1],"data_offsets":[46,50]},)"
    R"("new":{"dtype":"F3","shape":[7],"data_offsets":[50,51]}}  )";
constexpr size_t kDataBytes = 52;

using SafetensorsTest = TemporaryFolderTest;

TEST_F(SafetensorsTest, ReadsOneFile) {
  WriteBytes(folder_ / "x.safetensors", Safetensors(kHeader, kDataBytes));
  SafetensorsSet opened = SafetensorsSet::Open(folder_ / "x.safetensors");
  const SafetensorsSet set = std::move(opened);
  ASSERT_EQ(set.tensors().size(), 8u);
  EXPECT_EQ(set.metadata().at("format"), "pt");
  const SafetensorsTensor& b = set.Get("b");
  EXPECT_EQ(b.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(b.dtype, "F32");
  EXPECT_EQ(b.data[0], std::byte{6});
  WeightView view = set.View(b);
  EXPECT_EQ(view.type, DType::kF32);
  EXPECT_EQ(view.rows, 2);
  EXPECT_EQ(view.cols, 3);
  EXPECT_EQ(view.Row(1), b.data.data() + 12);
  view = set.View(set.Get("a"));
  EXPECT_EQ(view.type, DType::kBF16);
  EXPECT_EQ(view.rows, 1);
  EXPECT_EQ(view.cols, 3);
  view = set.View(set.Get("s"));
  EXPECT_EQ(view.rows * view.cols, 1);
  view = set.View(set.Get("four"));
  EXPECT_EQ(view.rows, 2);
  EXPECT_EQ(view.cols, 1);
  for (const char* name : {"i", "z", "stack", "new"}) {
    const Error error = Caught([&] { (void)set.View(set.Get(name)); });
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported) << name;
    EXPECT_NE(error.message().find(std::string("'") + name + "'"), std::string::npos);
  }
  EXPECT_EQ(set.Find("absent"), nullptr);
  EXPECT_EQ(Caught([&] { (void)set.Get("absent"); }).kind(), ErrorKind::kNotFound);
}

TEST_F(SafetensorsTest, HeadersThatLieAreRefused) {
  EXPECT_NO_THROW(Parse(ToBytes(Safetensors(Entry("F32", "[2]", "[0,8]"), 8))));
  const std::string bad[] = {
      Entry("F32", "[2]", "[0,7]"),
      Entry("F32", "[2]", "[1,9]"),
      Entry("F32", "[2]", "[8,0]"),
      Entry("F32", "[3]", "[0,8]"),
      Entry("F3", "[2]", "[8,0]"),
      Entry("F32", "[2]", "[0]"),
      Entry("F32", "[2]", "[0,4,8]"),
      Entry("F32", "[2]", "[-8,0]"),
      Entry("F32", "[2]", "[0,8.0]"),
      Entry("F32", "[2]", "[18446744073709551608,18446744073709551615]"),
      Entry("F32", "[2]", "[0,18446744073709551624]"),
      Entry("F32", "[-2]", "[0,8]"),
      Entry("F32", "[true]", "[0,4]"),
      Entry("F32", "2", "[0,8]"),
      Entry("F32", "[4611686018427387904,4]", "[0,0]"),
      Entry("F32", "[9223372036854775808]", "[0,0]"),
      Entry("F4", "[3]", "[0,1]"),
      Entry("F32", "[[2]]", "[0,8]"),
      R"({"t":{"shape":[2],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","data_offsets":[0,8]}})",
      R"({"t":{"dtype":"F32","shape":[2]}})",
      R"({"t":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      R"({"t":[]})",
      R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      R"({"a\n":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      R"({"__metadata__":3})",
      R"({"__metadata__":{"a":1}})",
      R"([])",
      R"({)",
      R"({} x)",
      R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"F16","shape":[2],"data_offsets":[2,6]}})",
      R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
      R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
      R"("a":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}})",
  };
  for (const std::string& header : bad) {
    const Bytes bytes = ToBytes(Safetensors(header, 8));
    const Error error = Caught([&] { Parse(bytes); });
    EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile) << header;
    EXPECT_NE(error.message().find("test.safetensors"), std::string::npos) << error.message();
  }
}

TEST_F(SafetensorsTest, HeaderLengthsThatLieAreRefused) {
  const std::string valid = Safetensors(kHeader, kDataBytes);
  for (const uint64_t length :
       {uint64_t{0}, uint64_t{1}, uint64_t{kHeader.size() - 3}, uint64_t{kHeader.size() + 1},
        uint64_t{valid.size()}, uint64_t{valid.size() - 7}, uint64_t{100'000'001},
        uint64_t{1} << 31, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX - 7, UINT64_MAX}) {
    Bytes bytes = ToBytes(valid);
    Store(bytes, 0, length);
    EXPECT_THROW(Parse(bytes), Error) << length;
  }
  for (size_t size = 0; size < valid.size() - 1; ++size) {
    EXPECT_THROW(Parse(ToBytes(valid.substr(0, size))), Error) << size;
  }
}

TEST_F(SafetensorsTest, RandomDamageIsRefusedOrHarmless) {
  const Bytes valid = ToBytes(Safetensors(kHeader, kDataBytes));
  std::mt19937_64 random(11);
  for (int round = 0; round < 10000; ++round) {
    Bytes bytes = valid;
    for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      // Mostly digits: they keep the JSON well-formed.
      const auto byte = random() % 4 ? '0' + random() % 10 : random();
      bytes[8 + random() % (bytes.size() - 8)] = static_cast<std::byte>(byte);
    }
    try {
      const SafetensorsContent content = Parse(bytes);
      for (const SafetensorsTensor& tensor : content.tensors) {
        ASSERT_GE(tensor.data.data(), bytes.data());
        ASSERT_LE(tensor.data.data() + tensor.data.size(), bytes.data() + bytes.size());
      }
    } catch (const Error& error) {
      EXPECT_FALSE(error.message().empty());
    }
  }
}

class SafetensorsFolderTest : public TemporaryFolderTest {
 protected:
  void WriteShard(const std::string& name, const std::string& tensor) {
    WriteBytes(
        folder_ / name,
        Safetensors(fmt::format(R"({{"{}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},)"
                                R"("extra":{{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}}})",
                                tensor),
                    9));
  }
  void WriteIndex(std::string_view weight_map) {
    WriteBytes(folder_ / "model.safetensors.index.json",
               fmt::format(R"({{"metadata":{{"total_size":16}},"weight_map":{}}})", weight_map));
  }
  Error OpenError() {
    return Caught([&] { SafetensorsSet::Open(folder_); });
  }
};

TEST_F(SafetensorsFolderTest, ReadsShards) {
  EXPECT_EQ(OpenError().kind(), ErrorKind::kNotFound);
  WriteShard("model-00001-of-00002.safetensors", "x");
  WriteShard("model-00002-of-00002.safetensors", "y");
  WriteIndex(R"({"y":"model-00002-of-00002.safetensors","x":"model-00001-of-00002.safetensors"})");
  const SafetensorsSet set = SafetensorsSet::Open(folder_);
  EXPECT_EQ(set.file_count(), 2u);
  ASSERT_EQ(set.tensors().size(), 2u);
  EXPECT_EQ(set.tensors()[0].name, "x");
  EXPECT_NE(set.file_name(set.Get("y").file).find("00002-of"), std::string::npos);
  EXPECT_EQ(set.View(set.Get("y")).cols, 2);

  WriteShard("model.safetensors", "single");
  EXPECT_NE(SafetensorsSet::Open(folder_).Find("single"), nullptr);
}

TEST_F(SafetensorsFolderTest, LinkedFilesOfADownloadCacheAreRead) {
  WriteShard("blob", "x");
  std::filesystem::create_symlink("blob", folder_ / "model.safetensors");
  EXPECT_EQ(SafetensorsSet::Open(folder_).View(SafetensorsSet::Open(folder_).Get("x")).cols, 2);
}

TEST_F(SafetensorsFolderTest, BadIndexesAreRefused) {
  WriteShard("s.safetensors", "x");
  WriteIndex(R"({"x":"s.safetensors"})");
  EXPECT_NO_THROW(SafetensorsSet::Open(folder_));
  WriteIndex(R"({"x":"absent.safetensors"})");
  const Error missing = OpenError();
  EXPECT_EQ(missing.kind(), ErrorKind::kNotFound);
  EXPECT_NE(missing.message().find("absent.safetensors"), std::string::npos);
  WriteIndex(R"({"x":"s.safetensors","y":"s.safetensors"})");
  const Error absent = OpenError();
  EXPECT_EQ(absent.kind(), ErrorKind::kCorruptFile);
  EXPECT_NE(absent.message().find("'y'"), std::string::npos);
  const std::string folder = folder_.filename().string();
  const std::vector<std::string> escapes = {"../" + folder + "/s.safetensors",
                                            "./s.safetensors",
                                            folder_.string() + "/s.safetensors",
                                            "..\\\\s.safetensors",
                                            "s.safetensors\\u0000",
                                            "",
                                            "..",
                                            "config.json",
                                            "a..safetensors"};
  for (const std::string& shard : escapes) {
    WriteIndex(fmt::format(R"({{"x":"{}"}})", shard));
    EXPECT_EQ(OpenError().kind(), ErrorKind::kCorruptFile) << shard;
  }
  for (const char* map :
       {"3", "[]", R"({"x":1})", R"({"x":"s.safetensors","x":"s.safetensors"})"}) {
    WriteIndex(map);
    EXPECT_EQ(OpenError().kind(), ErrorKind::kCorruptFile) << map;
  }
  WriteBytes(folder_ / "model.safetensors.index.json", std::string_view("[1]"));
  EXPECT_EQ(OpenError().kind(), ErrorKind::kCorruptFile);
}

}  // namespace
}  // namespace tandem
