// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/utf8.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTest() { log::SetLevel(log::Level::kError); }
  ~LogTest() override {
    log::OpenFile("/dev/null", log::Level::kError);
    log::SetLevel(log::Level::kInfo);
  }

  std::vector<std::string> Lines() const {
    std::ifstream file(folder_ / "log");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  TemporaryFolder temporary_;
  std::filesystem::path folder_ = temporary_.path();
};

// Any bytes at all: quotes, backslashes, newlines, halves of characters, separators of ours.
TEST_F(LogTest, EveryMessageIsOneValidJsonLine) {
  log::OpenFile(folder_ / "log", log::Level::kDebug);
  log::UseJson();
  std::mt19937 random(5);
  std::vector<std::pair<std::string, std::string>> said;
  for (int i = 0; i < 2000; ++i) {
    std::string texts[2];
    for (std::string& text : texts) {
      for (auto n = random() % 12; n > 0; --n) {
        const std::string_view parts[] = {
            "\"", "\\", "\n",   "\x1f", "\xe2\x82", "\xf0\x9f\xa6\x8a",
            "{",  "a",  "\xff", "\r",   "\u2028"};
        text += parts[random() % std::size(parts)];
        if (random() % 8 == 0) text += static_cast<char>(random());
      }
    }
    // An empty hint is none.
    log::Write(log::Level::kWarning, texts[0], texts[1]);
    said.emplace_back(texts[0], texts[1]);
  }
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), said.size());
  const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)");
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto json = nlohmann::json::parse(lines[i], nullptr, false);
    ASSERT_TRUE(json.is_object()) << lines[i];
    EXPECT_TRUE(std::regex_match(json["time"].get<std::string>(), time)) << lines[i];
    EXPECT_EQ(json["level"], "warning");
    EXPECT_EQ(json["message"], Printable(said[i].first, 1000));
    EXPECT_EQ(json.contains("hint"), !said[i].second.empty());
    if (json.contains("hint")) {
      EXPECT_EQ(json["hint"], Printable(said[i].second, 1000));
    }
  }
}

TEST_F(LogTest, FilesAreAppendedTo) {
  for (int i = 0; i < 3; ++i) {
    log::OpenFile(folder_ / "log", log::Level::kEvent);
    log::Event("round {}", i);
  }
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(lines[i].ends_with("Z info: round " + std::to_string(i))) << lines[i];
  }
}

TEST_F(LogTest, LevelsOfFileAndStderrAreTheirOwn) {
  using log::Level;
  const Level levels[] = {Level::kDebug, Level::kEvent, Level::kInfo, Level::kWarning,
                          Level::kError};
  for (const Level lowest : levels) {
    std::filesystem::remove(folder_ / "log");
    log::OpenFile(folder_ / "log", lowest);
    testing::internal::CaptureStderr();
    for (const Level level : levels) log::Write(level, std::to_string(static_cast<int>(level)));
    // The sink keeps the descriptor's stream, so this is what a user sees.
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "error: 4\n");
    EXPECT_EQ(log::CurrentLevel(), lowest);
    EXPECT_EQ(Lines().size(), 5u - static_cast<size_t>(lowest));
  }
}

TEST_F(LogTest, LevelNamesGoThereAndBack) {
  for (const char* name : {"debug", "info", "warning", "error"}) {
    EXPECT_EQ(log::LevelName(log::LevelFromName(name).value()), name);
  }
  EXPECT_FALSE(log::LevelFromName("loud"));
  EXPECT_EQ(log::LevelFromName("info"), log::Level::kEvent);
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsAnError) {
  try {
    log::OpenFile(folder_ / "none" / "log", log::Level::kInfo);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_NE(error.message().find("none/log"), std::string::npos);
  }
  EXPECT_THROW(log::OpenFile(folder_, log::Level::kInfo), Error);
}

TEST_F(LogTest, ThreadsDoNotMixTheirLines) {
  log::OpenFile(folder_ / "log", log::Level::kDebug);
  std::vector<std::thread> threads;
  const std::string text(300, 'x');
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) log::Debug("{}", text);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto lines = Lines();
  EXPECT_EQ(lines.size(), 400u);
  for (const std::string& line : lines) EXPECT_TRUE(line.ends_with("Z debug: " + text));
}

}  // namespace
}  // namespace tandem
