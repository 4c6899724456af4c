// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3 in GGUF files, as converters write them: the same numbers whatever says them, and one
// clear error for a broken one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/convert.h"
#include "formats/gguf.h"
#include "gemma3/gguf.h"
#include "support/gguf_patch.h"
#include "support/model_test.h"
#include "support/random_gemma3.h"
#include "tandem/engine.h"
#include "tandem/model.h"

namespace tandem::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::string Key(const std::string& name) { return "gemma3." + name; }

// Longer than the windows of 8, so that local and global layers differ.
std::vector<int32_t> SomeIds() {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 30; ++i) ids.push_back((i * 37 + 11) % 288);
  return ids;
}

class Gemma3Gguf : public ::testing::Test {
 protected:
  Gemma3Gguf() {
    static const testing::RandomGemma3 model =
        testing::MakeRandomGemma3(testing::SmallGemma3Params(), 3);
    testing::WriteGemma3Gguf(model, path());
    plain_.emplace(path());
    logits_ = Logits(path(), SomeIds());
  }

  std::filesystem::path path() const { return folder_ / "model.gguf"; }
  GgufPatch Plain() const { return *plain_; }
  std::vector<float> LogitsOf(const GgufPatch& file) const {
    file.Write(path());
    return Logits(path(), SomeIds());
  }
  void ExpectSame(const GgufPatch& file) const { EXPECT_TRUE(SameBits(LogitsOf(file), logits_)); }
  void ExpectOther(const GgufPatch& file) const { EXPECT_FALSE(SameBits(LogitsOf(file), logits_)); }
  Error ErrorOf(const GgufPatch& file) const {
    file.Write(path());
    return FileError(path(), [&] { Model::Load(path()); });
  }

  TemporaryFolder folder_;
  std::optional<GgufPatch> plain_;
  std::vector<float> logits_;
};

TEST_F(Gemma3Gguf, SaysOnlyWhatIsNotTheDefault) {
  for (const char* name :
       {"attention.sliding_window_pattern", "attention.scale", "final_logit_softcapping"}) {
    EXPECT_FALSE(plain_->Has(Key(name))) << name;
  }
  EXPECT_EQ(Model::Load(path())->architecture(), "gemma3");
}

TEST_F(Gemma3Gguf, OptionalKeys) {
  GgufPatch file = Plain();
  for (const char* name :
       {"attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.freq_base_swa", "vocab_size"}) {
    file.Remove(Key(name));
  }
  ExpectSame(file);
  file.Set<float>(Key("rope.freq_base_swa"), 2e4f);
  ExpectOther(file);
}

TEST_F(Gemma3Gguf, Kinds) {
  const std::string key = Key("attention.sliding_window_pattern");
  GgufPatch file = Plain();
  file.Set<uint32_t>(key, 6);
  ExpectSame(file);
  file.SetArray<bool>(key, {true, true, true, true, true, false, true});
  ExpectSame(file);
  file.Set<uint32_t>(key, 3);
  ExpectOther(file);
  file.SetArray<bool>(key, {true, false});
  EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile);
}

TEST_F(Gemma3Gguf, RopeScaling) {
  GgufPatch file = Plain();
  file.Set<float>(Key("rope.scaling.factor"), 1.0f);
  const auto unscaled = LogitsOf(file);
  EXPECT_FALSE(SameBits(unscaled, logits_));
  file.SetString(Key("rope.scaling.type"), "none");
  EXPECT_TRUE(SameBits(LogitsOf(file), unscaled));
  file.SetString(Key("rope.scaling.type"), "yarn\n");
  EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kUnsupported);
  file.SetString(Key("rope.scaling.type"), "linear");
  for (const float factor : {0.0f, -8.0f, kNan, kInfinity}) {
    file.Set<float>(Key("rope.scaling.factor"), factor);
    EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile) << factor;
  }
}

TEST_F(Gemma3Gguf, AttentionScale) {
  GgufPatch file = Plain();
  file.Set<float>(Key("attention.scale"), 0.25f);  // 16 to the power of -1/2
  ExpectSame(file);
  file.Set<float>(Key("attention.scale"), 0.5f);
  ExpectOther(file);
  for (const float scale : {0.0f, -1.0f, kNan, kInfinity}) {
    file.Set<float>(Key("attention.scale"), scale);
    EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile) << scale;
  }
}

TEST_F(Gemma3Gguf, AHeadOfItsOwn) {
  GgufPatch file = Plain();
  PatchTensor head = file.Tensor("token_embd.weight");
  head.name = "output.weight";
  file.tensors().push_back(head);
  ExpectSame(file);
  std::vector<float> values = head.Values();
  for (float& value : values) value *= 2;
  file.Tensor("output.weight").Store(DType::kF32, values);
  const auto twice = LogitsOf(file);
  for (size_t i = 0; i < twice.size(); ++i) ASSERT_FLOAT_EQ(twice[i], 2 * logits_[i]);
  // And stays its own in a converted file.
  ConvertOptions options;
  options.source = path();
  options.output = folder_ / "again.gguf";
  options.type = "f32";
  Convert(options);
  EXPECT_TRUE(SameBits(Logits(options.output, SomeIds()), twice));
  file.Tensor("output.weight").ne[0] = 47;
  file.Tensor("output.weight").Store(DType::kF32, std::vector<float>(47 * 288));
  EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile);
}

