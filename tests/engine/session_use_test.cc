// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Sessions that are reset, filled, cancelled, misused or run side by side stay as good as new.
#include <stdexcept>
#include <tuple>

#include "engine/engine_test_util.h"

namespace tandem {
namespace {

class SessionTest : public testing::Test {
 protected:
  // The logits of `ids` in a new session.
  Floats Expected(const Ids& ids) { return Fresh(engine_, ids); }

  Engine engine_{RandomModel("base"), Options(16)};
};

TEST_F(SessionTest, ResetEqualsAFreshSession) {
  const auto session = engine_.NewSession();
  session->Append(RandomIds(100, 1));
  session->Defer(3);
  session->Reset();
  EXPECT_TRUE(session->tokens().empty());
  EXPECT_EQ(session->remaining(), session->context());
  const Ids ids = RandomIds(50, 2);
  EXPECT_TRUE(SameBits(Append(*session, ids), Expected(ids)));
}

TEST_F(SessionTest, DeferredTokensRunWithTheNext) {
  Ids ids = RandomIds(37, 3);
  const auto session = engine_.NewSession();
  session->Defer(ids[0]);
  session->Append(std::span(ids).subspan(1, 20));
  for (size_t i = 21; i < 36; ++i) session->Defer(ids[i]);
  EXPECT_EQ(session->tokens().size(), 36u);
  EXPECT_TRUE(SameBits(Append(*session, {&ids[36], 1}), Expected(ids)));

  // Their logits were not asked for, so scoring does not hand them out.
  session->Defer(5);
  session->Defer(6);
  const auto rows = Scored(*session, Ids{7, 8});
  ASSERT_EQ(rows.size(), 2u);
  ids.insert(ids.end(), {5, 6, 7, 8});
  EXPECT_TRUE(SameBits(rows[1], Expected(ids)));
}

TEST_F(SessionTest, ContextFillsExactlyAndRefusesOneMore) {
  const Ids ids = RandomIds(50, 4);
  const auto session = engine_.NewSession(50);
  session->Append(std::span(ids).first(30));
  const Error error = Caught([&] { session->Append(std::span(ids).first(21)); });
  EXPECT_EQ(error.kind(), ErrorKind::kResource);
  for (const char* number : {"21", "50", "20"}) {
    EXPECT_NE(error.message().find(number), std::string::npos) << error.message();
  }
  EXPECT_EQ(session->tokens().size(), 30u);
  EXPECT_TRUE(SameBits(Append(*session, std::span(ids).subspan(30)), Expected(ids)));
  EXPECT_EQ(session->remaining(), 0);
  EXPECT_EQ(Caught([&] { session->Append(Ids{1}); }).kind(), ErrorKind::kResource);
  EXPECT_EQ(Caught([&] { Scored(*session, Ids{1}); }).kind(), ErrorKind::kResource);
  EXPECT_EQ(Caught([&] { session->Defer(1); }).kind(), ErrorKind::kResource);
  EXPECT_EQ(session->tokens(), ids);
  session->Reset();
  EXPECT_TRUE(SameBits(Append(*session, ids), Expected(ids)));
}

TEST_F(SessionTest, DeferredTokensCountAgainstTheContext) {
  const auto session = engine_.NewSession(3);
  session->Defer(1);
  session->Defer(2);
  EXPECT_EQ(session->remaining(), 1);
  EXPECT_EQ(Caught([&] { session->Append(Ids{3, 4}); }).kind(), ErrorKind::kResource);
  EXPECT_TRUE(SameBits(Append(*session, Ids{3}), Expected({1, 2, 3})));
}

TEST_F(SessionTest, WholeContextOfTheModel) {
  const Ids ids = RandomIds(512, 5);
  const auto session = engine_.NewSession();
  EXPECT_EQ(session->context(), 512);
  session->Append(std::span(ids).first(500));
  const Floats last = Append(*session, std::span(ids).subspan(500));
  EXPECT_TRUE(SameBits(last, last)) << "not finite";
  EXPECT_EQ(Caught([&] { session->Append(Ids{1}); }).kind(), ErrorKind::kResource);
}

TEST_F(SessionTest, ContextsTheModelDoesNotHaveAreRefused) {
  for (const int64_t context : {int64_t{513}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(Caught([&] { std::ignore = engine_.NewSession(context); }).kind(),
              ErrorKind::kInvalidArgument);
  }
  EXPECT_EQ(engine_.NewSession(512)->context(), 512);
}

TEST_F(SessionTest, IdsOutsideTheVocabularyAreRefusedWhereverTheyStand) {
  const Ids good = RandomIds(40, 6);
  const auto session = engine_.NewSession();
  session->Append(good);
  for (const int32_t bad : {-1, 512, INT32_MAX, INT32_MIN}) {
    for (const size_t place : {0, 17, 19}) {
      Ids ids = RandomIds(20, 7);
      ids[place] = bad;
      EXPECT_EQ(Caught([&] { session->Append(ids); }).kind(), ErrorKind::kInvalidArgument);
      EXPECT_EQ(Caught([&] { Scored(*session, ids); }).kind(), ErrorKind::kInvalidArgument);
    }
    EXPECT_EQ(Caught([&] { session->Defer(bad); }).kind(), ErrorKind::kInvalidArgument);
  }
  EXPECT_EQ(Caught([&] { session->Append(Ids{}); }).kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(session->tokens(), good);
  Ids all = good;
  all.push_back(511);
  EXPECT_TRUE(SameBits(Append(*session, Ids{511}), Expected(all)));
}

// Cancelled after any number of steps, the session holds what those steps ran, and goes on.
TEST_F(SessionTest, CancelledPromptsLeaveAUsableSession) {
  const Ids before = RandomIds(21, 8);
  const Ids prompt = RandomIds(50, 9);
  for (int steps = 0; steps <= 3; ++steps) {
    const auto session = engine_.NewSession();
    session->Append(before);
    int left = steps;
    int64_t last_done = 0;
    const Error error = Caught([&] {
      session->Append(
          prompt, [&] { return left-- == 0; },
          [&](int64_t done, int64_t total) {
            EXPECT_EQ(total, 50);
            last_done = done;
          });
    });
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    const auto ran = static_cast<size_t>(steps) * 16;
    EXPECT_EQ(last_done, static_cast<int64_t>(ran));
    Ids expected = before;
    expected.insert(expected.end(), prompt.begin(), prompt.begin() + static_cast<int64_t>(ran));
    EXPECT_EQ(session->tokens(), expected);
    expected.insert(expected.end(), prompt.begin() + static_cast<int64_t>(ran), prompt.end());
    EXPECT_TRUE(SameBits(Append(*session, std::span(prompt).subspan(ran)), Expected(expected)));
  }
}

// A reply's last token is part of the conversation whether or not the next prompt is cancelled.
TEST_F(SessionTest, CancellingKeepsDeferredTokens) {
  const Ids before = RandomIds(30, 10);
  const Ids prompt = RandomIds(40, 11);
  for (const size_t deferred : {1, 20}) {
    for (const bool scored : {false, true}) {
      const auto session = engine_.NewSession();
      session->Append(before);
      Ids expected = before;
      for (size_t i = 0; i < deferred; ++i) {
        session->Defer(static_cast<int32_t>(i));
        expected.push_back(static_cast<int32_t>(i));
      }
      const Error error = Caught([&] {
        if (scored) {
          session->AppendScored(
              prompt, [](size_t, std::span<const float>) {}, [] { return true; });
        } else {
          session->Append(prompt, [] { return true; });
        }
      });
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
      EXPECT_EQ(session->tokens(), expected);
      expected.insert(expected.end(), prompt.begin(), prompt.end());
      EXPECT_TRUE(SameBits(Append(*session, prompt), Expected(expected)));
    }
  }
}

// What a caller's function throws passes through, and the interrupted step can be run again even
// though it has written into the rings.
TEST_F(SessionTest, ExceptionsOfCallersLeaveAUsableSession) {
  const Ids before = RandomIds(70, 12);
  const Ids ids = RandomIds(60, 13);
  const auto session = engine_.NewSession();
  session->Append(before);
  EXPECT_THROW(session->AppendScored(ids,
                                     [](size_t index, std::span<const float>) {
                                       if (index == 37) throw std::runtime_error("full");
                                     }),
               std::runtime_error);
  Ids expected = before;
  expected.insert(expected.end(), ids.begin(), ids.begin() + 32);
  ASSERT_EQ(session->tokens(), expected);
  expected.insert(expected.end(), ids.begin(), ids.end());
  EXPECT_TRUE(SameBits(Append(*session, ids), Expected(expected)));
}

TEST_F(SessionTest, SessionsOfOneEngineDoNotDisturbEachOther) {
  const Ids ids[] = {RandomIds(150, 14), RandomIds(150, 15)};
  const std::unique_ptr<Session> sessions[] = {engine_.NewSession(), engine_.NewSession(200)};
  std::mt19937_64 random(16);
  size_t at[] = {0, 0};
  Floats last[2];
  while (at[0] < 150 || at[1] < 150) {
    const size_t which = random() % 2;
    const size_t count = std::min<size_t>(150 - at[which], 1 + random() % 20);
    if (count == 0) continue;
    last[which] = Append(*sessions[which], std::span(ids[which]).subspan(at[which], count));
    at[which] += count;
  }
  for (const size_t which : {0, 1}) EXPECT_TRUE(SameBits(last[which], Expected(ids[which])));
}

TEST(EngineTest, OptionsOutOfRangeAreRefused) {
  for (const int64_t chunk : {int64_t{0}, int64_t{-1}, int64_t{4097}, INT64_MAX}) {
    const Error error = Caught([&] { Engine(RandomModel("base"), Options(chunk)); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_NE(error.message().find("chunk"), std::string::npos);
  }
  for (const int threads : {-1, 1025}) {
    const Error error = Caught([&] { Engine(RandomModel("base"), Options(16, threads)); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_NE(error.message().find("threads"), std::string::npos);
  }
  for (const auto member :
       {&EngineOptions::device, &EngineOptions::prefill, &EngineOptions::decode}) {
    EngineOptions options = Options(16);
    options.*member = "tpu\n";
    const Error error = Caught([&] { Engine(RandomModel("base"), options); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_NE(error.message().find("'tpu\\x0a'"), std::string::npos) << error.message();
  }
}

TEST(EngineTest, KeysFollowTheTypeOfTheWeights) {
  const auto bytes = [](std::shared_ptr<const Model> model, KvType kv) {
    return Engine(std::move(model), Options(16, 1, kv)).NewSession()->kv_bytes();
  };
  EXPECT_EQ(bytes(RandomModel("base"), KvType::kAuto), bytes(RandomModel("base"), KvType::kF32));
  EXPECT_EQ(bytes(Fable(), KvType::kAuto), bytes(Fable(), KvType::kF16));
}

}  // namespace
}  // namespace tandem
