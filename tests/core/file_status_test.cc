// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/file_status.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

class FileStatusTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_ / "file") << "text";
    fs::create_symlink("file", folder_ / "link");
    fs::create_symlink("nothing", folder_ / "dangling");
    fs::create_symlink("loop", folder_ / "loop");
  }

  template <typename Action>
  static ErrorKind KindOf(Action action) {
    try {
      action();
    } catch (const Error& error) {
      return error.kind();
    }
    ADD_FAILURE() << "no error was thrown";
    return ErrorKind::kInternal;
  }

  TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path();
};

TEST_F(FileStatusTest, TellsWhatIsThere) {
  EXPECT_TRUE(Exists(folder_ / "file"));
  EXPECT_TRUE(Exists(folder_ / "link"));
  EXPECT_FALSE(IsFolder(folder_ / "file"));
  EXPECT_TRUE(IsFolder(folder_));
  EXPECT_TRUE(fs::is_symlink(LinkStatus(folder_ / "link")));
  EXPECT_TRUE(fs::is_regular_file(FileStatus(folder_ / "link")));
}

TEST_F(FileStatusTest, NothingIsNoError) {
  for (const char* name : {"nothing", "dangling", "file/nothing", "nothing/nothing"}) {
    EXPECT_FALSE(Exists(folder_ / name)) << name;
    EXPECT_FALSE(IsFolder(folder_ / name)) << name;
  }
  EXPECT_TRUE(fs::is_symlink(LinkStatus(folder_ / "dangling")));
}

TEST_F(FileStatusTest, NoAnswerIsAnError) {
  const fs::path too_long = folder_ / std::string(300, 'x');
  for (const fs::path& path : {folder_ / "loop", too_long}) {
    EXPECT_EQ(KindOf([&] { Exists(path); }), ErrorKind::kIo) << path;
    EXPECT_EQ(KindOf([&] { IsFolder(path); }), ErrorKind::kIo) << path;
  }
  EXPECT_EQ(KindOf([&] { LinkStatus(too_long); }), ErrorKind::kIo);
}

TEST_F(FileStatusTest, TellsWhetherFilesAreTheSame) {
  std::ofstream(folder_ / "other") << "text";
  fs::create_hard_link(folder_ / "file", folder_ / "again");
  EXPECT_TRUE(IsSameFile(folder_ / "file", folder_ / "link"));
  EXPECT_TRUE(IsSameFile(folder_ / "again", folder_ / "file"));
  for (const char* name : {"other", "nothing", "dangling", "file/nothing"}) {
    EXPECT_FALSE(IsSameFile(folder_ / "file", folder_ / name)) << name;
    EXPECT_FALSE(IsSameFile(folder_ / name, folder_ / "file")) << name;
  }
  EXPECT_FALSE(IsSameFile(folder_ / "nothing", folder_ / "nothing"));
  EXPECT_EQ(KindOf([&] { IsSameFile(folder_ / "file", folder_ / "loop"); }), ErrorKind::kIo);
  EXPECT_EQ(KindOf([&] { IsSameFile(folder_ / "loop", folder_ / "file"); }), ErrorKind::kIo);
}

TEST(WithoutSlash, TakesOffOnlyWhatCanGo) {
  const std::pair<const char*, const char*> cases[] = {
      {"a/", "a"},   {"a//", "a"}, {"/a/b/", "/a/b"}, {"a/b", "a/b"}, {"./", "."},
      {"../", ".."}, {"/", "/"},   {"//", "//"},      {"", ""},       {"a/.", "a/."}};
  for (const auto& [path, expected] : cases) EXPECT_EQ(WithoutSlash(path), expected) << path;
}

TEST_F(FileStatusTest, ListsFolders) {
  std::vector<fs::path> paths = ListFolder(folder_);
  std::sort(paths.begin(), paths.end());
  EXPECT_EQ(paths, (std::vector<fs::path>{folder_ / "dangling", folder_ / "file", folder_ / "link",
                                          folder_ / "loop"}));
  EXPECT_EQ(KindOf([&] { ListFolder(folder_ / "nothing"); }), ErrorKind::kIo);
  EXPECT_EQ(KindOf([&] { ListFolder(folder_ / "file"); }), ErrorKind::kIo);
}

}  // namespace
}  // namespace tandem
