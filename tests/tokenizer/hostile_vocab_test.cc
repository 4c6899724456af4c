// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Damaged files: each one is an Error or a vocabulary that works; the sanitizers judge the rest.
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/utf8.h"
#include "tokenizer/test_vocab.h"
#include "tokenizer/vocab_file.h"

namespace tandem {
namespace {

using Parser = Vocab (*)(std::span<const std::byte>, std::string_view);

// Counts files that were still accepted.
class Damage {
 public:
  explicit Damage(Parser parse) : parse_(parse) {}

  void Try(const std::string& file) {
    try {
      const Tokenizer tokenizer(parse_(test::Bytes(file), "damaged"));
      ++accepted_;
      Use(tokenizer);
    } catch (const Error& error) {
      ++refused_;
      EXPECT_EQ(error.message().find('\n'), std::string::npos);
      EXPECT_TRUE(error.kind() == ErrorKind::kCorruptFile ||
                  error.kind() == ErrorKind::kUnsupported)
          << error.what();
    }
  }
  size_t accepted() const { return accepted_; }
  size_t refused() const { return refused_; }

 private:
  static void Use(const Tokenizer& tokenizer) {
    const auto ids = tokenizer.Encode("hello  the <b>\n\n日本 \xff<bos>",
                                      {.add_bos = true, .parse_special = true});
    for (const int32_t id : ids) {
      ASSERT_GE(id, 0);
      ASSERT_LT(static_cast<size_t>(id), tokenizer.size());
    }
    ASSERT_TRUE(IsValidUtf8(tokenizer.Decode(ids)));
    for (size_t id = 0; id < tokenizer.size(); ++id) {
      tokenizer.PieceBytes(static_cast<int32_t>(id), {.show_special = true});
    }
  }

  Parser parse_;
  size_t accepted_ = 0;
  size_t refused_ = 0;
};

std::string Mutated(test::Random& random, std::string file) {
  for (size_t edits = 1 + test::Below(random, 3); edits > 0; --edits) {
    const size_t at = test::Below(random, file.size());
    switch (test::Below(random, 5)) {
      case 0: file[at] = static_cast<char>(random()); break;
      case 1: file[at] = static_cast<char>(file[at] ^ 1 << test::Below(random, 8)); break;
      case 2: file.erase(at, test::Below(random, 20)); break;
      case 3:
        file.insert(at, file.substr(test::Below(random, file.size()), test::Below(random, 20)));
        break;
      default: file.replace(at, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
    }
    if (file.empty()) file.push_back('x');
  }
  return file;
}

void MutateAndTry(Parser parse, const std::string& file, uint32_t seed, int rounds) {
  test::Random random(seed);
  Damage damage(parse);
  for (int i = 0; i < rounds; ++i) damage.Try(Mutated(random, file));
  EXPECT_GT(damage.refused(), 0u);
  EXPECT_GT(damage.accepted(), 0u);
}

// What follows the pieces says how they are to be used, so no truncated file is whole.
TEST(HostileVocab, TruncatedModelsAreRefused) {
  const std::string small = test::ToSentencePieceModel(test::GemmaLikeVocab());
  Damage damage(ParseSentencePieceModel);
  damage.Try(small);
  EXPECT_EQ(damage.accepted(), 1u);
  for (size_t size = 0; size < small.size(); ++size) damage.Try(small.substr(0, size));
  EXPECT_EQ(damage.accepted(), 1u);

  const std::string fable = test::ReadData("tokenizer.model");
  Damage real(ParseSentencePieceModel);
  for (size_t size = 0; size < fable.size(); size += size + 400 < fable.size() ? 61 : 1) {
    real.Try(fable.substr(0, size));
  }
  EXPECT_EQ(real.accepted(), 0u);
}

TEST(HostileVocab, TruncatedJsonIsRefused) {
  const std::string small = test::ToTokenizerJson(test::GemmaLikeVocab(), true);
  Damage damage(ParseTokenizerJson);
  for (size_t size = 0; size < small.size(); size += 3) damage.Try(small.substr(0, size));
  EXPECT_EQ(damage.accepted(), 0u);
}

TEST(HostileVocab, MutatedModelsAreErrorsOrWork) {
  MutateAndTry(ParseSentencePieceModel, test::ReadData("tokenizer.model"), 51, 500);
  MutateAndTry(ParseSentencePieceModel, test::ToSentencePieceModel(test::GemmaLikeVocab()), 52,
               5000);
}

TEST(HostileVocab, MutatedJsonIsAnErrorOrWorks) {
  MutateAndTry(ParseTokenizerJson, test::ToTokenizerJson(test::GemmaLikeVocab(), false), 53, 2000);
  MutateAndTry(ParseTokenizerJson, test::ToTokenizerJson(test::GemmaLikeVocab(), true), 54, 2000);
}

TEST(HostileVocab, NestingAndEmptinessAreRefused) {
  Damage json(ParseTokenizerJson);
  for (const std::string& open : {std::string("["), std::string("{\"a\":")}) {
    std::string deep = "{\"model\":{\"vocab\":";
    for (int i = 0; i < 100000; ++i) deep += open;
    json.Try(deep);
    json.Try(deep.substr(9));
  }
  for (const char* text : {"", "{}", "[]", "null", "{\"model\":{}}", "{\"model\":[1,2]}",
                           "{\"model\":{\"vocab\":[[\"a\",-1.5]],\"merges\":{}}}"}) {
    json.Try(text);
  }
  EXPECT_EQ(json.accepted(), 0u);
}

// Lengths of 2^31 to 2^64-1 where a few bytes are left.
TEST(HostileVocab, LengthsBeyondTheFileAreRefused) {
  Damage damage(ParseSentencePieceModel);
  for (const char field : {'\x0a', '\x12', '\x1a', '\x7a'}) {
    for (const std::string& length :
         {std::string("\x80\x80\x80\x80\x08"), std::string("\xff\xff\xff\xff\x0f"),
          std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
          std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), std::string("\x05")}) {
      std::string file(1, field);
      file += length;
      file += "abc";
      damage.Try(file);
    }
  }
  EXPECT_EQ(damage.accepted(), 0u);
}

// Messages without content, two bytes each.
TEST(HostileVocab, TenMillionPiecesAreRefused) {
  std::string file;
  for (int i = 0; i < 10'000'000; ++i) file.append("\x0a\0", 2);
  Damage damage(ParseSentencePieceModel);
  damage.Try(file);
  EXPECT_EQ(damage.accepted(), 0u);
}

}  // namespace
}  // namespace tandem
