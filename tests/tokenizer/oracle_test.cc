// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Against the SentencePiece library itself: on fable's model, on one shaped like Gemma's, and on
// random models full of ties and unused pieces.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <vector>

#include "tokenizer/stream_decoder.h"
#include "tokenizer/test_vocab.h"
#include "tokenizer/vocab_file.h"

namespace tandem {
namespace {

using test::Below;
using test::Random;

// SentencePiece and Tandem on the same bytes of a tokenizer.model.
class Both {
 public:
  explicit Both(const std::string& model)
      : ours_(ParseSentencePieceModel(test::Bytes(model), "test.model")) {
    const auto status = theirs_.LoadFromSerializedProto(model);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }

  const Tokenizer& ours() const { return ours_; }

  // SentencePiece always matches pieces typed USER_DEFINED, the turn markers among them, and never
  // control pieces.
  void ExpectSameIds(const std::string& text, bool parse_special) const {
    std::vector<int> expected;
    ASSERT_TRUE(theirs_.Encode(text, &expected).ok());
    ASSERT_EQ(ours_.Encode(text, {.parse_special = parse_special}), expected)
        << testing::PrintToString(text);
  }

  void ExpectSameText(const std::vector<int>& ids) const {
    std::string expected;
    ASSERT_TRUE(theirs_.Decode(ids, &expected).ok());
    ASSERT_EQ(ours_.Decode(ids), expected) << testing::PrintToString(ids);
  }

  // Any tokens but the turn markers, which are text to SentencePiece; mostly bytes.
  std::vector<int> RandomIds(Random& random) const {
    std::vector<int> ids;
    const Vocab& vocab = ours_.vocab();
    for (size_t count = Below(random, 30); count > 0; --count) {
      auto id = static_cast<int>(Below(random, vocab.size()));
      if (vocab.byte_fallback && Below(random, 2) == 0)
        id = vocab.byte_tokens[128 + Below(random, 128)];
      if (id != vocab.start_of_turn && id != vocab.end_of_turn) ids.push_back(id);
    }
    return ids;
  }

 private:
  sentencepiece::SentencePieceProcessor theirs_;
  Tokenizer ours_;
};

std::string WithTurns(Random& random, std::string text) {
  const std::vector<std::string> turns = {"<start_of_turn>", "<end_of_turn>"};
  for (size_t i = Below(random, 4); i > 0; --i) {
    text.insert(Below(random, text.size() + 1), test::Pick(random, turns));
  }
  return text;
}

void CompareTexts(const Both& both, uint32_t seed, size_t rounds) {
  Random random(seed);
  for (size_t i = 0; i < rounds && !testing::Test::HasFatalFailure(); ++i) {
    both.ExpectSameIds(test::RandomText(random), i % 2 == 0);
    both.ExpectSameIds(test::RandomBytesText(random), i % 2 == 0);
    both.ExpectSameIds(WithTurns(random, test::RandomBytesText(random)), true);
    both.ExpectSameIds(test::RandomText(random) + "<bos><eos>" + test::RandomText(random), false);
    both.ExpectSameText(both.RandomIds(random));
  }
}

TEST(SentencePieceOracle, FableAgrees) {
  CompareTexts(Both(test::ReadData("tokenizer.model")), 1, 3000);
}

TEST(SentencePieceOracle, GemmaLikeRunsAndTagsAgree) {
  CompareTexts(Both(test::ToSentencePieceModel(test::GemmaLikeVocab())), 2, 2000);
}

TEST(SentencePieceOracle, SpacePrefixAgrees) {
  Vocab vocab = test::GemmaLikeVocab();
  vocab.add_space_prefix = true;
  CompareTexts(Both(test::ToSentencePieceModel(vocab)), 3, 1000);
}

// The real models hardly ever have two ways to merge; these have little else.
TEST(SentencePieceOracle, RandomModelsAgree) {
  Random random(4);
  const std::vector<std::string> letters = {"a", "b", "é", " ", "\xe2\x96\x81", "c"};
  for (int model = 0; model < 400 && !HasFatalFailure(); ++model) {
    const Both both(test::ToSentencePieceModel(test::RandomVocab(random)));
    for (int i = 0; i < 20 && !HasFatalFailure(); ++i) {
      std::string text;
      for (size_t length = Below(random, 60); length > 0; --length) {
        text += letters[Below(random, Below(random, 8) == 0 ? 6 : 4)];
      }
      both.ExpectSameIds(text, false);
      both.ExpectSameText(both.RandomIds(random));
    }
  }
}

}  // namespace
}  // namespace tandem
