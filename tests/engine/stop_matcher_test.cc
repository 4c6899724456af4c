// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Stop strings in texts that arrive in pieces, against a search of the whole text.
#include "engine/stop_matcher.h"

#include <algorithm>
#include <random>

#include "core/utf8.h"
#include "engine/engine_test_util.h"

namespace tandem {
namespace {

struct Outcome {
  std::string text;
  bool matched = false;
};

// The stop string that is complete first ends the text, of several the longest.
Outcome Expected(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

// What must be held back at the end of `text`: the longest end that begins a stop string.
size_t Held(const std::string& text, const std::vector<std::string>& stops) {
  size_t held = 0;
  for (const std::string& stop : stops) {
    for (size_t length = 1; length < stop.size() && length <= text.size(); ++length) {
      if (text.compare(text.size() - length, length, stop, 0, length) == 0) {
        held = std::max(held, length);
      }
    }
  }
  return held;
}

std::vector<std::string> RandomCharacters(size_t count, std::mt19937_64& random) {
  static const char* const kCharacters[] = {"a", "b", "a", "\n", "é", "è", "🦊", "🦉"};
  std::vector<std::string> out;
  for (size_t i = 0; i < count; ++i) out.push_back(kCharacters[random() % 8]);
  return out;
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

std::vector<std::string> RandomPieces(size_t characters, std::mt19937_64& random) {
  std::vector<std::string> pieces;
  while (characters > 0) {
    const size_t count = std::min<size_t>(characters, random() % 4);
    pieces.push_back(Joined(RandomCharacters(count, random)));
    characters -= count;
  }
  return pieces;
}

TEST(StopMatcherTest, AnyPartitionGivesTheTextUpToTheFirstStop) {
  std::mt19937_64 random(1);
  int matches = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops;
    for (size_t i = random() % 4; i > 0; --i) {
      stops.push_back(Joined(RandomCharacters(1 + random() % 4, random)));
    }
    const auto pieces = RandomPieces(random() % 14, random);
    const Outcome expected = Expected(Joined(pieces), stops);
    StopMatcher matcher(stops);
    std::string pushed;
    std::string shown;
    for (const std::string& piece : pieces) {
      pushed += piece;
      const std::string out = matcher.Push(piece);
      EXPECT_TRUE(IsValidUtf8(out));
      shown += out;
      ASSERT_EQ(matcher.matched(), Expected(pushed, stops).matched);
      if (!matcher.matched()) {
        ASSERT_EQ(shown, pushed.substr(0, pushed.size() - Held(pushed, stops)));
      }
    }
    const std::string rest = matcher.Flush();
    EXPECT_TRUE(rest.empty() || !expected.matched);
    EXPECT_EQ(shown + rest, expected.text) << Joined(pieces);
    EXPECT_EQ(matcher.matched(), expected.matched);
    EXPECT_EQ(matcher.Flush(), "");
    matches += expected.matched;
  }
  EXPECT_GT(matches, 4000);
}

TEST(StopMatcherTest, OverlappingStops) {
  const auto run = [](std::vector<std::string> stops, const std::vector<std::string>& pieces) {
    StopMatcher matcher(std::move(stops));
    std::string out;
    for (const std::string& piece : pieces) out += matcher.Push(piece);
    return out + matcher.Flush() + (matcher.matched() ? "|" : "");
  };
  // "bc" is complete before "abcd", however the text is cut.
  EXPECT_EQ(run({"abcd", "bc"}, {"xabcd"}), "xa|");
  EXPECT_EQ(run({"abcd", "bc"}, {"xab", "cd"}), "xa|");
  // Complete at the same place: the longer.
  EXPECT_EQ(run({"bc", "abc"}, {"xabc"}), "x|");
  EXPECT_EQ(run({"abc", "bc"}, {"xa", "bc"}), "x|");
  // A beginning that comes to nothing is shown.
  EXPECT_EQ(run({"aab"}, {"a", "a", "a", "b"}), "a|");
  EXPECT_EQ(run({"abc"}, {"ab", "abd"}), "ababd");
  EXPECT_EQ(run({"abc"}, {"ab"}), "ab");
  EXPECT_EQ(run({}, {"ab", "c"}), "abc");
}

// Such stop strings make little sense, but come from command lines and requests.
TEST(StopMatcherTest, StopsThatCutCharactersLetOnlyWholeCharactersThrough) {
  std::mt19937_64 random(2);
  const std::string bytes = "🦊🦉éèab";
  int matches = 0;
  for (int round = 0; round < 10000; ++round) {
    std::vector<std::string> stops;
    for (size_t i = 1 + random() % 2; i > 0; --i) {
      stops.push_back(bytes.substr(random() % bytes.size(), 1 + random() % 6));
    }
    const auto pieces = RandomPieces(1 + random() % 10, random);
    StopMatcher matcher(stops);
    std::string shown;
    for (const std::string& piece : pieces) {
      const std::string out = matcher.Push(piece);
      ASSERT_TRUE(IsValidUtf8(out));
      shown += out;
    }
    const std::string rest = matcher.Flush();
    ASSERT_TRUE(IsValidUtf8(rest));
    shown += rest;
    const Outcome expected = Expected(Joined(pieces), stops);
    ASSERT_EQ(matcher.matched(), expected.matched);
    // The character that a match begins in is lost with it.
    ASSERT_EQ(expected.text.compare(0, shown.size(), shown), 0);
    ASSERT_LT(expected.text.size() - shown.size(), 4u);
    matches += expected.matched;
  }
  EXPECT_GT(matches, 2000);
}

}  // namespace
}  // namespace tandem
