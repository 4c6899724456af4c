// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Faults while sessions are made, run, rewound, forked, saved and loaded: afterwards the session
// goes on as if nothing had been asked of it, bit for bit.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "engine/score.h"
#include "faults/small_model.h"
#include "faults/torture.h"
#include "support/model_test.h"
#include "tandem/engine.h"
#include "tandem/generation.h"

namespace tandem::test {
namespace {

using Ids = std::vector<int32_t>;
using Floats = std::vector<float>;

// Longer than a ring: what happens after the first turn of the rings is what is hard.
constexpr int64_t kChunk = 4;
const Ids kBefore = [] {
  Ids ids = {2};
  for (int32_t i = 1; i < 90; ++i) ids.push_back(6 + i * 37 % 270);
  return ids;
}();
const Ids kMore = {265, 100, 271, 270, 50, 51, 52, 53, 265, 264, 262};

EngineOptions Options(int threads = 1) {
  EngineOptions options;
  options.chunk = kChunk;
  options.threads = threads;
  return options;
}

std::shared_ptr<const Model> SmallModel() {
  static const auto model = [] {
    const TemporaryFolder folder;
    WriteSmallGguf(folder / "model.gguf");
    return Model::Load(folder / "model.gguf");
  }();
  return model;
}

Floats Append(Session& session, std::span<const int32_t> ids) {
  const auto logits = session.Append(ids);
  return {logits.begin(), logits.end()};
}

Ids Joined(const Ids& a, const Ids& b) {
  Ids joined = a;
  joined.insert(joined.end(), b.begin(), b.end());
  return joined;
}

Floats Expected(const Ids& ids) {
  Engine engine(SmallModel(), Options());
  return Append(*engine.NewSession(), ids);
}

std::string Contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class SessionScenario : public Scenario {
 public:
  void Prepare() override {
    engine_.emplace(SmallModel(), Options());
    session_ = engine_->NewSession();
    session_->Append(kBefore);
  }
  void Clear() override {
    other_.reset();
    session_.reset();
    engine_.reset();
  }

 protected:
  // What `session` says next if its tokens are kBefore.
  void ExpectAsBefore(Session& session) {
    EXPECT_EQ(session.tokens(), kBefore);
    EXPECT_TRUE(SameBits(Append(session, kMore), after_more_));
  }

  const Floats after_more_ = Expected(Joined(kBefore, kMore));
  std::optional<Engine> engine_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Session> other_;
};

class StartScenario : public SessionScenario {
 public:
  void Prepare() override {}
  void Run() override {
    engine_.emplace(SmallModel(), Options(3));
    session_ = engine_->NewSession();
  }
  void CheckDone() override {
    session_->Append(kBefore);
    ExpectAsBefore(*session_);
  }
  void CheckFailed() override { EXPECT_EQ(session_, nullptr); }
  // How much memory there is need not be known.
  bool MayIgnore(const Fault& fault, uint64_t) const override { return fault.call == Call::kRead; }
};

TEST(SessionFaults, Start) {
  StartScenario scenario;
  Torture("start an engine and a session", scenario,
          {Call::kAllocation, Call::kThread, Call::kMap, Call::kMemoryFile, Call::kResize,
           Call::kRead});
}

// Tokens of steps that were complete stay, and the rest can follow.
class AppendScenario : public SessionScenario {
 public:
  explicit AppendScenario(bool scored) : scored_(scored) {}
  // A first step with all its buffers is to be made.
  void Prepare() override {
    engine_.emplace(SmallModel(), Options(2));
    session_ = engine_->NewSession();
  }
  void Run() override {
    if (scored_) {
      session_->AppendScored(kBefore, [](size_t, std::span<const float>) {});
    } else {
      session_->Append(kBefore);
    }
  }
  void CheckDone() override { ExpectAsBefore(*session_); }
  void CheckFailed() override {
    const Ids stayed = session_->tokens();
    ASSERT_LT(stayed.size(), kBefore.size());
    ASSERT_EQ(stayed.size() % kChunk, 0u);
    ASSERT_TRUE(std::equal(stayed.begin(), stayed.end(), kBefore.begin()));
    session_->Append(std::span(kBefore).subspan(stayed.size()));
    ExpectAsBefore(*session_);
  }

