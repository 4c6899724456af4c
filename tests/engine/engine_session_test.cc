// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a session computes depends on its tokens alone: not on chunks, calls, threads, or how much
// of the logits is asked for. Bit for bit, because a chunked prompt that differs in the last bit
// sooner or later answers differently.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/engine_test_util.h"

namespace tandem {
namespace {

constexpr int64_t kChunks[] = {1, 2, 3, 7, 16, 64, 256};

class ChunkTest : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const Model> model() const { return RandomModel(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(RandomModels, ChunkTest, testing::Values("base", "mha"));

// 300 tokens are 19 windows of 16: every ring wraps, even the longest, of 271 positions.
TEST_P(ChunkTest, LastLogitsAreTheSameForAllChunksAndCalls) {
  const Ids ids = RandomIds(300, 1);
  Engine first(model(), Options(16));
  const Floats expected = Fresh(first, ids);
  std::mt19937_64 random(2);
  for (const int64_t chunk : kChunks) {
    Engine engine(model(), Options(chunk, 2));
    const auto parts = RandomParts(ids.size(), 150, random);
    const auto session = engine.NewSession();
    EXPECT_TRUE(SameBits(AppendParts(*session, ids, parts), expected)) << chunk;
    EXPECT_EQ(session->tokens(), ids);
  }
}

TEST_P(ChunkTest, LastLogitsAreTheSameForAllThreads) {
  const Ids ids = RandomIds(45, 10);
  Engine first(model(), Options(16));
  const Floats expected = Fresh(first, ids);
  std::mt19937_64 random(11);
  for (const int64_t chunk : kChunks) {
    for (const int threads : {1, 3}) {
      Engine engine(model(), Options(chunk, threads));
      const auto parts = RandomParts(ids.size(), 20, random);
      const Floats logits = AppendParts(*engine.NewSession(), ids, parts);
      EXPECT_TRUE(SameBits(logits, expected)) << chunk << " x " << threads;
    }
  }
}

TEST_P(ChunkTest, EveryPrefixHasTheLogitsOfAppendingOneByOne) {
  const Ids ids = RandomIds(50, 3);
  Engine one_engine(model(), Options(1));
  const auto one = one_engine.NewSession();
  std::vector<Floats> rows;
  for (const int32_t id : ids) rows.push_back(Append(*one, {&id, 1}));
  for (const int64_t chunk : {1, 3, 16, 64}) {
    Engine engine(model(), Options(chunk, 2));
    const auto scored = Scored(*engine.NewSession(), ids);
    ASSERT_EQ(scored.size(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_TRUE(SameBits(scored[i], rows[i])) << "chunk " << chunk << ", token " << i;
    }
    for (const size_t length : {2, 17, 33}) {
      EXPECT_TRUE(SameBits(Fresh(engine, std::span(ids).first(length)), rows[length - 1]))
          << "chunk " << chunk << ", " << length << " tokens";
    }
  }
}

// Scoring, prompts, single tokens and deferred ones in any order on one session.
TEST_P(ChunkTest, MixedCallsGiveTheSameLogits) {
  const Ids ids = RandomIds(130, 4);
  Engine one_engine(model(), Options(1));
  const auto rows = Scored(*one_engine.NewSession(), ids);
  std::mt19937_64 random(5);
  for (const int64_t chunk : {1, 7, 16, 64}) {
    Engine engine(model(), Options(chunk));
    const auto session = engine.NewSession();
    for (std::span<const int32_t> rest = ids; !rest.empty();) {
      const size_t at = ids.size() - rest.size();
      const auto part = rest.first(std::min<size_t>(rest.size(), 1 + random() % 30));
      rest = rest.subspan(part.size());
      switch (random() % 3) {
        case 0:
          EXPECT_TRUE(SameBits(Append(*session, part), rows[at + part.size() - 1])) << at;
          break;
        case 1: {
          const auto scored = Scored(*session, part);
          ASSERT_EQ(scored.size(), part.size());
          for (size_t i = 0; i < part.size(); ++i) {
            EXPECT_TRUE(SameBits(scored[i], rows[at + i])) << at + i;
          }
          break;
        }
        default:
          for (const int32_t id : part) session->Defer(id);
      }
      ASSERT_EQ(session->tokens().size(), at + part.size());
    }
  }
}

TEST_P(ChunkTest, EightBitKeysAreCloseAndAsIndifferentToChunks) {
  const Ids ids = RandomIds(100, 6);
  Engine float_engine(model(), Options(16, 1, KvType::kF32));
  Engine small_engine(model(), Options(1, 1, KvType::kQ8));
  const Floats full = Fresh(float_engine, ids);
  const Floats small = Fresh(small_engine, ids);
  double worst = 0;
  for (size_t i = 0; i < full.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(full[i]) - small[i]));
  }
  EXPECT_LT(worst, 1.5);
  EXPECT_GT(worst, 0) << "the option changes nothing";
  for (const int64_t chunk : {3, 16, 256}) {
    Engine engine(model(), Options(chunk, 2, KvType::kQ8));
    EXPECT_TRUE(SameBits(Fresh(engine, ids), small)) << chunk;
  }
  EXPECT_EQ(small_engine.NewSession()->kv_bytes() * 2 * 32,
            Engine(model(), Options(1, 1, KvType::kF16)).NewSession()->kv_bytes() * 34);
}

TEST_P(ChunkTest, HalfPrecisionKeysAreCloseAndAsIndifferentToChunks) {
  const Ids ids = RandomIds(100, 6);
  Engine float_engine(model(), Options(16, 1, KvType::kF32));
  Engine half_engine(model(), Options(1, 1, KvType::kF16));
  const Floats full = Fresh(float_engine, ids);
  const Floats half = Fresh(half_engine, ids);
  double worst = 0;
  for (size_t i = 0; i < full.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(full[i]) - half[i]));
  }
  // Half keys and values cost up to 0.055 on these models' logits, which lie within +-12.
  EXPECT_LT(worst, 0.1);
  EXPECT_GT(worst, 0) << "the option changes nothing";
  for (const int64_t chunk : {3, 16, 256}) {
    Engine engine(model(), Options(chunk, 2, KvType::kF16));
    EXPECT_TRUE(SameBits(Fresh(engine, ids), half)) << chunk;
  }
  EXPECT_EQ(half_engine.NewSession()->kv_bytes() * 2,
            Engine(model(), Options(1, 1, KvType::kF32)).NewSession()->kv_bytes());
}

// A session shorter than window - 1 + chunk keeps whole contexts instead of rings.
TEST_P(ChunkTest, ShortContextsGiveTheSameLogits) {
  const Ids ids = RandomIds(40, 7);
  Engine engine(model(), Options(16));
  const auto rows = Scored(*engine.NewSession(), ids);
  for (const int64_t context : {1, 2, 15, 16, 17, 30, 31, 32, 40}) {
    const auto session = engine.NewSession(context);
    EXPECT_EQ(session->context(), context);
    const auto fitting = std::span(ids).first(static_cast<size_t>(context));
    EXPECT_TRUE(SameBits(Append(*session, fitting), rows[fitting.size() - 1])) << context;
    EXPECT_EQ(session->remaining(), 0);
  }
}

TEST(FableChunkTest, LastLogitsAreTheSamePastTheWindow) {
  const Ids ids = RandomIds(130, 8, 2438);
  Engine whole_engine(Fable(), Options(256));
  const Floats whole = Fresh(whole_engine, ids);
  std::mt19937_64 random(9);
  for (const auto& [chunk, threads] : {std::pair(7, 2), std::pair(32, 3)}) {
    Engine engine(Fable(), Options(chunk, threads));
    const auto session = engine.NewSession(256);
    const auto parts = RandomParts(ids.size(), 90, random);
    EXPECT_TRUE(SameBits(AppendParts(*session, ids, parts), whole)) << chunk;
  }
}

}  // namespace
}  // namespace tandem
