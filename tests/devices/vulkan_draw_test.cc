// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens drawn on the device: the likeliest of all logits, exactly and in order, whatever lies
// among them, and the token that the host's sampler draws from all logits; steps that follow one
// another unseen; looks-up in a per-layer table on the device.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "core/error.h"
#include "devices/vulkan/vulkan_device.h"
#include "engine/sampler.h"
#include "program/program.h"
#include "support/vulkan_test.h"

namespace tandem::testing {
namespace {

using Logits = std::vector<float>;

// A program whose logits after token t are the t-th of the vectors it is made of: a row of the
// embedding is a one among zeros.
class Echo {
 public:
  explicit Echo(const std::vector<Logits>& logits) {
    const auto tokens = static_cast<int64_t>(logits.size());
    const auto vocab = static_cast<int64_t>(logits[0].size());
    embedding_.resize(static_cast<size_t>(vocab * tokens));
    head_.resize(embedding_.size());
    for (int64_t t = 0; t < tokens; ++t) {
      if (t < vocab) embedding_[static_cast<size_t>(t * tokens + t)] = 1;
      for (int64_t v = 0; v < vocab; ++v) {
        head_[static_cast<size_t>(v * tokens + t)] =
            logits[static_cast<size_t>(t)][static_cast<size_t>(v)];
      }
    }
    const auto view = [&](const std::vector<float>& table) {
      return WeightView{DType::kF32, vocab, tokens, static_cast<size_t>(tokens) * sizeof(float),
                        reinterpret_cast<const std::byte*>(table.data())};
    };
    program.vocab_rows = vocab;
    const ValueId x = program.AddValue("x", RowSet::kWanted, 1, tokens);
    program.logits = program.AddValue("logits", RowSet::kWanted, 1, vocab);
    Add(EmbedTokens{view(embedding_), 1, x});
    Add(LmHead{x, view(head_), 0, program.logits});
    Verify(program);
  }
  Program program;

 private:
  void Add(OpBody body) {
    Op op;
    op.rows = RowSet::kWanted;
    op.body = std::move(body);
    program.ops.push_back(std::move(op));
  }

  std::vector<float> embedding_, head_;
};

class VulkanDraw : public ::testing::Test {
 protected:
  void Compile(const Program& program, const VulkanOptions& options = {}) {
    segment_.reset();
    device_ = MakeVulkanDevice(options);  // knows programs and weights by their addresses
    segment_ = device_->Compile(program, {0, program.ops.size()}, {1, 1});
    ASSERT_GT(segment_->StepsAhead(), 1);
    buffers_.clear();
    pointers_.clear();
    for (const Value& value : program.values) {
      buffers_.emplace_back(static_cast<size_t>(value.planes * value.width));
      pointers_.push_back(buffers_.back().data());
    }
    banned_.assign((static_cast<size_t>(program.vocab_rows) + 31) / 32, 0);
  }
  Fence Submit(int32_t token, const DrawParams& params, Drawn& drawn, bool follows = false) {
    const DrawRequest request{params, banned_, follows, &drawn};
    Bindings bindings{pointers_, {}};
    bindings.draw = &request;
    const StepRow row{token, 0, 0, true};
    return segment_->Submit(bindings, {&row, 1});
  }
  Drawn Draw(int32_t token, const DrawParams& params) {
    Drawn drawn;
    Submit(token, params, drawn).Wait();
    return drawn;
  }
  /// As the device has them: what is less than a normal number may be zero there.
  Logits Of(int32_t token, const Program& program) {
    const Bindings bindings{pointers_, {}};
    const StepRow row{token, 0, 0, true};
    segment_->Submit(bindings, {&row, 1}).Wait();
    return buffers_[static_cast<size_t>(program.logits)];
  }
  bool IsBanned(size_t id) const { return (banned_[id / 32] >> (id % 32) & 1) != 0; }

  std::vector<TokenLogit> Likeliest(const Logits& logits, int32_t top_k) const {
    std::vector<TokenLogit> all;
    for (size_t id = 0; id < logits.size(); ++id) {
      if (!IsBanned(id) && logits[id] != -INFINITY) {
        all.push_back({static_cast<int32_t>(id), logits[id]});
      }
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const TokenLogit& a, const TokenLogit& b) { return a.logit > b.logit; });
    all.resize(std::min(all.size(), static_cast<size_t>(top_k)));
    return all;
  }
  void ExpectLikeliest(const Drawn& drawn, const std::vector<TokenLogit>& want) {
    ASSERT_TRUE(drawn.whole);
    ASSERT_EQ(drawn.likeliest.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(drawn.likeliest[i].id, want[i].id) << i;
      ASSERT_EQ(drawn.likeliest[i].logit, want[i].logit) << i;
    }
  }

