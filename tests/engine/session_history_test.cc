// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Going back, forking, saving and restoring, in any order, equal a plain run of the same tokens.
#include <fstream>
#include <iterator>

#include "engine/engine_test_util.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A family of sessions under random operations, each with the tokens it should hold.
class Family {
 public:
  Family(Engine& engine, uint64_t seed, int64_t longest_part)
      : engine_(engine), random_(seed), longest_part_(longest_part) {
    sessions_.push_back({engine.NewSession(), {}});
  }

  void Step() {
    Member& member = sessions_[random_() % sessions_.size()];
    Session& session = *member.session;
    switch (random_() % 12) {
      case 0: session.MarkTurn(); break;
      case 1:
      case 2: {
        const size_t keep = random_() % (member.ids.size() + 1);
        member.ids.resize(keep);
        session.Rewind(static_cast<int64_t>(keep));
        break;
      }
      case 3: {  // a little, as an edited last message does
        const size_t keep = member.ids.size() - std::min<size_t>(member.ids.size(), random_() % 8);
        member.ids.resize(keep);
        session.Rewind(static_cast<int64_t>(keep));
        break;
      }
      case 4:
        if (sessions_.size() < 4) sessions_.push_back({session.Fork(), member.ids});
        break;
      case 5: {
        const fs::path file = folder_.path() / "session";
        session.Save(file);
        Member& target = sessions_[random_() % sessions_.size()];
        target.session->Load(file);
        target.ids = member.ids;
        break;
      }
      case 6:
        if (sessions_.size() > 2) sessions_.pop_back();
        break;
      default: {
        const Ids more = RandomIds(1 + random_() % static_cast<uint64_t>(longest_part_), random_());
        if (static_cast<int64_t>(more.size()) + 1 >= session.remaining()) break;
        if (random_() % 4 == 0) {
          for (const int32_t id : more) session.Defer(id);
        } else {
          session.Append(more);
        }
        member.ids.insert(member.ids.end(), more.begin(), more.end());
      }
    }
  }

  /// The next token's logits of every member equal a plain run's.
  void Check(int step) {
    for (Member& member : sessions_) {
      ASSERT_EQ(member.session->tokens(), member.ids) << "step " << step;
      member.ids.push_back(7);
      const Floats got = Append(*member.session, Ids{7});
      ASSERT_TRUE(SameBits(got, Fresh(engine_, member.ids)))
          << "step " << step << ", " << member.ids.size() << " tokens";
    }
  }

 private:
  struct Member {
    std::unique_ptr<Session> session;
    Ids ids;
  };

  Engine& engine_;
  std::mt19937_64 random_;
  int64_t longest_part_;
  TemporaryFolder folder_;
  std::vector<Member> sessions_;
};

void RunFamily(const std::shared_ptr<const Model>& model, int64_t chunk, uint64_t seed, int steps,
               int64_t longest_part, KvType kv = KvType::kAuto) {
  Engine engine(model, Options(chunk, 1, kv));
  Family family(engine, seed, longest_part);
  for (int step = 0; step < steps; ++step) {
    family.Step();
    if (step % 3 == 0) family.Check(step);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(SessionHistory, RandomOperationsEqualAPlainRun) {
  // Window 16, chunk 4, slack 64: parts of up to 60 tokens wrap the rings again and again.
  for (uint64_t seed = 1; seed <= 2; ++seed) RunFamily(RandomModel("base"), 4, seed, 45, 60);
  RunFamily(RandomModel("mha"), 16, 9, 24, 100);
}

TEST(SessionHistory, RandomOperationsEqualAPlainRunForEachTypeOfKeys) {
  for (const KvType kv : {KvType::kF16, KvType::kQ8}) {
    RunFamily(RandomModel("base"), 4, 5, 30, 60, kv);
    RunFamily(RandomModel("mha"), 16, 6, 15, 100, kv);
  }
}

TEST(SessionHistory, RandomOperationsEqualAPlainRunOnFable) { RunFamily(Fable(), 32, 3, 16, 90); }

class SessionFileTest : public testing::Test {
 protected:
  fs::path Saved(const Ids& ids) {
    const auto session = engine_.NewSession();
    session->Append(ids);
    const fs::path file = folder_.path() / "saved";
    session->Save(file);
    return file;
  }
  Error LoadError(const fs::path& file) {
    return Caught([&] { engine_.NewSession()->Load(file); });
  }

  TemporaryFolder folder_;
  Engine engine_{RandomModel("base"), Options(8)};
};

TEST_F(SessionFileTest, AnyChangedByteAndAnyCutIsRefused) {
  const fs::path file = Saved(RandomIds(30, 1));
  const std::string good = ReadFile(file);
  std::mt19937 random(2);
  for (int i = 0; i < 400; ++i) {
    std::string bad = good;
    // Headers first, then anywhere.
    const size_t at = i < 120 ? static_cast<size_t>(i) : random() % bad.size();
    bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
    WriteFile(file, bad);
    const Error error = LoadError(file);
    EXPECT_NE(error.kind(), ErrorKind::kInternal);
    EXPECT_NE(error.message().find(file.string()), std::string::npos) << error.message();
  }
  for (size_t size = 0; size < good.size(); size += 1 + size / 7) {
    WriteFile(file, good.substr(0, size));
    EXPECT_EQ(LoadError(file).kind(), ErrorKind::kCorruptFile) << size;
  }
  WriteFile(file, good + "x");
  EXPECT_EQ(LoadError(file).kind(), ErrorKind::kCorruptFile);
  WriteFile(file, good);
  EXPECT_NO_THROW(engine_.NewSession()->Load(file));
}

TEST_F(SessionFileTest, AFailedLoadLeavesTheSessionAsItWas) {
  const fs::path file = Saved(RandomIds(30, 1));
  WriteFile(file, ReadFile(file).substr(0, 500));
  const Ids ids = RandomIds(40, 3);
  const auto session = engine_.NewSession();
  session->Append(std::span(ids).first(39));
  EXPECT_THROW(session->Load(file), Error);
  EXPECT_THROW(session->Load(folder_.path() / "none"), Error);
  EXPECT_TRUE(SameBits(Append(*session, {&ids[39], 1}), Fresh(engine_, ids)));
}

TEST_F(SessionFileTest, AnotherModelsSessionIsRefused) {
  const fs::path file = Saved(RandomIds(30, 1));
  Engine other(RandomModel("mha"), Options(8));
  EXPECT_EQ(Caught([&] { other.NewSession()->Load(file); }).kind(), ErrorKind::kUnsupported);
  Engine fable(Fable(), Options(8));
  EXPECT_EQ(Caught([&] { fable.NewSession()->Load(file); }).kind(), ErrorKind::kUnsupported);
}

TEST_F(SessionFileTest, ContextChunkAndTypeMayDiffer) {
  const Ids ids = RandomIds(200, 4);
  const fs::path file = Saved(ids);
  EXPECT_EQ(Caught([&] { engine_.NewSession(150)->Load(file); }).kind(), ErrorKind::kResource);
  const auto longer = engine_.NewSession(300);
  longer->Load(file);
  Ids more = ids;
  more.push_back(5);
  EXPECT_TRUE(SameBits(Append(*longer, Ids{5}), Fresh(engine_, more)));
  // A shorter ring takes what it has room for.
  Engine small(RandomModel("base"), Options(1));
  const auto short_ring = small.NewSession();
  short_ring->Load(file);
  EXPECT_TRUE(SameBits(Append(*short_ring, Ids{5}), Fresh(engine_, more)));
  const Floats want = Fresh(engine_, more);
  for (const auto& [kv, most] : {std::pair(KvType::kF16, 0.3f), {KvType::kQ8, 1.5f}}) {
    Engine other(RandomModel("base"), Options(8, 1, kv));
    const auto rounded = other.NewSession();
    rounded->Load(file);
    const Floats got = Append(*rounded, Ids{5});
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], most);
    // And back: what was rounded once is as it is.
    const fs::path again = folder_.path() / "rounded";
    rounded->Save(again);
    const auto floats = engine_.NewSession();
    floats->Load(again);
    EXPECT_EQ(floats->tokens(), more);
    const auto same = other.NewSession();
    same->Load(again);
    EXPECT_TRUE(SameBits(Append(*same, Ids{6}), Append(*rounded, Ids{6})));
  }
}

