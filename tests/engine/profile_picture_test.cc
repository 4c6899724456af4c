// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The picture of a profile: well-formed whatever the names, complete, labels apart.
#include "engine/profile_picture.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "core/utf8.h"
#include "engine/svg.h"
#include "engine_test_util.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

// Whether `text` is well-formed: tags that match, attributes in quotes, no stray markup, known
// references. Enough of XML for what we write.
testing::AssertionResult IsWellFormed(std::string_view text) {
  std::vector<std::string> open;
  if (!IsValidUtf8(text)) return testing::AssertionFailure() << "not UTF-8";
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') {
      return testing::AssertionFailure() << "control character at " << i;
    }
    if (c == '&') {
      const std::string_view rest = text.substr(i);
      bool known = false;
      for (const char* name : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}) {
        known = known || rest.starts_with(name);
      }
      if (!known) return testing::AssertionFailure() << "stray & at " << i;
    }
    if (c == '>') return testing::AssertionFailure() << "stray > at " << i;
    if (c != '<') {
      ++i;
      continue;
    }
    // To the end of the tag, quotes respected.
    size_t end = i + 1;
    for (bool quoted = false; end < text.size() && (quoted || text[end] != '>'); ++end) {
      if (text[end] == '"') quoted = !quoted;
      if (text[end] == '<') return testing::AssertionFailure() << "< inside a tag at " << end;
    }
    if (end == text.size()) return testing::AssertionFailure() << "tag without end at " << i;
    const std::string_view tag = text.substr(i + 1, end - i - 1);
    const std::string name(tag.substr(0, tag.find_first_of(" \n/", 1)));
    if (tag.starts_with("/")) {
      if (open.empty() || "/" + open.back() != std::string(tag)) {
        return testing::AssertionFailure() << "<" << tag << "> closes nothing";
      }
      open.pop_back();
    } else if (!tag.ends_with("/") && !tag.starts_with("!DOCTYPE")) {
      open.push_back(name);
    }
    i = end + 1;
  }
  if (!open.empty()) return testing::AssertionFailure() << open.back() << " is open";
  return testing::AssertionSuccess();
}

OpLine Line(std::string_view name, std::string detail, double seconds, uint64_t bytes,
            uint64_t macs) {
  OpLine line{name, std::move(detail), 1, seconds, {}};
  line.work.weight_bytes = bytes;
  line.work.int8_macs = macs;
  return line;
}

