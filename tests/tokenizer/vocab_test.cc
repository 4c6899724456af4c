// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/vocab.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "core/error.h"
#include "tokenizer/test_vocab.h"

namespace tandem {
namespace {

TEST(Vocab, NamesDecideWhatIsSpecial) {
  Vocab vocab;
  const std::vector<std::string> names = {"<pad>",
                                          "<eos>",
                                          "<bos>",
                                          "<mask>",
                                          "[multimodal]",
                                          "<unused0>",
                                          "<unused6241>",
                                          "<start_of_turn>",
                                          "<end_of_turn>",
                                          "<start_of_image>",
                                          "<end_of_image>",
                                          "<image_soft_token>",
                                          "<start_of_audio>",
                                          "<end_of_audio>",
                                          "<audio_soft_token>"};
  for (const auto& name : names) test::AddPiece(vocab, name, 0, PieceType::kUserDefined);
  const auto unk = test::AddPiece(vocab, "<unk>", 0);
  for (const char* text : {"<unused>", "<unused1", "<unused1x>", "<b>", "\n", "start_of_turn"}) {
    test::AddPiece(vocab, text, 0, PieceType::kUserDefined);
  }
  vocab.Complete();
  vocab.Validate();
  for (size_t i = 0; i < vocab.size(); ++i) {
    const PieceType expected = i < names.size()                ? PieceType::kControl
                               : i == static_cast<size_t>(unk) ? PieceType::kUnknown
                                                               : PieceType::kUserDefined;
    EXPECT_EQ(vocab.types[i], expected) << vocab.pieces[i];
  }
  EXPECT_EQ(vocab.pad, 0);
  EXPECT_EQ(vocab.eos, 1);
  EXPECT_EQ(vocab.bos, 2);
  EXPECT_EQ(vocab.unk, unk);
  EXPECT_EQ(vocab.start_of_turn, 7);
  EXPECT_EQ(vocab.end_of_turn, 8);
  EXPECT_EQ(vocab.end_tokens, (std::vector<int32_t>{1, 8}));
}

// GGUF files of instruction-tuned models say that <end_of_turn> is "the" end.
TEST(Vocab, BothEndsCountWhicheverTheFileDeclares) {
  Vocab vocab = test::BasicVocab(true);
  vocab.eos = vocab.end_of_turn;
  vocab.Complete();
  vocab.Complete();
  EXPECT_EQ(vocab.eos, vocab.end_of_turn);
  EXPECT_EQ(vocab.end_tokens, (std::vector<int32_t>{1, vocab.end_of_turn}));
}

TEST(Vocab, DerivesTheBytes) {
  Vocab vocab = test::BasicVocab(true);
  vocab.Complete();
  EXPECT_TRUE(vocab.byte_fallback);
  EXPECT_EQ(vocab.pieces[static_cast<size_t>(vocab.byte_tokens[0xaf])], "<0xAF>");
  Vocab without = test::BasicVocab(false);
  without.Complete();
  EXPECT_FALSE(without.byte_fallback);
}

TEST(Vocab, RefusesWhatATokenizerCannotRelyOn) {
  const std::vector<std::function<void(Vocab&)>> breaks = {
      [](Vocab& v) { v.scores.pop_back(); },
      [](Vocab& v) { v.types.push_back(PieceType::kNormal); },
      [](Vocab& v) { v.pieces.clear(), v.scores.clear(), v.types.clear(); },
      [](Vocab& v) { v.types[6] = static_cast<PieceType>(0); },
      [](Vocab& v) { v.types[6] = static_cast<PieceType>(7); },
      [](Vocab& v) { v.types[77] = PieceType::kNormal; },  // a byte is missing
      [](Vocab& v) { v.scores[9] = std::numeric_limits<float>::quiet_NaN(); },
      [](Vocab& v) { v.pieces[300] = std::string(kMaxPieceBytes + 1, 'x'); },
      [](Vocab& v) { v.bos = static_cast<int32_t>(v.size()); },
      [](Vocab& v) { v.eos = -2; },
      [](Vocab& v) { v.unk = 1 << 30; },
      [](Vocab& v) { v.pad = std::numeric_limits<int32_t>::min(); },
      [](Vocab& v) { v.end_tokens.push_back(1 << 20); },
  };
  EXPECT_NO_THROW(Tokenizer{test::GemmaLikeVocab()});
  for (size_t i = 0; i < breaks.size(); ++i) {
    Vocab vocab = test::GemmaLikeVocab();
    breaks[i](vocab);
    try {
      Tokenizer tokenizer(std::move(vocab));
      ADD_FAILURE() << "break " << i << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile) << i;
    }
  }
  Vocab no_unknown;
  test::AddPiece(no_unknown, "a", 0);
  EXPECT_THROW(Tokenizer(std::move(no_unknown)), Error);
}

TEST(Vocab, ToleratesDuplicatesAndEmptyPieces) {
  Vocab vocab = test::GemmaLikeVocab();
  const int32_t first = static_cast<int32_t>(vocab.size());
  test::AddPiece(vocab, "zz", -900);
  test::AddPiece(vocab, "zz", -1);
  test::AddPiece(vocab, "z", -901);
  test::AddPiece(vocab, "", -1);
  test::AddPiece(vocab, "", 0, PieceType::kUserDefined);
  const Tokenizer tokenizer(std::move(vocab));
  EXPECT_EQ(tokenizer.Encode("zz"), std::vector<int32_t>{first});
}

// A piece that is half a character must neither match inside one nor come out as broken text.
TEST(Vocab, PiecesThatAreNotUtf8AreHarmless) {
  Vocab vocab = test::GemmaLikeVocab();
  const int32_t half = test::AddPiece(vocab, "\xe2", 0, PieceType::kUserDefined);
  test::AddPiece(vocab, "\xe2\x98", 0);
  test::AddPiece(vocab, "\x98\x83", 0, PieceType::kControl);
  const Tokenizer tokenizer(std::move(vocab));
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode("☃ ☃", {.parse_special = true})), "☃ ☃");
  EXPECT_EQ(tokenizer.Decode(std::vector<int32_t>{half}), "\ufffd");
}

}  // namespace
}  // namespace tandem