 private:
  bool scored_;
};

TEST(SessionFaults, Append) {
  for (const bool scored : {false, true}) {
    AppendScenario scenario(scored);
    Torture(scored ? "append scored" : "append", scenario, {Call::kAllocation});
  }
}

class GenerateScenario : public SessionScenario {
 public:
  explicit GenerateScenario(Draft draft) {
    options_.draft = draft;
    options_.draft_adapt = draft != Draft::kModel;
    // One word again and again can be foreseen.
    if (draft != Draft::kNone) options_.sampling.logit_bias = {{265, 100}};
    options_.max_tokens = 12;
    options_.stop = {"no such text", "xyzzy"};
    options_.sampling.seed = 5;
    options_.sampling.repeat_penalty = 1.1;
    Prepare();
    plain_ = Generate(*session_, kMore, options_);
    text_ = plain_.text;
    Clear();
    EXPECT_GT(plain_.tokens.size(), 5u);
    EXPECT_EQ(plain_.accepted > 0, draft != Draft::kNone);
  }
  // The draft model has to read all of the text first.
  void Prepare() override {
    if (options_.draft != Draft::kModel) return SessionScenario::Prepare();
    EngineOptions options = Options();
    options.draft_model = SmallModel();
    engine_.emplace(SmallModel(), options);
    session_ = engine_->NewSession();
    session_->Append(kBefore);
  }
  void Run() override {
    text_.clear();
    result_ = Generate(*session_, kMore, options_,
                       {.text = [this](std::string_view piece) { text_ += piece; }});
  }
  void CheckDone() override {
    EXPECT_EQ(result_->tokens, plain_.tokens);
    EXPECT_EQ(result_->text, plain_.text);
    EXPECT_EQ(text_, plain_.text);
    EXPECT_EQ(session_->tokens(), Joined(Joined(kBefore, kMore), plain_.tokens));
  }
  void CheckFailed() override {
    const Ids all = Joined(Joined(kBefore, kMore), plain_.tokens);
    const Ids& now = session_->tokens();
    ASSERT_GE(now.size(), kBefore.size());
    ASSERT_LE(now.size(), all.size());
    EXPECT_TRUE(std::equal(now.begin(), now.end(), all.begin()));
    session_->Rewind(static_cast<int64_t>(kBefore.size()));
    Run();
    CheckDone();
  }
  void Clear() override {
    result_.reset();
    text_ = std::string();
    SessionScenario::Clear();
  }

 private:
  GenerationOptions options_;
  GenerationResult plain_;
  std::optional<GenerationResult> result_;
  std::string text_;
};

TEST(SessionFaults, Generate) {
  for (const Draft draft : {Draft::kNone, Draft::kLookup, Draft::kModel}) {
    GenerateScenario scenario(draft);
    Torture(draft == Draft::kNone     ? "generate"
            : draft == Draft::kLookup ? "generate with drafts"
                                      : "generate with a draft model",
            scenario, {Call::kAllocation});
  }
}

// A turn that fails leaves the session as it was.
class ReplyScenario : public SessionScenario {
 public:
  ReplyScenario() {
    options_.max_tokens = 6;
    Prepare();
    plain_ = Reply(*session_, "the hat", options_);
    tokens_ = session_->tokens();
    Clear();
  }
  void Run() override { result_ = Reply(*session_, "the hat", options_); }
  void CheckDone() override {
    EXPECT_EQ(result_->tokens, plain_.tokens);
    EXPECT_EQ(result_->text, plain_.text);
    EXPECT_EQ(session_->tokens(), tokens_);
  }
  void CheckFailed() override {
    EXPECT_EQ(session_->tokens(), kBefore);
    Run();
    CheckDone();
    session_->Rewind(static_cast<int64_t>(kBefore.size()));
    ExpectAsBefore(*session_);
  }
  void Clear() override {
    result_.reset();
    SessionScenario::Clear();
  }

