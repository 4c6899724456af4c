// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the public interface promises beyond what its functions compute: what comes out of it, and
// what outlives what.
#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include "engine/api_guard.h"
#include "engine/engine_test_util.h"
#include "tandem/tandem.h"

namespace tandem {
namespace {

static_assert(std::is_nothrow_copy_constructible_v<Error>);
static_assert(std::is_nothrow_copy_assignable_v<Error>);
static_assert(!std::is_copy_constructible_v<Engine> && !std::is_move_constructible_v<Engine>);
static_assert(!std::is_copy_constructible_v<Session>);
static_assert(!std::is_constructible_v<Model, std::unique_ptr<ModelData>>);

GenerationOptions Greedy(int64_t tokens) {
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = tokens;
  return options;
}

template <typename Exception>
ErrorKind KindAtBorder(const Exception& exception) {
  try {
    AtBorder([&] { throw exception; });
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "no Error came out";
  return ErrorKind::kInternal;
}

TEST(Api, OnlyErrorsGetOut) {
  EXPECT_EQ(KindAtBorder(std::bad_alloc()), ErrorKind::kResource);
  EXPECT_EQ(KindAtBorder(std::length_error("long")), ErrorKind::kResource);
  EXPECT_EQ(KindAtBorder(std::system_error(std::make_error_code(std::errc::io_error))),
            ErrorKind::kResource);
  EXPECT_EQ(KindAtBorder(std::filesystem::filesystem_error("x", std::error_code())),
            ErrorKind::kIo);
  EXPECT_EQ(KindAtBorder(std::logic_error("x")), ErrorKind::kInternal);
  EXPECT_EQ(KindAtBorder(Error(ErrorKind::kNotFound, "x")), ErrorKind::kNotFound);
}

struct OwnException {
  int value;
};

TEST(Api, WhatACallbackThrowsComesOutAsItIs) {
  Engine engine(Fable(), Options(64));
  const auto session = engine.NewSession();
  const auto reply = [&](const GenerationCallbacks& callbacks) {
    return Reply(*session, "Hello", Greedy(4), callbacks);
  };
  EXPECT_THROW(reply({.text = [](std::string_view) { throw OwnException{1}; }}), OwnException);
  EXPECT_THROW(reply({.cancelled = []() -> bool { throw std::runtime_error("mine"); }}),
               std::runtime_error);
  EXPECT_THROW(reply({.progress = [](int64_t, int64_t) { throw std::bad_alloc(); }}),
               std::bad_alloc);
  EXPECT_TRUE(session->tokens().empty()) << "a turn that failed leaves nothing";
  EXPECT_EQ(reply({}).tokens.size(), 4u);
}

TEST(Api, CallsWithinACallbackAreABorderAgain) {
  Engine engine(Fable(), Options(64));
  const auto session = engine.NewSession();
  bool seen = false;
  const auto look = [&](std::string_view) {
    try {
      AtBorder([] { throw std::bad_alloc(); });
    } catch (const Error&) {
      seen = true;
    }
  };
  Reply(*session, "Hello", Greedy(1), {.text = look});
  EXPECT_TRUE(seen);
}

TEST(Api, SessionsMayOutliveTheirEngine) {
  std::unique_ptr<Session> session;
  {
    Engine engine(Fable(), Options(64));
    session = engine.NewSession();
  }
  EXPECT_EQ(Reply(*session, "Hello", Greedy(3)).tokens.size(), 3u);
  EXPECT_EQ(session->model().architecture(), "gemma3n");
}

TEST(Api, AnEngineNeedsAModel) {
  try {
    Engine engine(nullptr);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
  }
}

TEST(Api, ATurnIsTheConversationsNext) {
  const std::vector<ChatMessage> opening = {{Role::kSystem, "Be brief."}, {Role::kUser, "Hello"}};
  Engine engine(Fable(), Options(64));
  const auto session = engine.NewSession();
  EXPECT_EQ(TokenizeTurn(*session, "Hello", "Be brief."), Fable()->TokenizeChat(opening));
  const GenerationResult first = Reply(*session, "Hello", Greedy(40), {}, "Be brief.");
  ASSERT_EQ(first.reason, EndReason::kEndOfTurn);
  std::vector<ChatMessage> whole = opening;
  whole.push_back({Role::kModel, first.text});
  whole.push_back({Role::kUser, "Again"});
  // A reply's own tokens need not be how the tokenizer would cut its text, but what follows them is
  // the end of the whole conversation.
  const std::vector<int32_t> tokens = Fable()->TokenizeChat(whole);
  const std::vector<int32_t> next = TokenizeTurn(*session, "Again");
  ASSERT_LT(next.size(), tokens.size());
  EXPECT_TRUE(std::equal(next.rbegin(), next.rend(), tokens.rbegin()));
}

TEST(Api, ACancelledTurnLeavesTheSessionAsItWas) {
  Engine engine(Fable(), Options(64));
  const auto session = engine.NewSession();
  Reply(*session, "Hello", Greedy(4));
  const std::vector<int32_t> before = session->tokens();
  const auto result = Reply(*session, "More", Greedy(4), {.cancelled = [] { return true; }});
  EXPECT_EQ(result.reason, EndReason::kCancelled);
  EXPECT_EQ(session->tokens(), before);
}

TEST(Api, TextGoesThereAndBack) {
  const std::string text = "The fox named Leo.";
  std::vector<int32_t> ids = Fable()->Tokenize(text);
  EXPECT_EQ(Fable()->Detokenize(ids), text);
  EXPECT_EQ(Version().find_first_not_of("0123456789."), std::string_view::npos);
}

}  // namespace
}  // namespace tandem
