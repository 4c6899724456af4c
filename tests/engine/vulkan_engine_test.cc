// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole models on a Vulkan device: goldens of the reference implementation, sessions that go back,
// fork, are saved and change devices, and the built-in model's replies against the CPU's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/doctor.h"
#include "engine/engine_impl.h"
#include "engine/engine_test_util.h"
#include "engine/golden_chat.h"
#include "support/model_test.h"
#include "support/vulkan_test.h"
#include "tandem/generation.h"

namespace tandem {
namespace {

EngineOptions On(const std::string& prefill, const std::string& decode, int64_t chunk = 16) {
  EngineOptions options = Options(chunk, 1);
  options.prefill = prefill;
  options.decode = decode;
  return options;
}

double Difference(const Floats& a, const Floats& b) {
  double worst = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = std::isfinite(difference) ? std::max(worst, difference) : INFINITY;
  }
  return worst;
}

TEST(VulkanEngine, GoldenLogitsAgree) {
  TANDEM_REQUIRE_VULKAN();
  for (const std::string name : {"base", "mha"}) {
    const std::filesystem::path golden = "data/random/" + name + "/golden.safetensors";
    const Ids ids = test::GoldenIds(golden);
    const Floats want = test::GoldenLogits(golden);
    Engine engine(RandomModel(name), On("vulkan", "vulkan"));
    Floats got;
    for (const Floats& row : Scored(*engine.NewSession(), ids)) {
      got.insert(got.end(), row.begin(), row.end());
    }
    EXPECT_LT(Difference(got, want), 5e-3) << name;
  }
}

// The same random walk on the CPU and on engines that decode, or read prompts, on the GPU: whatever
// a session does, the device's copy of its keys and values must follow.
TEST(VulkanEngine, SessionsGoBackForkAndChangeDevices) {
  TANDEM_REQUIRE_VULKAN();
  const auto model = RandomModel("base");
  const test::TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> placements = {
      {"cpu", "cpu"}, {"vulkan", "vulkan"}, {"cpu", "vulkan"}, {"vulkan", "cpu"}};
  std::vector<std::unique_ptr<Engine>> engines;
  std::vector<std::unique_ptr<Session>> sessions;
  for (const auto& [prefill, decode] : placements) {
    engines.push_back(std::make_unique<Engine>(model, On(prefill, decode)));
    sessions.push_back(engines.back()->NewSession());
  }
  std::mt19937_64 random(7);
  for (int step = 0; step < 40; ++step) {
    const size_t length = sessions[0]->tokens().size();
    const uint64_t what = random() % 8;
    const size_t count = 1 + (what < 3 ? 0 : random() % 40);
    const Ids ids = RandomIds(count, random());
    const auto target = static_cast<int64_t>(length > 0 ? random() % length : 0);
    const int64_t near = std::max<int64_t>(0, static_cast<int64_t>(length) - 5);
    if (length + count > 400) {
      for (auto& session : sessions) session->Reset();
    }
    Floats first;
    for (size_t i = 0; i < sessions.size(); ++i) {
      auto& session = sessions[i];
      if (what == 5) session->MarkTurn();
      if (what == 6) session->Rewind(std::min<int64_t>(near, session->tokens().size()));
      if (what == 7 && !session->tokens().empty()) {
        if (step % 3 == 0) session = session->Fork();
        if (step % 3 == 1) {
          const auto file = folder / "session";
          session->Save(file);
          session = engines[i]->NewSession();
          session->Load(file);
        }
        session->Rewind(std::min<int64_t>(target, session->tokens().size()));
      }
      const Floats logits = Append(*session, ids);
      if (i == 0) first = logits;
      ASSERT_LT(Difference(logits, first), 2e-3)
          << "step " << step << " (" << what << ") on " << placements[i].first << ", "
          << placements[i].second;
    }
  }
}

// Greedy replies are the CPU's, token for token, up to where the CPU itself is of two minds.
TEST(VulkanEngine, FableAnswersAsOnTheCpu) {
  TANDEM_REQUIRE_VULKAN();
  Engine cpu(Fable(), On("cpu", "cpu", 64));
  Engine vulkan(Fable(), On("vulkan", "vulkan", 64));
  const auto chats = ReadGoldenChats("data/fable-e4b/golden.json");
  size_t same = 0;
  for (const GoldenChat& chat : chats) {
    SCOPED_TRACE(chat.prompt);
    const GenerationResult want = GreedyReply(cpu, chat);
    const GenerationResult got = GreedyReply(vulkan, chat);
    if (got.tokens == want.tokens) {
      ++same;
      continue;
    }
    const auto [a, b] =
        std::mismatch(want.tokens.begin(), want.tokens.end(), got.tokens.begin(), got.tokens.end());
    Ids ids = chat.prompt_ids;
    ids.insert(ids.end(), want.tokens.begin(), a);
    Floats logits = Fresh(cpu, ids);
    std::nth_element(logits.begin(), logits.begin() + 1, logits.end(), std::greater<>());
    EXPECT_LT(logits[0] - logits[1], 0.05) << "token " << a - want.tokens.begin();
  }
  EXPECT_GE(same * 10, chats.size() * 8);
}

// What a GPU draws itself, and how far it goes ahead, never shows: not in replies, whatever ends
// them, nor in what a session does after them.
TEST(VulkanEngine, RepliesAreTheSameHoweverFarItGoesAhead) {
  TANDEM_REQUIRE_VULKAN();
  std::vector<std::unique_ptr<Engine>> engines;
  std::vector<std::unique_ptr<Session>> sessions;
  for (const int ahead : {0, 1, 3}) {
    EngineOptions options = On("vulkan", "vulkan", 64);
    options.gpu_table = ahead != 0;
    options.gpu_ahead = ahead;
    engines.push_back(std::make_unique<Engine>(Fable(), options));
    EXPECT_EQ(engines.back()->impl().decode->StepsAhead(), ahead);
    sessions.push_back(engines.back()->NewSession(160));
  }
  std::mt19937_64 random(5);
  int tokens = 0;
  for (int turn = 0; turn < 16; ++turn) {
    GenerationOptions options;
    options.sampling.seed = random();
    options.sampling.temperature = turn % 3 == 0 ? 0 : 1.5;
    options.sampling.top_k = turn % 5 == 4 ? 0 : static_cast<int>(1 + random() % 100);
    options.sampling.top_p = turn % 2 == 0 ? 0.9 : 1;
    options.sampling.min_p = turn % 4 == 1 ? 0.02 : 0;
    if (turn % 7 == 6) options.sampling.frequency_penalty = 0.5;
    options.max_tokens = turn % 4 == 3 ? 3 : 40;
    const int64_t cancel_at = turn % 6 == 5 ? 4 : 1000;
    const Ids prompt = RandomIds(1 + random() % 20, random(), 4000);
    GenerationResult first;
    Floats first_logits;
    Ids first_tokens;
    for (size_t i = 0; i < sessions.size(); ++i) {
      SCOPED_TRACE(fmt::format("turn {}, {}", turn, i));
      auto& session = sessions[i];
      if (session->tokens().size() > 100 && turn % 2 == 0) session->Reset();
      int64_t asked = 0;
      GenerationCallbacks callbacks;
      callbacks.cancelled = [&] { return ++asked > cancel_at; };
      GenerationResult result;
      if (session->context() < static_cast<int64_t>(session->tokens().size() + prompt.size())) {
        session->Reset();
      }
      result = Generate(*session, prompt, options, callbacks);
      if (turn % 8 == 2) session = session->Fork();
      if (turn % 8 == 7) session->Rewind(session->tokens().size() / 2);
      if (i == 0) {
        first = result;
        first_tokens = session->tokens();
      }
      EXPECT_EQ(result.tokens, first.tokens);
      EXPECT_EQ(result.reason, first.reason);
      EXPECT_EQ(session->tokens(), first_tokens);
      if (turn % 3 != 1 || session->tokens().size() + 1 >= 160) continue;
      const Floats logits = Append(*session, Ids{17});
      if (i == 0) first_logits = logits;
      EXPECT_LT(Difference(logits, first_logits), 1e-6);
    }
    tokens += static_cast<int>(first.tokens.size());
  }
  EXPECT_GT(tokens, 60);
}

// Without a top-k: from the whole vocabulary, from what a cut leaves, and where that is more than
// the device hands over, from the logits that the step has left.
TEST(VulkanEngine, RepliesWithoutATopKAreTheSame) {
  TANDEM_REQUIRE_VULKAN();
  std::vector<std::unique_ptr<Engine>> engines;
  for (const int ahead : {0, 1, 3}) {
    EngineOptions options = On("vulkan", "vulkan", 64);
    options.gpu_table = ahead != 0;
    options.gpu_ahead = ahead;
    engines.push_back(std::make_unique<Engine>(Fable(), options));
  }
  const auto chats = ReadGoldenChats("data/fable-e4b/golden.json");
  std::mt19937_64 random(8);
  std::set<int32_t> ids;
  size_t tokens = 0;
  for (int n = 0; n < 12; ++n) {
    GenerationOptions options;
    options.sampling.seed = random();
    options.sampling.temperature = n % 4 == 0 ? 0.8 : 2.5;
    options.sampling.top_k = 0;
    options.sampling.top_p = n % 3 == 0 ? 0.9 : n % 3 == 1 ? 0.9999999 : 1;
    options.max_tokens = 12;
    const Ids& prompt = chats[static_cast<size_t>(n) % chats.size()].prompt_ids;
    Ids first;
    for (size_t i = 0; i < engines.size(); ++i) {
      SCOPED_TRACE(fmt::format("reply {}, {}", n, i));
      const auto session = engines[i]->NewSession(400);
      const GenerationResult result = Generate(*session, prompt, options);
      if (i == 0) first = result.tokens;
      EXPECT_EQ(result.tokens, first);
      ids.insert(first.begin(), first.end());
      tokens += first.size();
    }
  }
  EXPECT_GT(tokens, 200u);
  EXPECT_GT(ids.size(), 30u);
}

// Two sessions take turns on one device, each going ahead of the other's steps.
TEST(VulkanEngine, SessionsThatGoAheadDoNotMeet) {
  TANDEM_REQUIRE_VULKAN();
  EngineOptions options = On("vulkan", "vulkan", 64);
  options.gpu_table = true;
  Engine engine(Fable(), options);
  GenerationOptions greedy;
  greedy.sampling.temperature = 0;
  greedy.max_tokens = 7;
  const Ids prompts[] = {RandomIds(9, 1, 4000), RandomIds(30, 2, 4000)};
  std::vector<Ids> alone, together(2);
  for (const Ids& prompt : prompts) {
    auto session = engine.NewSession(400);
    Ids all;
    for (int turn = 0; turn < 4; ++turn) {
      const auto reply = Generate(*session, prompt, greedy).tokens;
      all.insert(all.end(), reply.begin(), reply.end());
    }
    alone.push_back(all);
  }
  std::unique_ptr<Session> sessions[] = {engine.NewSession(400), engine.NewSession(200)};
  for (int turn = 0; turn < 4; ++turn) {
    for (size_t i = 0; i < 2; ++i) {
      const auto reply = Generate(*sessions[i], prompts[i], greedy).tokens;
      together[i].insert(together[i].end(), reply.begin(), reply.end());
    }
  }
  EXPECT_EQ(together, alone);
}

TEST(VulkanEngine, DoctorListsDevicesAndAutoTakesNoneOfThem) {
  TANDEM_REQUIRE_VULKAN();
  const DoctorReport report = Diagnose();
  ASSERT_FALSE(report.gpus.empty());
  EXPECT_TRUE(std::any_of(report.gpus.begin(), report.gpus.end(),
                          [](const GpuReport& gpu) { return gpu.usable; }));
  EXPECT_EQ(report.auto_device, "cpu");
  const bool only_software = std::all_of(report.gpus.begin(), report.gpus.end(),
                                         [](const GpuReport& gpu) { return gpu.software; });
  EXPECT_EQ(report.auto_reason.find("software") != std::string::npos, only_software)
      << report.auto_reason;
  EXPECT_EQ(Engine(RandomModel("base"), Options(16)).DecodeDevice(), "cpu");
}

TEST(VulkanEngine, SaysWhatItRunsOnAndRefusesWhatIsNotThere) {
  TANDEM_REQUIRE_VULKAN();
  const Engine engine(RandomModel("base"), On("vulkan", "vulkan"));
  EXPECT_EQ(engine.DecodeDevice(), "vulkan");
  EngineOptions options = On("vulkan", "vulkan");
  options.gpu = 99;
  EXPECT_EQ(Caught([&] { Engine(RandomModel("base"), options); }).kind(), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace tandem
