// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Damaged and malicious GGUF files. Bytes are copied to the heap at their exact size, so that the
// address sanitizer sees any read past the end.
#include <random>
#include <set>

#include "formats/file_test_util.h"
#include "formats/gguf_writer.h"

namespace tandem {
namespace {

struct Field {
  size_t offset;
  size_t width;
};

struct Fields {
  std::vector<Field> integers;  ///< Every count, length, type, dimension and offset.
  std::vector<size_t> keys;     ///< Where the characters of each key start.
  struct TensorFields {
    size_t name, n_dims, dims, type, offset;
  };
  std::vector<TensorFields> tensors;
};

/// Finds the fields of a valid file: a second reader, which trusts what it reads.
class FieldWalker {
 public:
  explicit FieldWalker(const Bytes& bytes) : bytes_(bytes) {}

  Fields Walk() {
    at_ = 4;
    Integer<uint32_t>();
    const auto tensors = Integer<uint64_t>();
    const auto pairs = Integer<uint64_t>();
    for (uint64_t i = 0; i < pairs; ++i) Pair();
    for (uint64_t i = 0; i < tensors; ++i) Tensor();
    return fields_;
  }

 private:
  template <typename T>
  T Integer() {
    fields_.integers.push_back({at_, sizeof(T)});
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  size_t String() {
    const auto length = Integer<uint64_t>();
    const size_t begin = at_;
    at_ += length;
    return begin;
  }

  void Value(uint32_t type) {
    if (type == 8) {
      String();
    } else if (type == 9) {
      const auto element = Integer<uint32_t>();
      const auto count = Integer<uint64_t>();
      for (uint64_t i = 0; i < count; ++i) Value(element);
    } else {
      constexpr size_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
      at_ += kBytes[type];
    }
  }

  void Pair() {
    fields_.keys.push_back(String());
    Value(Integer<uint32_t>());
  }

  void Tensor() {
    Fields::TensorFields tensor{};
    tensor.name = String();
    tensor.n_dims = at_;
    const auto n_dims = Integer<uint32_t>();
    tensor.dims = at_;
    for (uint32_t i = 0; i < n_dims; ++i) Integer<uint64_t>();
    tensor.type = at_;
    Integer<uint32_t>();
    tensor.offset = at_;
    Integer<uint64_t>();
    fields_.tensors.push_back(tensor);
  }

  const Bytes& bytes_;
  size_t at_ = 0;
  Fields fields_;
};

class GgufHostileTest : public TemporaryFolderTest {
 protected:
  void SetUp() override {
    TemporaryFolderTest::SetUp();
    GgufWriter writer(folder_ / "a.gguf");
    writer.AddString("general.architecture", "gemma3n");
    writer.Add<uint32_t>("general.alignmenu", 64);  // one letter from the real key
    writer.Add<uint8_t>("u8", 1);
    writer.Add<double>("v8", 1.5);
    writer.Add<bool>("flag", true);
    writer.AddStrings("tokens", std::vector<std::string_view>{"<pad>", "a", ""});
    writer.AddArray<int32_t>("types", std::vector<int32_t>{3, 1, 6});
    writer.AddBools("pattern", {true, false});
    writer.AddTensor("a.weight", DType::kQ8_0, std::vector<int64_t>{32, 2});
    writer.AddTensor("b.weight", DType::kF32, std::vector<int64_t>{3});
    writer.AddTensor("c.weight", DType::kF16, std::vector<int64_t>{2, 2, 3});
    writer.WriteHeader();
    writer.WriteTensorData(Bytes(68, std::byte{1}));
    writer.WriteTensorData(Bytes(12, std::byte{2}));
    writer.WriteTensorData(Bytes(24, std::byte{3}));
    writer.Finish();
    valid_ = ReadBytes(folder_ / "a.gguf");
    fields_ = FieldWalker(valid_).Walk();
  }

  /// The error for the valid file with one value replaced.
  template <typename T>
  Error ErrorWith(size_t offset, T value) {
    Bytes bytes = valid_;
    Store(bytes, offset, value);
    return Caught([&] { GgufFile::FromBytes(bytes, "test.gguf"); });
  }

  /// Turns the decoy key into general.alignment.
  Bytes WithAlignment(uint32_t alignment) {
    Bytes bytes = valid_;
    const size_t key = fields_.keys[1];
    bytes[key + 16] = std::byte{'t'};
    Store(bytes, key + 17 + sizeof(uint32_t), alignment);
    return bytes;
  }

