// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/vocab_file.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "tokenizer/test_vocab.h"

namespace tandem {
namespace {

using nlohmann::json;
using test::Bytes;

// Distinct scores: what a trained model has, and what the order of merges can express.
Vocab FableWithDistinctScores() {
  Vocab vocab = test::Fable().vocab();
  for (size_t i = 0; i < vocab.size(); ++i) vocab.scores[i] = -static_cast<float>(i);
  return vocab;
}

void ExpectSameTokenizer(const Tokenizer& a, const Tokenizer& b, uint32_t seed) {
  EXPECT_EQ(a.vocab().pieces, b.vocab().pieces);
  EXPECT_EQ(a.vocab().types, b.vocab().types);
  EXPECT_EQ(a.vocab().end_tokens, b.vocab().end_tokens);
  EXPECT_EQ(a.vocab().bos, b.vocab().bos);
  EXPECT_EQ(a.vocab().unk, b.vocab().unk);
  EXPECT_EQ(a.vocab().add_space_prefix, b.vocab().add_space_prefix);
  test::Random random(seed);
  for (int i = 0; i < 1500; ++i) {
    const std::string text = test::RandomBytesText(random) + test::RandomText(random);
    ASSERT_EQ(a.Encode(text), b.Encode(text)) << testing::PrintToString(text);
  }
}

TEST(SentencePieceModel, FableHasWhatItsReadmeSays) {
  const Vocab& vocab = test::Fable().vocab();
  EXPECT_EQ(vocab.size(), 2438u);
  EXPECT_EQ(vocab.end_tokens, (std::vector<int32_t>{1, 6}));
  EXPECT_EQ(vocab.start_of_turn, 5);
  EXPECT_TRUE(test::Fable().IsControl(5));  // the file types it USER_DEFINED
  EXPECT_EQ(vocab.types[7], PieceType::kUserDefined);
  EXPECT_FALSE(vocab.add_space_prefix);
  EXPECT_TRUE(vocab.add_bos);
}

TEST(SentencePieceModel, WrittenAndReadAgainIsTheSame) {
  const Vocab vocab = FableWithDistinctScores();
  const Tokenizer again(ParseSentencePieceModel(Bytes(test::ToSentencePieceModel(vocab)), "again"));
  EXPECT_EQ(again.vocab().scores, vocab.scores);
  ExpectSameTokenizer(Tokenizer(vocab), again, 41);
}

TEST(TokenizerJson, GivesTheSameTokensAsTheModelItWasConvertedFrom) {
  for (const Vocab& vocab : {FableWithDistinctScores(), test::GemmaLikeVocab()}) {
    for (const bool pairs : {false, true}) {
      const std::string file = test::ToTokenizerJson(vocab, pairs);
      ExpectSameTokenizer(Tokenizer(vocab), Tokenizer(ParseTokenizerJson(Bytes(file), "t")), 42);
    }
  }
}

TEST(VocabFile, FormatsAreToldApartByContent) {
  std::string name = (std::filesystem::temp_directory_path() / "tandem-vocab-XXXXXX").string();
  const int fd = ::mkstemp(name.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(name) << "\n " << test::ToTokenizerJson(test::GemmaLikeVocab(), true);
  EXPECT_EQ(LoadVocab(name).pieces, test::GemmaLikeVocab().pieces);
  std::filesystem::remove(name);
  EXPECT_EQ(LoadVocab("data/tokenizer/tokenizer.model").pieces, test::Fable().vocab().pieces);
  try {
    LoadVocab("data/tokenizer/missing.model");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  }
}

TEST(TokenizerJson, ReadsAPrependedSpaceAndGapsBetweenIds) {
  json file = json::parse(test::ToTokenizerJson(test::GemmaLikeVocab(), true));
  file["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers", {{{"type", "Prepend"}, {"prepend", kSpaceMark}}, file["normalizer"]}}};
  const size_t before = file["model"]["vocab"].size();
  file["added_tokens"].push_back(
      {{"id", before + 3}, {"content", "two words"}, {"special", false}});
  const Tokenizer tokenizer(ParseTokenizerJson(Bytes(file.dump()), "t"));
  EXPECT_TRUE(tokenizer.vocab().add_space_prefix);
  ASSERT_EQ(tokenizer.size(), before + 4);
  EXPECT_EQ(tokenizer.vocab().types[before], PieceType::kUnused);
  const auto ids = tokenizer.Encode("two words");
  EXPECT_EQ(ids.back(), static_cast<int32_t>(before + 3));
  EXPECT_EQ(tokenizer.Decode(ids), "two words");
}

// Everything here is a real kind of tokenizer, or a setting of one, that would give other tokens.
TEST(TokenizerJson, RefusesOtherTokenizersByName) {
  const json good = json::parse(test::ToTokenizerJson(test::GemmaLikeVocab(), false));
  EXPECT_NO_THROW(ParseTokenizerJson(Bytes(good.dump()), "t"));
  const std::vector<std::pair<const char*, json>> changes = {
      {"/model/type", "Unigram"},
      {"/model/type", "WordPiece"},
      {"/model/ignore_merges", true},
      {"/model/dropout", 0.1},
      {"/model/continuing_subword_prefix", "##"},
      {"/model/end_of_word_suffix", "</w>"},
      {"/normalizer", {{"type", "NFKC"}}},
      {"/normalizer/content", "_"},
      {"/pre_tokenizer", {{"type", "ByteLevel"}}},
      {"/pre_tokenizer/pattern", {{"Regex", "\\s+"}}},
      {"/added_tokens/0/lstrip", true},
  };
  for (const auto& [where, value] : changes) {
    json file = good;
    file[json::json_pointer(where)] = value;
    try {
      ParseTokenizerJson(Bytes(file.dump()), "t");
      ADD_FAILURE() << where << " = " << value << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUnsupported) << where << ": " << error.what();
    }
  }
  // Merges that leave out a split, or mix those of two pieces, are another algorithm.
  const json& merges = good["model"]["merges"];
  const auto at = std::find(merges.begin(), merges.end(), "a aa") - merges.begin();
  ASSERT_LT(static_cast<size_t>(at), merges.size());
  json file = good;
  file["model"]["merges"].erase(static_cast<size_t>(at));
  EXPECT_THROW(ParseTokenizerJson(Bytes(file.dump()), "t"), Error);
  file = good;
  std::rotate(file["model"]["merges"].begin(), file["model"]["merges"].begin() + at,
              file["model"]["merges"].begin() + at + 1);
  EXPECT_THROW(ParseTokenizerJson(Bytes(file.dump()), "t"), Error);
}

TEST(TokenizerJson, RefusesContradictions) {
  const json good = json::parse(test::ToTokenizerJson(test::GemmaLikeVocab(), false));
  const std::vector<std::pair<const char*, json>> changes = {
      {"/model/vocab/he", 5},                  // an id twice
      {"/model/vocab/he", uint64_t{1} << 40},  // an id that would cost memory
      {"/model/merges/0", "nosuch piece"},
      {"/model/merges/0", "he"},
      {"/model/merges/0", "h e l"},
      {"/model/merges/0", json::array({"h"})},
      {"/model/merges/0", json::array({"h", "e", "l"})},
      {"/model/merges/0", 7},
      {"/added_tokens/0/id", -1},
      {"/added_tokens/0/id", uint64_t{1} << 63},
      {"/added_tokens/0/content", "other"},
      {"/added_tokens", 3},
      {"/model/vocab", json::object()},
  };
  for (const auto& [where, value] : changes) {
    json file = good;
    file[json::json_pointer(where)] = value;
    try {
      ParseTokenizerJson(Bytes(file.dump()), "t");
      ADD_FAILURE() << where << " = " << value << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile) << where << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace tandem
