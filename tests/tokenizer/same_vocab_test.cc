// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which differences between vocabularies matter.
#include "tokenizer/same_vocab.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

Vocab VocabOf(const std::vector<std::string>& pieces) {
  Vocab vocab;
  for (const std::string& piece : pieces) {
    vocab.pieces.push_back(piece);
    vocab.scores.push_back(0);
    vocab.types.push_back(PieceType::kNormal);
  }
  vocab.Complete();
  return vocab;
}

const std::vector<std::string> kPieces = {"<pad>", "<eos>",           "<bos>",
                                          "<unk>", "<start_of_turn>", "<end_of_turn>",
                                          "a",     "<end_of_image>",  "<unused7>"};

std::optional<int32_t> DifferenceAt(size_t id, const std::string& piece) {
  std::vector<std::string> other = kPieces;
  other[id] = piece;
  const Vocab a = VocabOf(kPieces);
  const Vocab b = VocabOf(other);
  EXPECT_EQ(FirstVocabDifference(a, b), FirstVocabDifference(b, a));
  return FirstVocabDifference(a, b);
}

TEST(SameVocabTest, EqualOnesAreEqual) {
  EXPECT_EQ(FirstVocabDifference(VocabOf(kPieces), VocabOf(kPieces)), std::nullopt);
}

// Id 256000 of Gemma 3 and Gemma 3n, for one.
TEST(SameVocabTest, PicturesSoundsAndReservedRowsMayBeRenamed) {
  for (const char* name : {"<start_of_audio>", "<image_soft_token>", "<mask>", "<unused99>"}) {
    EXPECT_EQ(DifferenceAt(7, name), std::nullopt) << name;
    EXPECT_EQ(DifferenceAt(8, name), std::nullopt) << name;
  }
}

TEST(SameVocabTest, TextAndTurnsMayNot) {
  EXPECT_EQ(DifferenceAt(6, "b"), 6);
  EXPECT_EQ(DifferenceAt(6, "<unused8>"), 6);
  EXPECT_EQ(DifferenceAt(7, "b"), 7);
  for (const int32_t id : {0, 1, 2, 3, 4, 5}) {
    EXPECT_EQ(DifferenceAt(static_cast<size_t>(id), "<unused8>"), id);
  }
  EXPECT_EQ(DifferenceAt(8, "<end_of_turn>"), 8);
}

TEST(SameVocabTest, OneMayHaveMoreRowsThatNobodyWrites) {
  std::vector<std::string> longer = kPieces;
  longer.emplace_back("<end_of_audio>");
  Vocab more = VocabOf(longer);
  EXPECT_EQ(FirstVocabDifference(VocabOf(kPieces), more), std::nullopt);
  more.pieces.emplace_back("[row 10]");
  more.scores.push_back(0);
  more.types.push_back(PieceType::kUnused);
  EXPECT_EQ(FirstVocabDifference(VocabOf(kPieces), more), std::nullopt);
  more.types.back() = PieceType::kNormal;
  EXPECT_EQ(FirstVocabDifference(VocabOf(kPieces), more), 10);
  EXPECT_EQ(FirstVocabDifference(more, VocabOf(kPieces)), 10);
}

}  // namespace
}  // namespace tandem