ProfileResult Example() {
  ProfileResult profile;
  profile.model = "<script>&\"'\x01\xff]]> \xEF\xBF\xBF";
  profile.processor = "a <b> & c";
  profile.device = "cpu (\"fast\")";
  profile.limits = {20, 19, 400, 100, 2, "avx2"};
  for (int i = 0; i < 2; ++i) {
    PhaseProfile phase;
    phase.tokens = 8;
    phase.is_decode = i > 0;
    phase.context = i;
    phase.seconds = 1;
    for (int op = 0; op < 20; ++op) {
      // Much of it in one place.
      phase.ops.push_back(Line("GatedMlp", "kind<" + std::to_string(op) + ">", 0.04,
                               1'000'000'000u + static_cast<uint64_t>(op), 900'000'000u));
    }
    phase.ops.push_back(Line("SelectRows", "no multiplications", 0.01, 100, 0));
    phase.ops.push_back(Line("FinalNorm", "no time", 0, 100, 100));
    profile.phases.push_back(phase);
  }
  return profile;
}

TEST(ProfilePicture, IsWellFormedAndEscapesNames) {
  for (const std::string& picture : {ProfileSvg(Example()), ProfileHtml(Example())}) {
    EXPECT_TRUE(IsWellFormed(picture));
    EXPECT_EQ(picture.find("<script"), std::string::npos);
    EXPECT_NE(picture.find("&lt;script&gt;&amp;&quot;&#39;"), std::string::npos);
    EXPECT_EQ(picture.find("nan"), std::string::npos);
    EXPECT_EQ(picture.find("inf\""), std::string::npos);
    EXPECT_EQ(picture.find("href"), std::string::npos);
  }
}

TEST(ProfilePicture, HasEveryOpOfBothPhases) {
  const ProfileResult profile = Example();
  const std::string svg = ProfileSvg(profile);
  for (const OpLine& op : profile.phases[0].ops) {
    const std::string cell = ">" + EscapeXml(op.label()) + "</text>";
    size_t found = 0;
    for (size_t at = 0; (at = svg.find(cell, at)) != std::string::npos; ++at) ++found;
    EXPECT_GE(found, 2u) << op.label();
  }
  EXPECT_NE(svg.find("between ops"), std::string::npos);
}

TEST(ProfilePicture, OfAnEngineWithOnePhase) {
  Engine engine(Fable(), Options(64));
  BenchOptions options;
  options.prompts = {20};
  options.decode = 0;
  options.repetitions = 1;
  const ProfileResult profile = RunProfile(engine, options);
  ASSERT_EQ(profile.phases.size(), 1u);
  const std::string svg = ProfileSvg(profile);
  EXPECT_TRUE(IsWellFormed(svg));
  for (const char* name : {"GatedMlp", "QkvProject", "LmHead", "EmbedTokens", "SelectRows"}) {
    EXPECT_NE(svg.find(name), std::string::npos) << name;
  }
}

TEST(ProfilePicture, IsWrittenByItsExtension) {
  const TemporaryFolder folder;
  for (const char* name : {"a.svg", "b.html", "c.htm"}) EXPECT_TRUE(IsPictureName(name));
  for (const char* name : {"a.png", "svg", ".svg", "a.svg.gz", ""}) {
    EXPECT_FALSE(IsPictureName(name)) << name;
  }
  const auto written = [&](const char* name) {
    const std::filesystem::path path = folder.path() / name;
    WriteProfilePicture(Example(), path);
    std::ostringstream content;
    content << std::ifstream(path).rdbuf();
    return content.str();
  };
  EXPECT_EQ(written("a.svg"), ProfileSvg(Example()));
  EXPECT_EQ(written("b.html"), ProfileHtml(Example()));
  EXPECT_EQ(Caught([&] { WriteProfilePicture(Example(), folder.path() / "no" / "a.svg"); }).kind(),
            ErrorKind::kIo);
}

TEST(LabelPlacer, LabelsKeepOffEachOtherAndTheMarks) {
  const Box area{10, 20, 900, 500};
  LabelPlacer placer(area);
  std::mt19937 random(5);
  std::uniform_real_distribution<double> x(400, 460), y(200, 240);
  std::vector<Box> boxes;
  std::vector<Point> points;
  for (int i = 0; i < 40; ++i) {
    points.push_back({x(random), y(random)});
    boxes.push_back({points.back().x - 4, points.back().y - 4, 8, 8});
    placer.Avoid(boxes.back());
  }
  // Marks may lie on each other, labels on nothing.
  for (const Point& point : points) {
    const auto label = placer.Place(point, 4, 90, 13);
    ASSERT_TRUE(label);
    EXPECT_TRUE(area.Contains(*label));
    for (const Box& other : boxes) EXPECT_FALSE(label->Overlaps(other));
    boxes.push_back(*label);
  }
  EXPECT_FALSE(placer.Place(points[0], 4, 901, 13)) << "wider than the area";
}

TEST(EscapeXml, ReplacesWhatXmlCannotHold) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(EscapeXml("a\nb\x7f"), "a" + bad + "b" + bad);
  EXPECT_EQ(EscapeXml("\xC3\xA9\xC3"), "\xC3\xA9" + bad);
  EXPECT_EQ(EscapeXml("\xEF\xBF\xBE"), bad);
}

}  // namespace
}  // namespace tandem