 private:
  GenerationOptions options_;
  GenerationResult plain_;
  std::optional<GenerationResult> result_;
  Ids tokens_;
};

TEST(SessionFaults, Reply) {
  ReplyScenario scenario;
  Torture("reply", scenario, {Call::kAllocation});
}

// Rows of logits go to a file; the session starts over each time.
class ScoreScenario : public SessionScenario {
 public:
  ScoreScenario() {
    SessionScenario::Prepare();
    plain_ = Score(*session_, kBefore, Options()).total_log_probability;
    bytes_ = Contents(folder_ / "logits.npy");
    SessionScenario::Clear();
  }
  void Prepare() override {
    std::filesystem::remove(folder_ / "logits.npy");
    SessionScenario::Prepare();
  }
  void Run() override { total_ = Score(*session_, kBefore, Options()).total_log_probability; }
  void CheckDone() override {
    EXPECT_EQ(total_, plain_);
    EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"logits.npy"}));
    EXPECT_TRUE(Contents(folder_ / "logits.npy") == bytes_);
    ExpectAsBefore(*session_);
  }
  void CheckFailed() override {
    EXPECT_TRUE(folder_.Names().empty());
    Run();
    CheckDone();
  }
  bool IsPublic() const override { return false; }
  // The folder is synced where that can be done.
  bool MayIgnore(const Fault& fault, uint64_t count) const override {
    return (fault.call == Call::kOpen || fault.call == Call::kSync) && fault.nth == count;
  }

 private:
  ScoreOptions Options() const { return {.top = 3, .logits_file = folder_ / "logits.npy"}; }

  TemporaryFolder folder_;
  double plain_ = 0;
  std::string bytes_;
  double total_ = 0;
};

TEST(SessionFaults, Score) {
  ScoreScenario scenario;
  Torture("score into a file", scenario,
          {Call::kAllocation, Call::kOpen, Call::kStat, Call::kWrite, Call::kSync, Call::kRename});
}

// Marking a turn can fail, going back cannot.
class MarkScenario : public SessionScenario {
 public:
  void Run() override {
    for (int64_t i = 0; i < 10; ++i) {
      session_->Append(std::span(kMore).subspan(static_cast<size_t>(i), 1));
      session_->MarkTurn();
    }
  }
  void CheckDone() override {
    for (const int64_t length : {96, 95, 90}) {
      session_->Rewind(length);
      EXPECT_EQ(session_->tokens(), First(static_cast<size_t>(length)));
    }
    ExpectAsBefore(*session_);
  }
  void CheckFailed() override {
    EXPECT_EQ(session_->tokens(), First(session_->tokens().size()));
    session_->Rewind(90);
    ExpectAsBefore(*session_);
  }

 private:
  static Ids First(size_t count) {
    Ids all = Joined(kBefore, kMore);
    all.resize(count);
    return all;
  }
};

TEST(SessionFaults, MarkTurn) {
  MarkScenario scenario;
  Torture("mark turns", scenario, {Call::kAllocation});
}

// From within the slack of the rings, from a mark, and to the start.
class RewindScenario : public SessionScenario {
 public:
  void Prepare() override {
    engine_.emplace(SmallModel(), Options());
    session_ = engine_->NewSession();
    session_->Append(std::span(kBefore).first(10));
    session_->MarkTurn();
    session_->Append(std::span(kBefore).subspan(10));
    session_->Append(kMore);
  }
  void Run() override {
    session_->Rewind(90);
    session_->Rewind(12);
    session_->Rewind(5);
    session_->Reset();
  }
  void CheckDone() override {
    session_->Append(kBefore);
    ExpectAsBefore(*session_);
  }
};

TEST(SessionFaults, RewindCannotFail) {
  RewindScenario scenario;
  Torture("rewind", scenario, {});
}

// The first fork of a session shares its memory, later ones copy.
class ForkScenario : public SessionScenario {
 public:
  explicit ForkScenario(bool second) : second_(second) {}
  void Prepare() override {
    SessionScenario::Prepare();
    session_->MarkTurn();
    if (second_) other_ = session_->Fork();
  }
  void Run() override { other_ = session_->Fork(); }
  void CheckDone() override {
    ExpectAsBefore(*session_);
    ExpectAsBefore(*other_);
    session_->Rewind(90);
    ExpectAsBefore(*session_);
  }
  void CheckFailed() override {
    ExpectAsBefore(*session_);
    session_->Rewind(90);
    other_ = session_->Fork();
    ExpectAsBefore(*other_);
    ExpectAsBefore(*session_);
  }

 private:
  bool second_;
};

