// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the tests of the file formats: a folder of their own, bytes in and out of files, and
// the property that every opened GGUF file must have.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "formats/gguf.h"

namespace tandem {

using Bytes = std::vector<std::byte>;

class TemporaryFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "tandem-formats-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

inline Bytes ToBytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return Bytes(bytes.begin(), bytes.end());
}

inline Bytes ReadBytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return ToBytes(std::string{std::istreambuf_iterator<char>(in), {}});
}

inline void WriteBytes(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline void WriteBytes(const std::filesystem::path& path, const Bytes& bytes) {
  WriteBytes(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

template <typename T>
void Store(Bytes& bytes, size_t offset, T value) {
  ASSERT_LE(offset + sizeof value, bytes.size());
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// Runs `action`, which must throw tandem::Error, and returns the error.
template <typename Action>
Error Caught(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorKind::kInternal, "no error was thrown");
}

/// What may be relied on once a file is open: data inside the bytes, disjoint, of the size that the
/// shape and type give, and no accessor that does anything but answer or throw Error.
inline void CheckOpened(const GgufFile& file, std::span<const std::byte> bytes) {
  std::vector<std::pair<const std::byte*, const std::byte*>> ranges;
  for (const GgufTensor& tensor : file.tensors()) {
    ASSERT_TRUE(tensor.type);
    const std::byte* begin = tensor.data.data();
    ASSERT_GE(begin, bytes.data());
    ASSERT_LE(tensor.bytes, bytes.size());
    ASSERT_LE(begin + tensor.bytes, bytes.data() + bytes.size());
    ASSERT_EQ(tensor.data.size(), tensor.bytes);
    ASSERT_GT(tensor.bytes, 0u);
    ranges.emplace_back(begin, begin + tensor.bytes);
    const std::byte* at = begin;
    for (int64_t i = 0; i < tensor.ne[2] * tensor.ne[3]; ++i) {
      const WeightView view = file.View(tensor, i);
      ASSERT_EQ(view.data, at);
      at += view.DataBytes();
    }
    ASSERT_EQ(at, begin + tensor.bytes);
    ASSERT_EQ(file.FindTensor(tensor.name), &tensor);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) ASSERT_LE(ranges[i - 1].second, ranges[i].first);

  const GgufMetadata& metadata = file.metadata();
  for (const GgufValue& value : metadata.values()) {
    const auto attempt = [](auto action) {
      try {
        action();
      } catch (const Error&) {
      }
    };
    ASSERT_EQ(metadata.Find(value.key), &value);
    attempt([&] { (void)metadata.GetUint(value.key); });
    attempt([&] { (void)metadata.GetInt(value.key); });
    attempt([&] { (void)metadata.GetFloat(value.key); });
    attempt([&] { (void)metadata.GetBool(value.key); });
    attempt([&] { (void)std::string(metadata.GetString(value.key)); });
    attempt([&] { (void)metadata.GetInts(value.key); });
    attempt([&] { (void)metadata.GetFloats(value.key); });
    attempt([&] { (void)metadata.GetDoubles(value.key); });
    attempt([&] { (void)metadata.GetBools(value.key); });
    attempt([&] {
      for (const auto text : metadata.GetStrings(value.key)) (void)std::string(text);
    });
  }
}

/// Either refuses the bytes with Error or gives a file with the property above. Returns whether it
/// was accepted.
inline bool OpensSafely(const Bytes& bytes) {
  try {
    const GgufFile file = GgufFile::FromBytes(bytes, "test.gguf");
    CheckOpened(file, bytes);
    return true;
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
    EXPECT_NE(error.message().find("test.gguf"), std::string::npos) << error.message();
    return false;
  }
}

}  // namespace tandem