  /// After token t, whose logits are these, against the sampler, with its next random number.
  Drawn DrawAsHost(size_t t, const Logits& logits, const SamplingOptions& options) {
    const auto banned = [this](int32_t id) { return IsBanned(static_cast<size_t>(id)); };
    Sampler from_all(options, banned), from_drawn(options, banned);
    Drawn drawn = Draw(static_cast<int32_t>(t), *from_all.DrawAhead(0));
    const int32_t want = from_all.Sample(logits, {});
    if (drawn.whole) {
      EXPECT_EQ(drawn.token, want);
      EXPECT_EQ(from_drawn.Sample(drawn), want);
      if (from_all.DrawAhead(0)->FromAll()) {
        EXPECT_EQ(drawn.total, from_all.Choose(logits, {}).total) << "bit for bit";
      }
    } else {
      EXPECT_TRUE(
          std::equal(logits.begin(), logits.end(), drawn.logits.begin(), drawn.logits.end()));
      // The list was too short, and not for nothing.
      SamplingOptions plain = options;
      plain.temperature = 1;
      Sampler sampler(plain, banned);
      EXPECT_TRUE(sampler.Choose(logits, {}).list.size() >= kMaxDrawn || HasManyEquals(logits));
    }
    return drawn;
  }
  bool HasManyEquals(const Logits& logits) const {
    std::map<float, int> counts;
    for (const float x : logits) ++counts[x];
    return std::any_of(counts.begin(), counts.end(),
                       [](const auto& count) { return count.second > kMaxDrawn; });
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Segment> segment_;
  std::vector<std::vector<float>> buffers_;
  std::vector<float*> pointers_;
  std::vector<uint32_t> banned_;
};

// Not a number in none, and something allowed where the first token is.
Logits LogitsOfKind(int kind, size_t vocab, std::mt19937_64& random) {
  std::normal_distribution<float> normal(0, 3);
  Logits logits(vocab);
  for (float& x : logits) {
    x = normal(random);
    if (kind == 1) x = std::round(x);
    if (kind == 2) x = random() % 2 == 0 ? 0.0F : -0.0F;
    if (kind == 3) x = 20 + 0.3F * x;
    if (kind == 4) x *= 1e37F;
    if (kind == 5) x *= 1e-39F;  // most of them less than a normal number
    if (kind == 6) x = random() % 3 == 0 ? -INFINITY : x;
  }
  if (kind == 6) logits[0] = 1;
  if (kind == 7) {
    for (int i = 0; i < 3; ++i) logits[random() % vocab] = INFINITY;
  }
  return logits;
}

// Vocabularies around the sizes of blocks and workgroups; logits with many equals, zeros of both
// signs, infinities in some.
TEST_F(VulkanDraw, FindsTheLikeliestInOrder) {
  TANDEM_REQUIRE_VULKAN();
  std::mt19937_64 random(11);
  for (const size_t vocab : {1, 2, 31, 255, 257, 2048, 2049, 6001, 70'003}) {
    SCOPED_TRACE(vocab);
    std::normal_distribution<float> normal(0, 4);
    std::vector<Logits> logits(4, Logits(vocab));
    for (float& x : logits[0]) x = normal(random);
    for (float& x : logits[1]) x = std::round(normal(random));
    for (float& x : logits[2]) x = random() % 2 == 0 ? 0.0F : -0.0F;
    for (size_t i = 0; i < vocab; ++i) logits[3][i] = static_cast<float>(i) * 1e-3F - 20;
    const Echo echo(logits);
    Compile(echo.program);
    if (HasFatalFailure()) return;
    for (const int share : {0, 3}) {
      for (size_t id = 0; id + 1 < vocab; ++id) {
        if (share > 0 && random() % 10 < static_cast<uint64_t>(share))
          banned_[id / 32] |= 1U << id % 32;
      }
      // The mask of a program never changes: a new one.
      const Echo own(logits);
      const auto mask = banned_;
      Compile(own.program);
      banned_ = mask;
      for (size_t t = 0; t < std::min<size_t>(vocab, 4); ++t) {
        for (const int32_t top_k : {1, 2, 40, 256}) {
          SCOPED_TRACE(fmt::format("logits {}, top {}", t, top_k));
          const Drawn drawn = Draw(static_cast<int32_t>(t), {.top_k = top_k});
          // So many equals, or so many of the best in one place, that they do not fit.
          if (!drawn.whole && t >= 2 && vocab > 1024) continue;
          ExpectLikeliest(drawn, Likeliest(logits[t], top_k));
          EXPECT_EQ(drawn.token, drawn.likeliest[0].id);
        }
      }
    }
  }
}

// The device's token is the one that the host draws from what the device hands over, and from all
// logits.
TEST_F(VulkanDraw, DrawsAsTheHostDoes) {
  TANDEM_REQUIRE_VULKAN();
  std::mt19937_64 random(12);
  std::normal_distribution<float> normal(0, 3);
  std::vector<Logits> logits(8, Logits(5000));
  for (Logits& row : logits) {
    for (float& x : row) x = normal(random);
  }
  const Echo echo(logits);
  Compile(echo.program);
  std::uniform_real_distribution<double> fraction(0, 1);
  std::set<int32_t> tokens;
  for (int n = 0; n < 400; ++n) {
    SCOPED_TRACE(n);
    const size_t t = random() % logits.size();
    SamplingOptions options;
    options.seed = random();
    options.top_k = static_cast<int32_t>(1 + random() % 256);
    options.temperature = random() % 4 == 0 ? 0 : 0.1 + 2 * fraction(random);
    options.top_p = random() % 2 == 0 ? 1 : fraction(random);
    options.min_p = random() % 2 == 0 ? 0 : 0.2 * fraction(random);
    const Drawn drawn = DrawAsHost(t, logits[t], options);
    ASSERT_TRUE(drawn.whole);
    if (options.temperature > 0) ExpectLikeliest(drawn, Likeliest(logits[t], options.top_k));
    tokens.insert(drawn.token);
  }
  EXPECT_GT(tokens.size(), 30u);
}

// From all of a vocabulary, and from what top-p and min-p leave of it: bells, ties, equals, ranges
// of any size, infinities; banned tokens; temperatures from next to nothing to the greatest.
TEST_F(VulkanDraw, DrawsWithoutATopKAsTheHostDoes) {
  TANDEM_REQUIRE_VULKAN();
  std::mt19937_64 random(13);
  std::uniform_real_distribution<double> fraction(0, 1);
  int drawn_of_all = 0, cut = 0, looked_at = 0;
  for (const size_t vocab : {1, 2, 31, 255, 257, 2049, 6001, 70'003, 262'144, 600'011}) {
    for (int kind = 0; kind < 8; ++kind) {
      SCOPED_TRACE(fmt::format("{} tokens, kind {}", vocab, kind));
      if (vocab > 100'000 && kind % 3 != 0) continue;
      const Logits given = LogitsOfKind(kind, vocab, random);
      const Echo echo({given});
      Compile(echo.program);
      const Logits logits = Of(0, echo.program);
      for (size_t id = 0; id < vocab; ++id) {
        ASSERT_TRUE(logits[id] == given[id] ||
                    (logits[id] == 0 && std::abs(given[id]) < std::numeric_limits<float>::min()));
      }
      for (size_t id = 1; id < vocab; ++id) {
        if (random() % 10 == 0) banned_[id / 32] |= 1U << id % 32;
      }
      for (int n = 0; n < (vocab > 100'000 ? 12 : 24); ++n) {
        SamplingOptions options;
        options.seed = random();
        options.top_k = 0;
        options.temperature = std::vector{1e-300, 0.01, 0.3, 1.0, 1.0, 1.7, 20.0, 100.0}[n % 8];
        options.top_p = n < 8 ? 1 : n % 3 == 0 ? 0.99999 : fraction(random);
        options.min_p = n < 8 || n % 2 == 0 ? 0 : std::exp(-12 * fraction(random));
        SCOPED_TRACE(fmt::format("temperature {}, top-p {}, min-p {}", options.temperature,
                                 options.top_p, options.min_p));
        const Drawn drawn = DrawAsHost(0, logits, options);
        ASSERT_TRUE(drawn.whole || n >= 8);
        ++(n < 8 ? drawn_of_all : drawn.whole ? cut : looked_at);
      }
    }
  }
  EXPECT_GT(drawn_of_all, 400);
  EXPECT_GT(cut, 400);
  EXPECT_GT(looked_at, 20);
}

// Of four equals whose sums are what top-p asks for, not one more is kept.
TEST_F(VulkanDraw, CutsOnABoundaryAsTheHostDoes) {
  TANDEM_REQUIRE_VULKAN();
  const Logits logits(4, 1.5F);
  const Echo echo({logits});
  Compile(echo.program);
  std::mt19937_64 random(14);
  for (const int top_k : {0, 4, 256}) {
    for (const int kept : {1, 2, 3, 4}) {
      std::set<int32_t> tokens;
      for (int n = 0; n < 30; ++n) {
        SamplingOptions options;
        options.seed = random();
        options.top_k = top_k;
        options.top_p = kept / 4.0;
        tokens.insert(DrawAsHost(0, logits, options).token);
      }
      EXPECT_EQ(tokens.size(), static_cast<size_t>(kept));
      EXPECT_EQ(*tokens.rbegin(), kept - 1);
    }
  }
}

// What the layer says is an Error of the step.
TEST_F(VulkanDraw, TheValidationLayerHasNothingToSay) {
  TANDEM_REQUIRE_VULKAN();
  Logits logits;
  for (int i = 0; i < 3000; ++i) logits.push_back(static_cast<float>(i) / 1000);
  logits[30] = logits[2000] = 4;
  const Echo echo({logits});
  VulkanOptions options;
  options.validate = true;
  try {
    Compile(echo.program, options);
    for (const int32_t top_k : {2, 256, 0}) {
      for (const double top_p : {0.001, 1.0}) {
        const DrawParams params{.top_k = top_k, .temperature = 1e-3, .top_p = top_p};
        const int32_t token = Draw(0, params).token;
        EXPECT_TRUE(token == 30 || token == 2000) << token;
      }
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) GTEST_SKIP() << error.message();
    FAIL() << error.message();
  }
}

TEST_F(VulkanDraw, SaysWhereItCannotTell) {
  TANDEM_REQUIRE_VULKAN();
  Logits logits(3000, 1);
  logits[2222] = std::numeric_limits<float>::quiet_NaN();
  const Echo nan({logits});
  Compile(nan.program);
  const DrawParams from_all{.top_k = 0, .temperature = 1};
  const DrawParams cut{.top_k = 0, .temperature = 1, .top_p = 0.5};
  for (const DrawParams& params : {DrawParams{.top_k = 2}, from_all, cut}) {
    EXPECT_FALSE(Draw(0, params).whole);
  }
  logits[2222] = 1;
  const Echo flat({logits});
  Compile(flat.program);
  EXPECT_FALSE(Draw(0, {.top_k = 256}).whole) << "3,000 equals";
  Logits infinite(3000, -INFINITY);
  infinite[7] = 3;
  infinite[9] = std::numeric_limits<float>::infinity();
  const Echo rare({infinite});
  Compile(rare.program);
  ExpectLikeliest(Draw(0, {.top_k = 5}), {{9, INFINITY}, {7, 3}});
  const Echo none({Logits(100, -INFINITY)});
  Compile(none.program);
  for (const DrawParams& params : {DrawParams{.top_k = 5}, from_all, cut}) {
    EXPECT_FALSE(Draw(0, params).whole) << "no token is allowed";
  }
}

// Token t is followed by t + 1 of eight, which nobody tells the device.
TEST_F(VulkanDraw, StepsFollowWhatWasDrawn) {
  TANDEM_REQUIRE_VULKAN();
  std::vector<Logits> logits(8, Logits(64, 0));
  for (size_t t = 0; t < 8; ++t) logits[t][(t + 1) % 8] = 5;
  const Echo echo(logits);
  Compile(echo.program);
  for (int run = 0; run < 3; ++run) {
    std::vector<Drawn> drawn(20);
    std::vector<Fence> fences;
    size_t waited = 0;
    for (size_t i = 0; i < drawn.size(); ++i) {
      fences.push_back(Submit(run, {.top_k = 2}, drawn[i], i > 0));
      // The second run waits for nothing but what it must, the third gives up half way.
      const size_t behind = run == 0 ? 1 : static_cast<size_t>(segment_->StepsAhead());
      while (fences.size() - waited >= behind) fences[waited++].Wait();
      if (run == 2 && i == 10) break;
    }
    if (run < 2) {
      while (waited < fences.size()) fences[waited++].Wait();
    }
    for (size_t i = 0; i < waited; ++i) {
      EXPECT_EQ(drawn[i].token, (run + static_cast<int>(i) + 1) % 8) << i;
    }
  }
  EXPECT_EQ(Draw(5, {.top_k = 2}).token, 6) << "after steps that were given up";
}

TEST_F(VulkanDraw, WhoeverCannotDrawIsNotAsked) {
  TANDEM_REQUIRE_VULKAN();
  const Echo echo({Logits(64, 0)});
  VulkanOptions options;
  options.steps_ahead = 0;
  device_ = MakeVulkanDevice(options);
  segment_ = device_->Compile(echo.program, {0, 2}, {1, 1});
  EXPECT_EQ(segment_->StepsAhead(), 0);
  segment_ = device_->Compile(echo.program, {0, 1}, {1, 1});
  EXPECT_EQ(segment_->StepsAhead(), 0) << "no head";
}

}  // namespace
}  // namespace tandem::testing