TEST(SessionFaults, Fork) {
  ForkScenario first(false);
  Torture("fork", first, {Call::kAllocation, Call::kMap});
  ForkScenario second(true);
  Torture("fork again", second, {Call::kAllocation, Call::kMap, Call::kMemoryFile, Call::kResize});
}

class SaveScenario : public SessionScenario {
 public:
  /// `replaces`: there is a file already.
  explicit SaveScenario(bool replaces) : replaces_(replaces), path_(folder_ / "chat.session") {
    SessionScenario::Prepare();
    session_->Save(folder_ / "plain");
    plain_ = Contents(folder_ / "plain");
    std::filesystem::remove(folder_ / "plain");
    SessionScenario::Clear();
  }
  void Prepare() override {
    SessionScenario::Prepare();
    if (!replaces_) return;
    std::ofstream(path_) << kOld;
    ::chmod(path_.c_str(), 0600);
  }
  void Run() override { session_->Save(path_); }
  void CheckDone() override {
    EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"chat.session"}));
    EXPECT_TRUE(Contents(path_) == plain_);
    if (replaces_) {
      EXPECT_EQ(std::filesystem::status(path_).permissions(), std::filesystem::perms(0600));
    }
    ExpectAsBefore(*session_);
  }
  void CheckFailed() override {
    if (replaces_) {
      EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"chat.session"}));
      EXPECT_TRUE(Contents(path_) == kOld);
    } else {
      EXPECT_TRUE(folder_.Names().empty());
    }
    session_->Save(path_);
    CheckDone();
  }
  void Clear() override {
    std::filesystem::remove(path_);
    SessionScenario::Clear();
  }
  // The folder is synced where that can be done, and the file's size is looked up to be logged.
  bool MayIgnore(const Fault& fault, uint64_t count) const override {
    return (fault.call == Call::kOpen || fault.call == Call::kSync || fault.call == Call::kStat) &&
           fault.nth == count;
  }

 private:
  static constexpr const char* kOld = "TNDMSESS and what was here before";

  bool replaces_;
  TemporaryFolder folder_;
  std::filesystem::path path_;
  std::string plain_;
};

TEST(SessionFaults, SaveNewFile) {
  SaveScenario scenario(false);
  Torture("save", scenario,
          {Call::kAllocation, Call::kOpen, Call::kStat, Call::kWrite, Call::kSync, Call::kRename});
}

TEST(SessionFaults, SaveOverOldFile) {
  SaveScenario scenario(true);
  Torture("save over a file", scenario,
          {Call::kAllocation, Call::kOpen, Call::kStat, Call::kMap, Call::kWrite, Call::kSync,
           Call::kRename, Call::kMode});
}

// What was there before loading is there still, and the file is as good as before.
class RestoreScenario : public SessionScenario {
 public:
  explicit RestoreScenario(KvType stored) : path_(folder_ / "chat.session") {
    EngineOptions options = Options();
    options.kv = stored;
    Engine engine(SmallModel(), options);
    const auto session = engine.NewSession();
    session->Append(saved_);
    session->Save(path_);
    Prepare();
    session_->Load(path_);
    after_saved_ = Append(*session_, kMore);
    Clear();
  }
  void Run() override { session_->Load(path_); }
  void CheckDone() override {
    EXPECT_EQ(session_->tokens(), saved_);
    EXPECT_TRUE(SameBits(Append(*session_, kMore), after_saved_));
  }
  void CheckFailed() override {
    ExpectAsBefore(*session_);
    session_->Load(path_);
    CheckDone();
  }
  // The file's size is looked up to be logged.
  bool MayIgnore(const Fault& fault, uint64_t count) const override {
    return fault.call == Call::kStat && fault.nth == count;
  }

 private:
  const Ids saved_ = Joined(kMore, kBefore);
  TemporaryFolder folder_;
  std::filesystem::path path_;
  Floats after_saved_;
};

TEST(SessionFaults, Load) {
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    RestoreScenario scenario(type);
    Torture(type == KvType::kF32 ? "load a session" : "load a session of another type", scenario,
            {Call::kAllocation, Call::kOpen, Call::kStat, Call::kMap, Call::kMemoryFile,
             Call::kResize});
  }
}

}  // namespace
}  // namespace tandem::test