TEST_F(SessionFileTest, DeferredTokensAndEmptySessionsAreSaved) {
  const fs::path file = folder_.path() / "saved";
  const auto session = engine_.NewSession();
  session->Save(file);
  const auto empty = engine_.NewSession();
  empty->Append(Ids{1, 2});
  empty->Load(file);
  EXPECT_TRUE(empty->tokens().empty());
  session->Append(Ids{1, 2, 3});
  session->Defer(4);
  session->Save(file);
  empty->Load(file);
  EXPECT_EQ(empty->tokens(), (Ids{1, 2, 3, 4}));
  EXPECT_TRUE(SameBits(Append(*empty, Ids{5}), Fresh(engine_, Ids{1, 2, 3, 4, 5})));
}

TEST_F(SessionFileTest, RewindChecksItsArgument) {
  const auto session = engine_.NewSession();
  session->Append(Ids{1, 2, 3});
  EXPECT_EQ(Caught([&] { session->Rewind(4); }).kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(Caught([&] { session->Rewind(-1); }).kind(), ErrorKind::kInvalidArgument);
  session->Rewind(3);
  EXPECT_EQ(session->tokens().size(), 3u);
}

// The engine goes back at no cost within chunk + slack tokens: nothing runs again but the new
// token.
TEST_F(SessionFileTest, ShortRewindsRunNothingAgain) {
  const auto session = engine_.NewSession();
  session->Append(RandomIds(300, 6));
  const auto steps = [&](int64_t back) {
    session->Rewind(static_cast<int64_t>(session->tokens().size()) - back);
    int64_t total = 0;
    session->Append(Ids{9}, {}, [&](int64_t, int64_t all) { total = all; });
    return total;
  };
  EXPECT_EQ(steps(1), 1);
  EXPECT_EQ(steps(60), 1);
  EXPECT_GT(steps(200), 1);
  // With a marked turn, no more than what came after it.
  session->MarkTurn();
  const auto marked = static_cast<int64_t>(session->tokens().size());
  session->Append(RandomIds(150, 7));
  EXPECT_EQ(steps(static_cast<int64_t>(session->tokens().size()) - marked - 10), 11);
}

TEST(SessionFile, ReplacesASavedSessionAndNothingElse) {
  const TemporaryFolder folder;
  Engine engine(RandomModel("base"), Options(16));
  const auto session = engine.NewSession();
  session->Append(RandomIds(5, 1));
  session->Save(folder.path() / "chat");
  EXPECT_NO_THROW(session->Save(folder.path() / "chat"));
  const auto model = folder.path() / "model.gguf";
  std::ofstream(model) << "GGUF and more";
  EXPECT_EQ(Caught([&] { session->Save(model); }).kind(), ErrorKind::kInvalidArgument);
  std::ifstream file(model);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "GGUF and more");
}

}  // namespace
}  // namespace tandem
