// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "core/error.h"
#include "core/utf8.h"
#include "tokenizer/test_vocab.h"

namespace tandem {
namespace {

using test::Fable;

TEST(Tokenizer, MatchesTheGoldenFile) {
  const auto goldens = nlohmann::json::parse(test::ReadData("tokenizer_golden.json"));
  ASSERT_GE(goldens.size(), 10u);
  for (const auto& golden : goldens) {
    const auto text = golden["text"].get<std::string>();
    const auto ids = Fable().Encode(text, {.parse_special = true});
    EXPECT_EQ(ids, golden["ids"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(Fable().Decode(ids, {.show_special = true}), golden["decoded"].get<std::string>());
  }
}

TEST(Tokenizer, TextComesBackAsItWas) {
  test::Random random(21);
  for (int i = 0; i < 5000; ++i) {
    const std::string text = test::RandomText(random);
    ASSERT_EQ(Fable().Decode(Fable().Encode(text)), text);
    const std::string broken = test::RandomBytesText(random);
    ASSERT_EQ(Fable().Decode(Fable().Encode(broken)), ReplaceInvalidUtf8(broken));
  }
}

TEST(Tokenizer, NoTextYieldsAControlTokenUnlessAllowed) {
  std::vector<std::string> names;
  for (size_t i = 0; i < Fable().size(); ++i) {
    if (Fable().IsControl(static_cast<int32_t>(i))) names.push_back(Fable().vocab().pieces[i]);
  }
  ASSERT_GE(names.size(), 6u);
  test::Random random(22);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (int part = 0; part < 4; ++part)
      text += test::RandomText(random) + test::Pick(random, names);
    size_t controls = 0;
    for (const int32_t id : Fable().Encode(text)) controls += Fable().IsControl(id);
    ASSERT_EQ(controls, 0u) << text;
    ASSERT_EQ(Fable().Decode(Fable().Encode(text)), text);
    for (const int32_t id : Fable().Encode(text, {.parse_special = true})) {
      controls += Fable().IsControl(id);
    }
    ASSERT_EQ(controls, 4u) << text;
  }
}

// A control piece of a single character is the one that merging alone could reach.
TEST(Tokenizer, AOneCharacterControlPieceIsNotText) {
  Vocab vocab = test::GemmaLikeVocab();
  const int32_t control = test::AddPiece(vocab, "z", 0, PieceType::kControl);
  const Tokenizer tokenizer(std::move(vocab));
  EXPECT_EQ(tokenizer.Encode("z"), std::vector<int32_t>{tokenizer.vocab().byte_tokens['z']});
  EXPECT_EQ(tokenizer.Encode("z", {.parse_special = true}), std::vector<int32_t>{control});
}

TEST(Tokenizer, LongestRunsComeFirst) {
  const Tokenizer tokenizer(test::GemmaLikeVocab());
  for (const char c : {'\n', '\t', ' '}) {
    const std::string unit = c == ' ' ? std::string(kSpaceMark) : std::string(1, c);
    for (size_t n = 1; n <= 31; ++n) {
      std::string run;
      for (size_t i = 0; i < n; ++i) run += unit;
      EXPECT_EQ(tokenizer.Encode(std::string(n, c)),
                std::vector<int32_t>{tokenizer.FindPiece(run)});
    }
    const auto ids = tokenizer.Encode(std::string(64, c));
    ASSERT_EQ(ids.size(), 3u);
    EXPECT_EQ(tokenizer.Decode(std::span(ids).first(1)), std::string(31, c));
    EXPECT_EQ(tokenizer.Decode(std::span(ids).last(1)), std::string(2, c));
  }
  // A run takes all its spaces, so the word behind it has none.
  EXPECT_EQ(tokenizer.Encode("  the").front(), tokenizer.FindPiece("\xe2\x96\x81\xe2\x96\x81"));
  EXPECT_EQ(tokenizer.Encode(" the"), std::vector<int32_t>{tokenizer.FindPiece("\xe2\x96\x81the")});
}

// Words are merged one by one; a piece that reaches over a space must still be found.
TEST(Tokenizer, PiecesMayReachOverASpace) {
  const Tokenizer tokenizer(test::GemmaLikeVocab());
  EXPECT_EQ(tokenizer.Encode("> <"), std::vector<int32_t>{tokenizer.FindPiece(">\xe2\x96\x81<")});
}

TEST(Tokenizer, BeginsOnce) {
  const int32_t bos = Fable().vocab().bos;
  EXPECT_EQ(Fable().Encode("", {.add_bos = true}), std::vector<int32_t>{bos});
  EXPECT_EQ(Fable().Encode("<bos>", {.add_bos = true, .parse_special = true}),
            std::vector<int32_t>{bos});
  const auto plain = Fable().Encode("<bos>hello", {.add_bos = true});
  EXPECT_EQ(plain.front(), bos);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), bos), 1);
}

TEST(Tokenizer, WithoutBytesUnknownCharactersAreOneToken) {
  Vocab vocab = test::BasicVocab(false);
  const int32_t a = test::AddPiece(vocab, "a", 0);
  const Tokenizer tokenizer(std::move(vocab));
  const int32_t unk = tokenizer.vocab().unk;
  EXPECT_EQ(tokenizer.Encode("xyazx"), (std::vector<int32_t>{unk, a, unk}));
  EXPECT_EQ(tokenizer.Decode(std::vector<int32_t>{unk, a}), " \u2047 a");
}

TEST(Tokenizer, SpecialPiecesShowOnlyOnRequest) {
  const Vocab& vocab = Fable().vocab();
  EXPECT_EQ(Fable().PieceBytes(vocab.end_of_turn), "");
  EXPECT_EQ(Fable().PieceBytes(vocab.end_of_turn, {.show_special = true}), "<end_of_turn>");
  EXPECT_EQ(Fable().PieceBytes(vocab.byte_tokens[0xe2]), "\xe2");
  EXPECT_EQ(Fable().PieceBytes(Fable().FindPiece("\xe2\x96\x81the")), " the");
  EXPECT_TRUE(Fable().IsEnd(vocab.end_of_turn));
  EXPECT_TRUE(Fable().IsEnd(vocab.eos));
  EXPECT_FALSE(Fable().IsEnd(vocab.bos));
  EXPECT_THROW(Fable().PieceBytes(static_cast<int32_t>(Fable().size())), Error);
  EXPECT_THROW(Fable().Decode(std::vector<int32_t>{-1}), Error);
}

TEST(Tokenizer, RefusesEndlessText) {
  EXPECT_THROW(Fable().Encode(std::string(kMaxTextBytes + 1, '\n')), Error);
}

// Refused by its size: these bytes are not there to be read.
TEST(Tokenizer, RefusesTextBeyondSignedCounts) {
  const auto* nowhere = reinterpret_cast<const char*>(0x1000);
  for (const size_t size : {size_t{1} << 31, (size_t{1} << 32) + 3, SIZE_MAX}) {
    EXPECT_THROW(Fable().Encode(std::string_view(nowhere, size)), Error);
  }
}

// No assertion on time: if merging were quadratic this would take hours instead of moments.
TEST(Tokenizer, LongUniformTextsStayCheap) {
  test::Random random(23);
  std::string noise;
  while (noise.size() < size_t{1} << 20) noise += static_cast<char>(random());
  for (const std::string& text : {std::string(1 << 20, 'a'), std::string(1 << 20, ' '), noise}) {
    EXPECT_EQ(Fable().Decode(Fable().Encode(text)), ReplaceInvalidUtf8(text));
  }
}

}  // namespace
}  // namespace tandem
