// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/mapped_file.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tandem-atomic-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }

  static std::string Read(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  size_t Entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  fs::path directory_;
};

TEST_F(AtomicFileTest, CommitReplacesAndAbandonKeeps) {
  const fs::path target = directory_ / "model.gguf";
  {
    AtomicFile file(target);
    file.Write(std::string_view("old"));
    EXPECT_FALSE(fs::exists(target));
    file.Commit();
  }
  EXPECT_EQ(Read(target), "old");
  {
    AtomicFile file(target);
    file.Write(std::string(3 << 20, 'x'));
  }
  EXPECT_EQ(Read(target), "old");
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(AtomicFileTest, PadsAndKeepsOrderAcrossBuffers) {
  const fs::path target = directory_ / "f";
  AtomicFile file(target);
  std::string expected;
  for (int i = 0; i < 9; ++i) {
    const std::string part(static_cast<size_t>(i) * 300'001, static_cast<char>('a' + i));
    file.Write(part);
    file.PadTo(32);
    expected += part;
    expected.resize((expected.size() + 31) / 32 * 32, '\0');
  }
  EXPECT_EQ(file.size(), expected.size());
  file.Commit();
  EXPECT_EQ(Read(target), expected);
}

TEST_F(AtomicFileTest, FollowsSymbolicLinks) {
  AtomicFile(directory_ / "real").Commit();
  fs::create_symlink("real", directory_ / "link");
  AtomicFile file(directory_ / "link");
  file.Write(std::string_view("new"));
  file.Commit();
  EXPECT_TRUE(fs::is_symlink(directory_ / "link"));
  EXPECT_EQ(Read(directory_ / "real"), "new");
  fs::create_symlink("target", directory_ / "dangling");
  AtomicFile(directory_ / "dangling").Commit();
  EXPECT_TRUE(fs::is_symlink(directory_ / "dangling"));
  EXPECT_TRUE(fs::is_regular_file(directory_ / "target"));
  fs::create_symlink("loop", directory_ / "loop");
  EXPECT_THROW(AtomicFile{directory_ / "loop"}, Error);
}

TEST_F(AtomicFileTest, KeepsPermissionsOfWhatItReplaces) {
  const fs::path target = directory_ / "private";
  AtomicFile(target).Commit();
  fs::permissions(target, fs::perms::owner_read | fs::perms::owner_write);
  AtomicFile(target).Commit();
  EXPECT_EQ(fs::status(target).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(AtomicFileTest, RefusesWhatIsNotAFile) {
  EXPECT_THROW(AtomicFile(directory_ / "no" / "such"), Error);
  EXPECT_THROW(AtomicFile file(directory_), Error);
  EXPECT_THROW(AtomicFile("/dev/null"), Error);
  const fs::path pipe = directory_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(AtomicFile{pipe}, Error);
  fs::create_symlink("/dev/null", directory_ / "null");
  EXPECT_THROW(AtomicFile{directory_ / "null"}, Error);
}

TEST_F(AtomicFileTest, ASignalHandlerCanRemoveWhatIsNotFinished) {
  AtomicFile first(directory_ / "first");
  AtomicFile second(directory_ / "second");
  AtomicFile third(directory_ / "third");
  first.Write(std::string_view("whole"));
  first.Commit();
  EXPECT_EQ(Entries(), 3u);
  RemoveTemporaryFiles();
  EXPECT_EQ(Entries(), 1u);
  EXPECT_EQ(Read(directory_ / "first"), "whole");
  EXPECT_THROW(second.Commit(), Error);
}

// More than the table for signal handlers holds.
TEST_F(AtomicFileTest, AnyNumberMayBeOpen) {
  std::vector<std::unique_ptr<AtomicFile>> files;
  for (int i = 0; i < 40; ++i) {
    files.push_back(std::make_unique<AtomicFile>(directory_ / std::to_string(i)));
  }
  files.resize(10);
  files.push_back(std::make_unique<AtomicFile>(directory_ / "last"));
  RemoveTemporaryFiles();
  EXPECT_EQ(Entries(), 0u);
}

// The system call says what reading the mapping would say with a signal.
TEST_F(AtomicFileTest, WritingFromAFileThatWasCutNamesThatFile) {
  const fs::path source = directory_ / "source";
  std::ofstream(source) << std::string(size_t{2} << 20, 'x');
  const MappedFile mapped(source);
  fs::resize_file(source, 4096);
  AtomicFile file(directory_ / "f");
  try {
    file.Write(mapped.bytes());
    FAIL() << "wrote what is not there";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_EQ(error.message(), source.string() + ": " + kCutWhileInUse);
  }
}

TEST_F(AtomicFileTest, MappedFilesAreFoundByAddress) {
  const fs::path one = directory_ / "1";
  const fs::path two = directory_ / "a name too long to lie inside of a string object";
  std::ofstream(one) << "one";
  std::ofstream(two) << std::string(8192, 'x');
  const std::byte* gone = nullptr;
  {
    // Short names move with their object.
    const auto name = [](const MappedFile& file, size_t at) {
      const char* found = MappedFileAt(file.bytes().data() + at);
      return std::string(found == nullptr ? "" : found);
    };
    MappedFile first{fs::path(one)};
    MappedFile second(two);
    EXPECT_EQ(name(first, 2), one.string());
    EXPECT_EQ(name(second, 0), two.string());
    EXPECT_EQ(name(second, 8191), two.string());
    const MappedFile moved = std::move(first);
    first = std::move(second);
    EXPECT_EQ(name(moved, 0), one.string());
    EXPECT_EQ(name(first, 100), two.string());
    gone = first.bytes().data();
  }
  EXPECT_EQ(MappedFileAt(gone), nullptr);
  EXPECT_EQ(MappedFileAt(nullptr), nullptr);
  EXPECT_EQ(MappedFileAt(&gone), nullptr);
}

TEST_F(AtomicFileTest, MappedFileReadsItBack) {
  AtomicFile file(directory_ / "f");
  file.Write(std::string_view("bytes"));
  file.Commit();
  MappedFile mapped(directory_ / "f");
  const MappedFile moved = std::move(mapped);
  ASSERT_EQ(moved.size(), 5u);
  EXPECT_EQ(static_cast<char>(moved.bytes()[4]), 's');
  EXPECT_THROW(MappedFile(directory_ / "none"), Error);
  EXPECT_THROW(MappedFile{directory_}, Error);
}

}  // namespace
}  // namespace tandem
