// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Drafts by lookup against a search of the whole text, and how their length follows success.
#include "engine/lookup_drafter.h"

#include "engine/engine_test_util.h"

namespace tandem {
namespace {

using Match = LookupDrafter::Match;

Ids First(const Ids& text, size_t count) {
  return Ids(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(count));
}

// The newest place before the end of `text` that ends in the same `length` tokens.
std::optional<Match> NewestPlace(const Ids& text, size_t length) {
  for (size_t next = text.size() - 1; next >= length; --next) {
    const auto at = [&](size_t end) { return text.begin() + static_cast<std::ptrdiff_t>(end); };
    if (std::equal(at(next - length), at(next), at(text.size() - length))) {
      return Match{next, length};
    }
  }
  return std::nullopt;
}

std::optional<Match> LongestMatch(const Ids& text) {
  for (size_t length = LookupDrafter::kLongest; length > 0; --length) {
    if (length >= text.size()) continue;
    if (const auto match = NewestPlace(text, length)) return match;
  }
  return std::nullopt;
}

// Random tokens with copies of what came before in between.
Ids CopyingText(size_t size, uint64_t ids, std::mt19937_64& random) {
  Ids text = {static_cast<int32_t>(random() % ids)};
  while (text.size() < size) {
    if (random() % 2 == 0) {
      text.push_back(static_cast<int32_t>(random() % ids));
      continue;
    }
    size_t from = random() % text.size();
    for (size_t count = 1 + random() % 12; count > 0; --count) text.push_back(text[from++]);
  }
  text.resize(size);
  return text;
}

Ids DraftOf(LookupDrafter& drafter, size_t most) {
  Ids ids;
  for (const Proposal& proposal : drafter.Draft(most)) {
    EXPECT_TRUE(proposal.drawn_from.list.empty());
    ids.push_back(proposal.id);
  }
  return ids;
}

Ids Pushed(LookupDrafter& drafter, const Ids& ids, size_t most) {
  for (const int32_t id : ids) drafter.Push(id);
  return DraftOf(drafter, most);
}

TEST(LookupDrafterTest, MatchesWhatASearchOfTheWholeTextFinds) {
  for (const uint64_t ids : {1, 2, 5, 40, 1000}) {
    std::mt19937_64 random(ids);
    const Ids text = CopyingText(300, ids, random);
    const size_t before = random() % 100;
    LookupDrafter drafter(First(text, before));
    for (size_t length = before; length < text.size(); ++length) {
      ASSERT_EQ(drafter.match(), LongestMatch(First(text, length)))
          << ids << " ids, " << length << " tokens";
      drafter.Push(text[length]);
    }
  }
}

TEST(LookupDrafterTest, DraftsGoOnAsTheTextDidAfterTheMatch) {
  std::mt19937_64 random(7);
  size_t drafted = 0;
  size_t beyond_the_end = 0;
  for (int round = 0; round < 20; ++round) {
    const Ids text = CopyingText(120, 3 + random() % 60, random);
    LookupDrafter drafter(First(text, 20));
    for (size_t length = 20; length < text.size(); ++length) {
      const size_t most = random() % 10;
      const auto draft = DraftOf(drafter, most);
      ASSERT_LE(draft.size(), most);
      // Whatever the text lacks comes of the draft itself.
      Ids whole = First(text, length);
      for (size_t i = 0; i < draft.size(); ++i) {
        ASSERT_EQ(draft[i], whole[drafter.match()->next + i]);
        beyond_the_end += drafter.match()->next + i >= length;
        whole.push_back(draft[i]);
      }
      drafted += draft.size();
      drafter.Push(text[length]);
    }
  }
  EXPECT_GT(drafted, 200u);
  EXPECT_GT(beyond_the_end, 0u);
}

TEST(LookupDrafterTest, NothingCameBefore) {
  for (const Ids& text : {Ids{}, Ids{1}, Ids{1, 2, 3, 4}}) {
    LookupDrafter drafter(text);
    EXPECT_EQ(drafter.match(), std::nullopt);
    EXPECT_TRUE(drafter.Draft(8).empty());
  }
}

// Once a copy has begun, drafts reach any length that is allowed.
TEST(LookupDrafterTest, DraftsGrowWithSuccess) {
  const Ids text = RandomIds(80, 1, 1 << 30);
  LookupDrafter drafter(text);
  size_t last = 0;
  for (size_t i = 0; i + 14 < text.size(); ++i) {
    drafter.Push(text[i]);
    const auto draft = drafter.Draft(14);
    EXPECT_GE(draft.size(), last) << i;
    last = draft.size();
  }
  EXPECT_EQ(last, 14u);
  EXPECT_EQ(drafter.Draft(3).size(), 3u);
  EXPECT_TRUE(drafter.Draft(0).empty());
}

// A text that never goes on as it did: soon nothing is drafted, until what is looked up, though not
// drafted, begins to come true.
TEST(LookupDrafterTest, DraftsEndWithFailureAndComeBack) {
  LookupDrafter drafter(Ids{});
  Ids text;
  const auto other = [&] {
    // Not what came at the last place.
    int32_t id = 0;
    while (drafter.match() && text[drafter.match()->next] == id) ++id;
    return id;
  };
  size_t drafted_late = 0;
  for (int i = 0; i < 200; ++i) {
    const int32_t id = other();
    text.push_back(id);
    const auto draft = Pushed(drafter, {id}, 7);
    if (i > 30) drafted_late += draft.size();
  }
  EXPECT_EQ(drafted_late, 0u);
  for (int i = 0; i < 20; ++i) drafter.Push(9);
  EXPECT_EQ(DraftOf(drafter, 7), Ids(7, 9));
}

TEST(LookupDrafterTest, FixedDraftsAreAsLongAsTheyMayBe) {
  const Ids text = {1, 2, 3, 1};
  LookupDrafter adapting(text);
  EXPECT_TRUE(adapting.Draft(5).empty());
  LookupDrafter fixed(text, false);
  EXPECT_EQ(DraftOf(fixed, 5), (Ids{2, 3, 1, 2, 3}));
}

}  // namespace
}  // namespace tandem
