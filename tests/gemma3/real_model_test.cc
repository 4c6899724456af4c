// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The real Gemma 3 270M: only where TANDEM_GEMMA3_270M names its file (tools/fetch_gemma3.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tandem/engine.h"
#include "tandem/generation.h"
#include "tandem/model.h"

namespace tandem {
namespace {

class Gemma3Real : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("TANDEM_GEMMA3_270M");
    if (path == nullptr || *path == '\0') {
      GTEST_SKIP() << "TANDEM_GEMMA3_270M does not name the file of Gemma 3 270M "
                      "(tools/fetch_gemma3.py fetches it)";
    }
    model_ = Model::Load(path);
  }

  // Log-probability of each token of `text` but the first.
  std::vector<double> Score(const std::string& text, const EngineOptions& options = {}) {
    const auto ids = model_->Tokenize(text);
    Engine engine(model_, options);
    std::vector<double> scores;
    const auto sink = [&](size_t index, std::span<const float> logits) {
      if (index + 1 == ids.size()) return;
      const double highest = *std::max_element(logits.begin(), logits.end());
      double sum = 0;
      for (const float logit : logits) sum += std::exp(logit - highest);
      const float chosen = logits[static_cast<size_t>(ids[index + 1])];
      scores.push_back(chosen - highest - std::log(sum));
    };
    engine.NewSession(256)->AppendScored(ids, sink);
    return scores;
  }

  std::string Continue(const std::string& text, int64_t tokens) {
    Engine engine(model_);
    GenerationOptions options = DefaultGenerationOptions(*model_);
    options.sampling.temperature = 0;
    options.max_tokens = tokens;
    return Generate(*engine.NewSession(256), model_->Tokenize(text), options).text;
  }

  std::shared_ptr<const Model> model_;
};

TEST_F(Gemma3Real, IsWhatItSays) {
  EXPECT_EQ(model_->architecture(), "gemma3");
  EXPECT_EQ(model_->vocab_rows(), 262144);
  EXPECT_EQ(model_->context_length(), 32768);
  EXPECT_TRUE(model_->can_chat());
  EXPECT_EQ(model_->end_tokens(), (std::vector<int32_t>{1, 106}));
}

TEST_F(Gemma3Real, TextComesBack) {
  for (const char* text :
       {"Zwölf Boxkämpfer", "東京都は日本の首都です。", "Съешь же ещё", "نص حكيم له سر قاطع",
        "ऋषियों को", "👩‍👩‍👧‍👦 \t\n\n\n   x", "def f(x):\n    return x\n"}) {
    EXPECT_EQ(model_->Detokenize(model_->Tokenize(text)), text);
  }
}

// What any working copy of the model is sure of, whatever the rounding of its weights.
TEST_F(Gemma3Real, KnowsWhatItKnows) {
  EXPECT_EQ(Continue("The quick brown fox jumps over the lazy", 1), " dog");
  EXPECT_EQ(Continue("Monday, Tuesday, Wednesday, Thursday,", 1), " Friday");
  EXPECT_EQ(Continue("one two three four five six seven", 1), " eight");
  EXPECT_EQ(Continue("#include <stdio.h>\n\nint main(void", 1), ")");
  EXPECT_EQ(Continue("Der Himmel ist blau, das Gras ist", 1), " grün");
}

// Language is likely and noise is not: a broken norm, rotation or window shows here at once.
TEST_F(Gemma3Real, FindsLanguageLikely) {
  const auto mean = [](const std::vector<double>& scores) {
    double sum = 0;
    for (const double score : scores) sum += score;
    return sum / static_cast<double>(scores.size());
  };
  const std::string text =
      "It was the best of times, it was the worst of times, it was the age of wisdom, it was the "
      "age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
      "season of Light, it was the season of Darkness, it was the spring of hope, it was the "
      "winter of despair.";
  const double language = mean(Score(text));
  EXPECT_GT(language, -1.5);
  EXPECT_LT(mean(Score("of wisdom the times was foolishness it best the of age was worst")), -4.0);
  // A session in float keys and values says nearly the same.
  EngineOptions exact;
  exact.kv = KvType::kF32;
  EXPECT_NEAR(mean(Score(text, exact)), language, 0.1);
}

}  // namespace
}  // namespace tandem
