// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(Printable, EscapesControlAndInvalidBytes) {
  EXPECT_EQ(Printable("blk.0"), "blk.0");
  EXPECT_EQ(Printable("a\nb\x1b[31m\xff"), "a\\x0ab\\x1b[31m\\xff");
  EXPECT_EQ(Printable("\xc3\xa9"), "\xc3\xa9");
}

TEST(Printable, CutsLongText) { EXPECT_EQ(Printable(std::string(200, 'x'), 5), "xxxxx..."); }

TEST(Error, CarriesKindMessageAndHint) {
  const Error error(ErrorKind::kCorruptFile, "m.gguf: cut at byte 7", "download it again");
  EXPECT_STREQ(error.what(), "m.gguf: cut at byte 7");
  EXPECT_EQ(ErrorKindName(error.kind()), "corrupt_file");
  EXPECT_EQ(error.hint(), "download it again");
}

}  // namespace
}  // namespace tandem
