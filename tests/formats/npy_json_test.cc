// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <cmath>

#include "formats/file_test_util.h"
#include "formats/json_file.h"
#include "formats/npy.h"

namespace tandem {
namespace {

using NpyTest = TemporaryFolderTest;
using JsonFileTest = TemporaryFolderTest;

template <typename T>
void ExpectRoundTrip(const std::filesystem::path& path, const std::vector<int64_t>& shape,
                     const std::vector<T>& values) {
  NpyWriter<T> writer(path, shape);
  const size_t cut = values.size() / 3;
  writer.Write(std::span(values).first(cut));
  writer.Write(std::span(values).subspan(cut));
  writer.Finish();
  const NpyArray<T> array = ReadNpy<T>(path);
  EXPECT_EQ(array.shape, shape);
  EXPECT_EQ(array.values, values);
  EXPECT_EQ((ReadBytes(path).size() - values.size() * sizeof(T)) % 64, 0u);
}

TEST_F(NpyTest, RoundTrips) {
  const auto path = folder_ / "a.npy";
  ExpectRoundTrip<float>(path, {2, 3}, {1, -2.5f, 3e38f, 0, INFINITY, 1e-45f});
  ExpectRoundTrip<int64_t>(path, {3}, {INT64_MIN, 0, INT64_MAX});
  ExpectRoundTrip<float>(path, {}, {7});
  ExpectRoundTrip<int64_t>(path, {4, 0}, {});
  ExpectRoundTrip<float>(path, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {7});
  EXPECT_EQ(Caught([&] { ReadNpy<int64_t>(path); }).kind(), ErrorKind::kUnsupported);
}

TEST_F(NpyTest, WriterCountsElements) {
  const auto path = folder_ / "a.npy";
  NpyWriter<float> writer(path, std::vector<int64_t>{2});
  writer.Write(std::vector<float>{1});
  EXPECT_THROW(writer.Finish(), Error);
  EXPECT_THROW(writer.Write(std::vector<float>{1, 2}), Error);
  writer.Write(std::vector<float>{2});
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.Finish();
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_THROW(NpyWriter<float>(path, std::vector<int64_t>{-1}), Error);
  EXPECT_THROW(NpyWriter<float>(path, std::vector<int64_t>{1LL << 62, 4}), Error);
}

/// A file as another writer might have made it.
void WriteNpy(const std::filesystem::path& path, const std::string& header, size_t data) {
  std::string file = "\x93NUMPY";
  file += {'\x01', '\0', static_cast<char>(header.size()), '\0'};
  WriteBytes(path, file + header + std::string(data, 'x'));
}

TEST_F(NpyTest, ReadsOtherSpellingsAndRefusesTheRest) {
  const auto path = folder_ / "a.npy";
  WriteNpy(path, "{'shape':(2,2),'fortran_order':False,'descr':'<f4'}\n", 16);
  EXPECT_EQ(ReadNpy<float>(path).shape, (std::vector<int64_t>{2, 2}));
  WriteNpy(path, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }\n", 16);
  EXPECT_EQ(Caught([&] { ReadNpy<float>(path); }).kind(), ErrorKind::kUnsupported);
  for (const char* header :
       {"", "{", "{'descr'", "{'descr': '<f4", "{'descr': '<f4', 'fortran_order': False, }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), } x"}) {
    WriteNpy(path, header, 16);
    EXPECT_THROW(ReadNpy<float>(path), Error) << header;
  }
  NpyWriter<float> writer(path, std::vector<int64_t>{2});
  writer.Write(std::vector<float>{1, 2});
  writer.Finish();
  const Bytes valid = ReadBytes(path);
  for (size_t size = 0; size < valid.size(); ++size) {
    WriteBytes(path, Bytes(valid.begin(), valid.begin() + static_cast<ptrdiff_t>(size)));
    EXPECT_THROW(ReadNpy<float>(path), Error) << size;
  }
}

TEST_F(JsonFileTest, ParsesWhatTheLibraryParses) {
  const std::string text =
      R"({"a":[1,-2,3.5,null,true,"x\u00e9",[],{}],"b":{"a":{"a":[[0]]}},"":18446744073709551615})";
  EXPECT_EQ(*ParseJson(text, "x"), nlohmann::json::parse(text));
  EXPECT_EQ(*ParseJson(" 3 ", "x"), 3);
  WriteBytes(folder_ / "a.json", text);
  EXPECT_EQ(*ParseJsonFile(folder_ / "a.json", text.size()), nlohmann::json::parse(text));
  EXPECT_EQ(Caught([&] { ParseJsonFile(folder_ / "a.json", text.size() - 1); }).kind(),
            ErrorKind::kUnsupported);
  EXPECT_EQ(Caught([&] { ParseJsonFile(folder_ / "none.json", 10); }).kind(), ErrorKind::kNotFound);
}

TEST_F(JsonFileTest, RefusesTheRestWithPlace) {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\" 1}", "nul", "[1] 2", "\"\xff\"", "[1e999]",
                           "// c\n1", "{\"a\":1,\"a\":1}", "{\"b\":{\"a\":1,\"a\":{}}}"}) {
    const Error error = Caught([&] { ParseJson(text, "x.json"); });
    EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile) << text;
    EXPECT_TRUE(error.message().starts_with("x.json: ")) << error.message();
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
  }
  EXPECT_NE(Caught([] { ParseJson("[1, x]", "f"); }).message().find("at byte 5"),
            std::string::npos);
  EXPECT_THROW(ParseJson(std::string_view("1\0 junk", 7), "f"), Error);
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_NO_THROW(ParseJson(nested(kJsonMaxDepth), "f"));
  EXPECT_THROW(ParseJson(nested(kJsonMaxDepth + 1), "f"), Error);
  EXPECT_THROW(ParseJson(std::string(1 << 20, '['), "f"), Error);
}

}  // namespace
}  // namespace tandem