TEST_F(Gemma3Gguf, ConvertedAgain) {
  ConvertOptions options;
  options.source = path();
  options.output = folder_ / "again.gguf";
  for (const std::string& type : ConvertTypes()) {
    options.type = type;
    const ConvertSummary summary = Convert(options);
    EXPECT_EQ(summary.tensors, 13 * 7 + 2);
    const auto logits = Logits(options.output, SomeIds());
    EXPECT_TRUE(
        std::all_of(logits.begin(), logits.end(), [](float v) { return std::isfinite(v); }));
    if (type == "f32") {
      EXPECT_TRUE(SameBits(logits, logits_));
    }
  }
  options.slice = "e2b";
  EXPECT_EQ(FileError("", [&] { Convert(options); }).kind(), ErrorKind::kInvalidArgument);
}

TEST_F(Gemma3Gguf, PromptAndDecodeAndSessionsAgree) {
  const auto model = Model::Load(path());
  const auto ids = SomeIds();
  EngineOptions options;
  options.kv = KvType::kF32;
  options.threads = 1;
  options.chunk = 7;  // a prompt of several chunks, longer than a window
  Engine engine(model, options);
  const std::span<const float> last = std::span(logits_).last(288);
  const auto prompt = engine.NewSession(64);
  EXPECT_TRUE(SameBits(prompt->Append(ids), last));
  const auto steps = engine.NewSession(64);
  std::vector<float> logits;
  for (const int32_t id : ids) {
    const auto row = steps->Append({&id, 1});
    logits.assign(row.begin(), row.end());
  }
  EXPECT_TRUE(SameBits(logits, last));
  const auto file = folder_ / "session";
  steps->Save(file);
  const auto restored = engine.NewSession(64);
  restored->Load(file);
  const int32_t next[] = {5};
  const auto expected = steps->Append(next);
  const std::vector<float> copy(expected.begin(), expected.end());
  EXPECT_TRUE(SameBits(restored->Append(next), copy));
}

TEST_F(Gemma3Gguf, KeysMissing) {
  for (const std::string& key : plain_->Keys()) {
    GgufPatch file = Plain();
    file.Remove(key);
    file.Write(path());
    SCOPED_TRACE(key);
    const bool failed = FailsCleanlyIfAtAll(path(), [&] { Model::Load(path()); });
    for (const char* required :
         {"general.architecture", "gemma3.block_count", "gemma3.embedding_length",
          "gemma3.feed_forward_length", "gemma3.attention.head_count",
          "gemma3.attention.head_count_kv", "gemma3.attention.sliding_window"}) {
      EXPECT_TRUE(failed || key != required);
    }
  }
}

TEST_F(Gemma3Gguf, NumbersThatMakeNoSense) {
  for (const char* name : {"block_count", "embedding_length", "feed_forward_length",
                           "attention.head_count", "attention.head_count_kv",
                           "attention.key_length", "attention.sliding_window", "context_length"}) {
    const std::string key = Key(name);
    SCOPED_TRACE(key);
    const auto expect_error = [&](auto value) {
      GgufPatch file = Plain();
      file.Set(key, value);
      ErrorOf(file);
    };
    expect_error(uint32_t{0});
    expect_error(UINT32_MAX);
    expect_error(uint32_t{0x7fffffff});
    expect_error(int32_t{-1});
    expect_error(UINT64_MAX);
    expect_error(1.5f);
    expect_error(double{kNan});
    GgufPatch file = Plain();
    file.SetString(key, "a\nb");
    ErrorOf(file);
  }
}

TEST_F(Gemma3Gguf, EachTensorMissingOrOfAnotherShape) {
  for (const PatchTensor& tensor : plain_->tensors()) {
    if (tensor.name.starts_with("blk.") && !tensor.name.starts_with("blk.5.")) continue;
    SCOPED_TRACE(tensor.name);
    GgufPatch file = Plain();
    file.RemoveTensor(tensor.name);
    const Error missing = ErrorOf(file);
    EXPECT_EQ(missing.kind(), ErrorKind::kNotFound);
    EXPECT_NE(missing.message().find("'" + tensor.name + "'"), std::string::npos);
    for (const size_t dimension : {size_t{0}, tensor.ne.size() - 1}) {
      // The rows of the embedding are what says the vocabulary.
      if (tensor.name == "token_embd.weight" && dimension == 1) continue;
      file = Plain();
      PatchTensor& changed = file.Tensor(tensor.name);
      changed.ne[dimension] += 1;
      int64_t elements = 1;
      for (const int64_t size : changed.ne) elements *= size;
      changed.Store(DType::kF16, std::vector<float>(static_cast<size_t>(elements)));
      const Error wrong = ErrorOf(file);
      EXPECT_EQ(wrong.kind(), ErrorKind::kCorruptFile);
      EXPECT_NE(wrong.message().find("'" + tensor.name + "'"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace tandem::test