  Bytes valid_;
  Fields fields_;
};

TEST_F(GgufHostileTest, TheUnchangedFileIsAccepted) {
  EXPECT_TRUE(OpensSafely(valid_));
  EXPECT_EQ(fields_.tensors.size(), 3u);
  EXPECT_EQ(fields_.integers.size(), 47u);
}

TEST_F(GgufHostileTest, EveryIntegerFieldWithEveryEvilValue) {
  size_t accepted = 0;
  for (const Field& field : fields_.integers) {
    uint64_t original = 0;
    std::memcpy(&original, valid_.data() + field.offset, field.width);
    const uint64_t max = field.width == 4 ? UINT32_MAX : UINT64_MAX;
    std::set<uint64_t> values = {0,
                                 1,
                                 max - 1,
                                 max,
                                 uint64_t{1} << 31,
                                 original - 1,
                                 original + 1,
                                 original * 2,
                                 valid_.size(),
                                 valid_.size() + 1};
    if (field.width == 8) {
      for (const int bit : {32, 33, 59, 60, 61, 62, 63}) {
        values.insert(uint64_t{1} << bit);
        values.insert((uint64_t{1} << bit) - 1);
        values.insert((uint64_t{1} << bit) + original);
      }
    }
    values.erase(original);
    for (const uint64_t value : values) {
      SCOPED_TRACE(testing::Message() << value << " at " << field.offset);
      Bytes bytes = valid_;
      std::memcpy(bytes.data() + field.offset, &value, field.width);
      accepted += OpensSafely(bytes) ? 1 : 0;
      if (HasFatalFailure()) return;
    }
  }
  // Smaller dimensions and other types of the same size leave a well-formed file.
  EXPECT_GT(accepted, 0u);
}

TEST_F(GgufHostileTest, EveryTruncation) {
  const GgufTensor last = GgufFile::FromBytes(valid_, "test.gguf").GetTensor("c.weight");
  const size_t end = last.offset + last.bytes;
  for (size_t size = 0; size < valid_.size(); ++size) {
    SCOPED_TRACE(size);
    const Bytes bytes(valid_.begin(), valid_.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(OpensSafely(bytes), size >= end);  // only padding may be missing
  }
}

TEST_F(GgufHostileTest, RandomDamage) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = valid_;
    for (uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    OpensSafely(bytes);
    if (HasFatalFailure()) FAIL() << "round " << round;
  }
}

TEST_F(GgufHostileTest, OtherVersionsAndFormatsAreNamed) {
  const auto expect = [](const Error& error, ErrorKind kind, std::string_view text) {
    EXPECT_EQ(error.kind(), kind) << error.message();
    EXPECT_NE(error.message().find(text), std::string::npos) << error.message();
    EXPECT_FALSE(error.hint().empty());
  };
  expect(ErrorWith<uint32_t>(4, 1), ErrorKind::kUnsupported, "version 1");
  expect(ErrorWith<uint32_t>(4, 4), ErrorKind::kUnsupported, "version 4");
  expect(ErrorWith<uint32_t>(4, 0x03000000), ErrorKind::kUnsupported, "big-endian");
  expect(ErrorWith<uint32_t>(4, 0), ErrorKind::kCorruptFile, "version 0");
  const auto starting = [](std::string_view text) {
    const Bytes bytes = ToBytes(text);
    return Caught([&] { GgufFile::FromBytes(bytes, "x"); });
  };
  expect(starting(""), ErrorKind::kCorruptFile, "empty");
  expect(starting("GGU"), ErrorKind::kCorruptFile, "not a GGUF file");
  expect(starting("gguf----------"), ErrorKind::kCorruptFile, "not a GGUF file");
  expect(starting("PK\x03\x04----------"), ErrorKind::kUnsupported, "zip");
  expect(starting(std::string_view("\x08\0\0\0\0\0\0\0{      }", 16)), ErrorKind::kUnsupported,
         "safetensors");
  expect(starting("TNDMSESS\x01------"), ErrorKind::kUnsupported, "a session of Tandem");
  expect(starting("tjgg-----------"), ErrorKind::kUnsupported, "ggjt");
  expect(starting("version https://git-lfs.github.com/spec/v1\n"), ErrorKind::kUnsupported,
         "Git LFS");
  Bytes version2 = valid_;
  Store<uint32_t>(version2, 4, 2);
  EXPECT_TRUE(OpensSafely(version2));
}

TEST_F(GgufHostileTest, AlignmentComesFromAShortList) {
  EXPECT_THROW(GgufFile::FromBytes(WithAlignment(64), "x"), Error);  // offsets are multiples of 32
  EXPECT_TRUE(OpensSafely(WithAlignment(8)));
  EXPECT_TRUE(OpensSafely(WithAlignment(16)));
  for (const uint32_t alignment : {0u, 1u, 4u, 7u, 33u, 48u, 131072u, 0x80000000u, 0xffffffffu}) {
    const Bytes bytes = WithAlignment(alignment);
    const Error error = Caught([&] { GgufFile::FromBytes(bytes, "x"); });
    EXPECT_NE(error.message().find("general.alignment"), std::string::npos) << alignment;
  }
}

TEST_F(GgufHostileTest, NamesAreTextAndOccurOnce) {
  const Error tensor = ErrorWith(fields_.tensors[1].name, 'a');
  EXPECT_NE(tensor.message().find("'a.weight' occurs twice"), std::string::npos);
  const Error key = ErrorWith(fields_.keys[3], 'u');
  EXPECT_NE(key.message().find("'u8' occurs twice"), std::string::npos);
  const Error control = ErrorWith<char>(fields_.keys[2], '\x1b');
  EXPECT_EQ(control.message().find('\x1b'), std::string::npos);
  EXPECT_NE(control.message().find("\\x1b"), std::string::npos);
  EXPECT_NE(ErrorWith<char>(fields_.tensors[0].name, '\xff').message().find("\\xff"),
            std::string::npos);
}

TEST_F(GgufHostileTest, BadTensorsAreNamed) {
  const auto& b = fields_.tensors[1];
  const auto& a = fields_.tensors[0];
  const auto expect = [](const Error& error, std::string_view tensor, std::string_view text) {
    EXPECT_NE(error.message().find(tensor), std::string::npos) << error.message();
    EXPECT_NE(error.message().find(text), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("test.gguf"), std::string::npos) << error.message();
  };
  expect(ErrorWith<uint64_t>(b.dims, 0), "b.weight", "dimension 0 is 0");
  expect(ErrorWith<uint64_t>(a.dims, 33), "a.weight", "whole q8_0 blocks");
  expect(ErrorWith<uint32_t>(b.n_dims, 5), "b.weight", "5 dimensions");
  expect(ErrorWith<uint64_t>(b.offset, 8), "b.weight", "not a multiple of 32");
  expect(ErrorWith<uint64_t>(b.offset, 32), "b.weight", "overlap");
  expect(ErrorWith<uint64_t>(b.offset, 1 << 20), "b.weight", "cut short");
  expect(ErrorWith<uint64_t>(b.dims, 1 << 20), "b.weight", "cut short");
  expect(ErrorWith<uint64_t>(b.dims, uint64_t{1} << 63), "b.weight", "2^63 elements");
  expect(ErrorWith<uint64_t>(b.dims, uint64_t{1} << 62), "b.weight", "2^64 bytes");
  const Error type = ErrorWith<uint32_t>(b.type, 17);
  expect(type, "b.weight", "iq2_xs");
  EXPECT_EQ(type.kind(), ErrorKind::kUnsupported);
  EXPECT_FALSE(type.hint().empty());
}

TEST_F(GgufHostileTest, UnsupportedTypesCanBeListed) {
  Bytes bytes = valid_;
  Store<uint32_t>(bytes, fields_.tensors[1].type, 999);
  const GgufFile file =
      GgufFile::FromBytes(bytes, "x", GgufOptions{.allow_unsupported_types = true});
  const GgufTensor& tensor = file.GetTensor("b.weight");
  EXPECT_FALSE(tensor.type);
  EXPECT_EQ(tensor.type_number, 999u);
  EXPECT_EQ(tensor.elements, 3u);
  EXPECT_TRUE(tensor.data.empty());
  EXPECT_EQ(Caught([&] { (void)file.View(tensor); }).kind(), ErrorKind::kUnsupported);
  EXPECT_EQ(file.View(file.GetTensor("c.weight"), 2).rows, 2);
}

TEST_F(GgufHostileTest, BoolsAreZeroOrOne) {
  const size_t flag = fields_.keys[4] + 4 + sizeof(uint32_t);
  const size_t pattern = fields_.keys[7] + 7 + 2 * sizeof(uint32_t) + sizeof(uint64_t) + 1;
  for (const size_t offset : {flag, pattern}) {
    EXPECT_EQ(ErrorWith(offset, uint8_t{2}).kind(), ErrorKind::kCorruptFile);
    Bytes bytes = valid_;
    Store(bytes, offset, uint8_t{1});
    EXPECT_TRUE(OpensSafely(bytes));
  }
}

// A type that the reader does not know has no size: nothing after it could be found.
TEST_F(GgufHostileTest, UnknownValueTypesAreRefused) {
  for (const size_t pair : {1, 5}) {  // a number, an array of strings
    const size_t type = fields_.keys[pair] + (pair == 1 ? 17 : 6);
    for (const size_t offset : {type, type + sizeof(uint32_t)}) {
      if (pair == 1 && offset != type) continue;  // a number has no element type
      for (const uint32_t number : {13u, 14u, 255u, 256u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
        const Error error = ErrorWith(offset, number);
        EXPECT_TRUE(error.kind() == ErrorKind::kUnsupported ||
                    error.kind() == ErrorKind::kCorruptFile);
        EXPECT_NE(error.message().find(pair == 1 ? "general.alignmenu" : "tokens"),
                  std::string::npos)
            << error.message();
      }
    }
  }
}

TEST_F(GgufHostileTest, ArraysOfArraysAreRefused) {
  GgufWriter writer(folder_ / "b.gguf");
  writer.AddArray<uint32_t>("nested", std::vector<uint32_t>{8, 0, 0});
  writer.WriteHeader();
  writer.Finish();
  Bytes bytes = ReadBytes(folder_ / "b.gguf");
  Store<uint32_t>(bytes, 4 + 4 + 16 + 8 + 6 + 4, 9);
  const Error error = Caught([&] { GgufFile::FromBytes(bytes, "x"); });
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  EXPECT_NE(error.message().find("nested"), std::string::npos);
}

}  // namespace
}  // namespace tandem
