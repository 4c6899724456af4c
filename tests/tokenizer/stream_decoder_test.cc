// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/utf8.h"
#include "tokenizer/test_vocab.h"

namespace tandem {
namespace {

using test::Below;
using test::Fable;

int32_t ByteToken(unsigned byte) { return Fable().vocab().byte_tokens[byte]; }

TEST(StreamDecoder, HoldsACharacterBackUntilItIsWhole) {
  StreamDecoder decoder(Fable());
  EXPECT_EQ(decoder.Push(ByteToken(0xf0)), "");
  EXPECT_EQ(decoder.Push(ByteToken(0x9f)), "");
  EXPECT_EQ(decoder.Push(ByteToken(0xa6)), "");
  EXPECT_EQ(decoder.pending(), 3u);
  EXPECT_EQ(decoder.Push(ByteToken(0x8a)), "🦊");
  EXPECT_EQ(decoder.Flush(), "");
}

TEST(StreamDecoder, GivesUpOnACharacterAsSoonAsItCannotBe) {
  StreamDecoder decoder(Fable());
  EXPECT_EQ(decoder.Push(ByteToken(0xff)), "\ufffd");
  EXPECT_EQ(decoder.Push(ByteToken(0xe0)), "");
  EXPECT_EQ(decoder.Push(ByteToken(0x80)), "\ufffd\ufffd");  // overlong
  EXPECT_EQ(decoder.Push(ByteToken(0xe2)), "");
  EXPECT_EQ(decoder.Push(ByteToken('a')),
            "\ufffd"
            "a");
  EXPECT_EQ(decoder.Push(ByteToken(0xe2)), "");
  EXPECT_EQ(decoder.Push(Fable().FindPiece("he")), "\ufffdhe");
  EXPECT_EQ(decoder.Push(ByteToken(0xe2)), "");
  EXPECT_EQ(decoder.Flush(), "\ufffd");
  EXPECT_EQ(decoder.pending(), 0u);
}

// Half of the ids are bytes, so that whole characters and broken ones both come up often.
TEST(StreamDecoder, EqualsDecodeAndIsAlwaysText) {
  test::Random random(11);
  const std::string text = "🦊ñ日";
  for (int round = 0; round < 3000; ++round) {
    std::vector<int32_t> ids;
    for (size_t count = Below(random, 30); count > 0; --count) {
      switch (Below(random, 4)) {
        case 0: ids.push_back(static_cast<int32_t>(Below(random, Fable().size()))); break;
        case 1: ids.push_back(ByteToken(static_cast<unsigned>(Below(random, 256)))); break;
        default:
          ids.push_back(ByteToken(static_cast<unsigned char>(text[Below(random, text.size())])));
      }
    }
    const DecodeOptions options{.show_special = round % 2 == 0};
    StreamDecoder decoder(Fable(), options);
    std::string streamed;
    for (const int32_t id : ids) {
      const std::string part = decoder.Push(id);
      ASSERT_TRUE(IsValidUtf8(part));
      ASSERT_LE(decoder.pending(), 3u);
      streamed += part;
    }
    const std::string rest = decoder.Flush();
    ASSERT_TRUE(IsValidUtf8(rest));
    ASSERT_EQ(streamed + rest, Fable().Decode(ids, options));
  }
}

TEST(StreamDecoder, RemovesTheSpaceThatEncodingPutInFrontOnce) {
  Vocab vocab = test::GemmaLikeVocab();
  vocab.add_space_prefix = true;
  const Tokenizer tokenizer(std::move(vocab));
  StreamDecoder decoder(tokenizer);
  for (int round = 0; round < 2; ++round) {
    std::string text;
    for (const int32_t id : tokenizer.Encode(" the the", {.add_bos = true}))
      text += decoder.Push(id);
    text += decoder.Flush();
    EXPECT_EQ(text, " the the");
  }
}

TEST(StreamDecoder, AForeignTokenIsAnErrorAndChangesNothing) {
  StreamDecoder decoder(Fable());
  decoder.Push(ByteToken(0xc3));
  EXPECT_THROW(decoder.Push(static_cast<int32_t>(Fable().size())), Error);
  EXPECT_THROW(decoder.Push(-1), Error);
  EXPECT_EQ(decoder.Push(ByteToken(0xb1)), "ñ");
}

}  // namespace
}  // namespace tandem
