// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/utf8.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(Utf8, MeasuresValidSequences) {
  EXPECT_EQ(Utf8SequenceLength("a"), 1u);
  EXPECT_EQ(Utf8SequenceLength("\xc3\xa9x"), 2u);
  EXPECT_EQ(Utf8SequenceLength("\xe2\x96\x81"), 3u);
  EXPECT_EQ(Utf8SequenceLength("\xf0\x9f\xa6\x8a"), 4u);
  EXPECT_EQ(Utf8SequenceLength("\xf4\x8f\xbf\xbf"), 4u);
}

TEST(Utf8, RefusesWhatTheStandardForbids) {
  for (const char* bad :
       {"", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x96", "\xf0\x9f\xa6", "\xc3"}) {
    EXPECT_EQ(Utf8SequenceLength(bad), 0u) << testing::PrintToString(std::string(bad));
  }
}

TEST(Utf8, ReplacesEachInvalidByte) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\xffz\xe2\x96"), "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_TRUE(IsValidUtf8("na\xc3\xafve"));
  EXPECT_FALSE(IsValidUtf8("na\xc3"));
}

}  // namespace
}  // namespace tandem
