// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF files as they exist in the wild: the same model with the keys and tensors that converters of
// different ages have written gives the same logits, and a broken one gives one clear error.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/convert.h"
#include "engine/model_text.h"
#include "formats/gguf.h"
#include "gemma3n/gguf.h"
#include "support/gguf_patch.h"
#include "support/hf_model.h"
#include "support/model_test.h"
#include "tandem/model.h"

namespace tandem::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::string Key(const std::string& name) { return "gemma3n." + name; }

std::vector<int32_t> SomeIds() {
  auto ids = GoldenIds("data/random/base/golden.safetensors");
  ids.resize(40);
  return ids;
}

// The first layer, one that owns keys and values, one that shares them, and what has no layer.
bool IsSample(const std::string& name) {
  return !name.starts_with("blk.") || name.starts_with("blk.0.") || name.starts_with("blk.1.") ||
         name.starts_with("blk.7.");
}

class GgufFiles : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const TemporaryFolder folder;
    ConvertOptions options;
    options.source = "data/random/base";
    options.output = folder / "base.gguf";
    options.type = "f32";
    Convert(options);
    plain_ = new GgufPatch(options.output);
    logits_ = new std::vector<float>(Logits(options.output, SomeIds()));
    options.type = "q8_0";
    Convert(options);
    small_ = new GgufPatch(options.output);
  }
  static void TearDownTestSuite() {
    delete plain_;
    delete small_;
    delete logits_;
  }

  std::filesystem::path path() const { return folder_ / "model.gguf"; }
  std::vector<float> LogitsOf(const GgufPatch& file) const {
    file.Write(path());
    return Logits(path(), SomeIds());
  }
  void ExpectSame(const GgufPatch& file) const { EXPECT_TRUE(SameBits(LogitsOf(file), *logits_)); }
  Error ErrorOf(const GgufPatch& file) const {
    file.Write(path());
    return FileError(path(), [&] { Model::Load(path()); });
  }

  static GgufPatch* plain_;
  static GgufPatch* small_;  // in Q8_0, for files that are only opened
  static std::vector<float>* logits_;
  TemporaryFolder folder_;
};

GgufPatch* GgufFiles::plain_ = nullptr;
GgufPatch* GgufFiles::small_ = nullptr;
std::vector<float>* GgufFiles::logits_ = nullptr;

TEST_F(GgufFiles, PlainIsTheHuggingFaceModel) {
  EXPECT_TRUE(SameBits(*logits_, Logits("data/random/base", SomeIds())));
}

TEST_F(GgufFiles, FfnLength) {
  GgufPatch file = *plain_;
  file.Set<uint32_t>(Key("feed_forward_length"), 256);
  ExpectSame(file);
  file.SetArray<uint32_t>(Key("feed_forward_length"), std::vector<uint32_t>(10, 256));
  ExpectSame(file);
  file.SetArray<int32_t>(Key("feed_forward_length"), std::vector<int32_t>(15, 256));
  ExpectSame(file);
  file.SetArray<int32_t>(Key("feed_forward_length"), std::vector<int32_t>(9, 256));
  EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile);
}

TEST_F(GgufFiles, SharedLayersAsFloat) {
  GgufPatch file = *plain_;
  file.Set<float>(Key("attention.shared_kv_layers"), 5.0f);
  ExpectSame(file);
  for (const float value : {5.5f, -1.0f, 1e30f, kNan, kInfinity}) {
    file.Set<float>(Key("attention.shared_kv_layers"), value);
    EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile) << value;
  }
}

TEST_F(GgufFiles, SlidingWindowPattern) {
  const std::string key = Key("attention.sliding_window_pattern");
  GgufPatch file = *plain_;
  file.Remove(key);
  ExpectSame(file);
  file.Set<uint32_t>(key, 5);
  ExpectSame(file);
  std::vector<uint8_t> kinds = {1, 1, 1, 1, 0, 1, 1, 1, 1, 0};
  file.SetArray<uint8_t>(key, kinds);
  ExpectSame(file);
  file.SetArray<bool>(key, {true, true, true, true, false, true, true, true, true, false, true});
  ExpectSame(file);
  file.SetArray<bool>(key, {true, true, true, true, false, true, true, true, true, true});
  EXPECT_FALSE(SameBits(LogitsOf(file), *logits_));
  file.Set<uint32_t>(key, 1);
  EXPECT_FALSE(SameBits(LogitsOf(file), *logits_));
  file.SetArray<bool>(key, {true, false});
  EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile);
  // The last layer would share keys and values that nobody owns.
  file.SetArray<bool>(key, {true, true, true, true, true, true, true, true, true, false});
  EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile);
}

TEST_F(GgufFiles, SparsityOfDenseLayers) {
  const std::string key = Key("activation_sparsity_scale");
  const float scale = 1.6448536f;
  for (const float dense : {-kInfinity, 0.0f, kNan}) {
    GgufPatch file = *plain_;
    std::vector<float> scales(10, dense);
    std::fill_n(scales.begin(), 3, scale);
    file.SetArray<float>(key, scales);
    ExpectSame(file);
    file.SetArray<float>(key, std::vector<float>(10, dense));
    const auto all_dense = LogitsOf(file);
    EXPECT_FALSE(SameBits(all_dense, *logits_));
    file.Remove(key);
    EXPECT_TRUE(SameBits(LogitsOf(file), all_dense)) << "ten layers default to dense";
  }
  GgufPatch file = *plain_;
  file.SetArray<float>(key, {scale, scale});
  EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kCorruptFile);
}

TEST_F(GgufFiles, RopeBases) {
  GgufPatch file = *plain_;
  file.Remove(Key("rope.freq_base_swa"));
  ExpectSame(file);
  file.Remove(Key("rope.freq_base"));
  ExpectSame(file);
  file.Set<float>(Key("rope.freq_base_swa"), 2e4f);
  const auto other = LogitsOf(file);
  EXPECT_FALSE(SameBits(other, *logits_));
  file.Remove(Key("rope.freq_base_swa"));
  file.Set<float>(Key("rope.freq_base_local"), 2e4f);
  EXPECT_TRUE(SameBits(LogitsOf(file), other));
  file.SetString(Key("rope.scaling.type"), "none");
  EXPECT_TRUE(SameBits(LogitsOf(file), other));
  file.SetString(Key("rope.scaling.type"), "yarn\n");
  EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kUnsupported);
}

TEST_F(GgufFiles, OllamaKeys) {
  GgufPatch file = *plain_;
  file.Remove(Key("attention.key_length"));
  file.Remove(Key("attention.value_length"));
  file.Remove(Key("rope.freq_base_swa"));
  file.Set<uint32_t>(Key("head_dim"), 32);
  file.Set<float>(Key("rope.freq_base_local"), 1e4f);
  file.Set<bool>(Key("altup.correct_scale"), true);
  file.Set<float>(Key("altup.lr_multiplier"), 1.0f);
  ExpectSame(file);
  file.Set<bool>(Key("altup.correct_scale"), false);
  EXPECT_FALSE(SameBits(LogitsOf(file), *logits_));
}

TEST_F(GgufFiles, CorrectScaleIsWhatTheTensorsSay) {
  GgufPatch with_key = *plain_;
  with_key.Set<bool>(Key("altup.correct_scale"), false);
  GgufPatch without = *plain_;
  for (int layer = 0; layer < 10; ++layer) {
    without.RemoveTensor("blk." + std::to_string(layer) + ".altup_correct_scale.weight");
  }
  EXPECT_TRUE(SameBits(LogitsOf(with_key), LogitsOf(without)));
}

TEST_F(GgufFiles, SoftCap) {
  GgufPatch file = *plain_;
  file.Remove(Key("final_logit_softcapping"));
  ExpectSame(file);
  file.Set<float>(Key("final_logit_softcapping"), 10.0f);
  EXPECT_FALSE(SameBits(LogitsOf(file), *logits_));
}

TEST_F(GgufFiles, OptionalKeys) {
  GgufPatch file = *plain_;
  for (const char* key : {"vocab_size", "vocab_size_per_layer_input", "context_length",
                          "embedding_length_per_layer_input", "altup.num_inputs",
                          "altup.active_idx", "attention.layer_norm_rms_epsilon"}) {
    file.Remove(Key(key));
  }
  ExpectSame(file);
}

TEST_F(GgufFiles, HalfRouters) {
  // Routers that are exact in halves, stored as such by llama.cpp's converter.
  GgufPatch whole = *plain_;
  GgufPatch half = *plain_;
  for (int layer = 0; layer < 10; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".altup_router.weight";
    PatchTensor& tensor = half.Tensor(name);
    tensor.Store(DType::kF16, tensor.Values());
    whole.Tensor(name).Store(DType::kF32, tensor.Values());
  }
  EXPECT_TRUE(SameBits(LogitsOf(half), LogitsOf(whole)));
}

TEST_F(GgufFiles, OrderAndUnknownThings) {
  GgufPatch file = *plain_;
  std::reverse(file.tensors().begin(), file.tensors().end());
  ExpectSame(file);
  file.tensors().push_back(file.Tensor("token_embd.weight"));
  file.tensors().back().name = "output.weight";
  file.tensors().insert(file.tensors().begin(), {"rope_freqs.weight", DType::kF32, {3}, {}});
  file.tensors().front().data.resize(12);
  file.SetStrings("tandem.unknown", {"a", ""});
  file.SetString("general.author", "somebody\nelse");
  file.SetArray<double>("gemma3n.unknown", {1.0, 2.0});
  ExpectSame(file);
}

TEST_F(GgufFiles, KeysAndValuesOfSharedLayersDoNotMatter) {
  GgufPatch file = *plain_;
  for (int layer = 5; layer < 10; ++layer) {
    const std::string name = "blk." + std::to_string(layer);
    for (const char* suffix : {".attn_k.weight", ".attn_v.weight"}) {
      PatchTensor tensor{name + suffix, DType::kF32, {128, 64}, {}};
      tensor.Store(DType::kF32, std::vector<float>(64 * 128, kNan));
      file.tensors().push_back(tensor);
    }
    PatchTensor tensor{name + ".attn_k_norm.weight", DType::kF32, {32}, {}};
    tensor.Store(DType::kF32, std::vector<float>(32, kNan));
    file.tensors().push_back(tensor);
  }
  ExpectSame(file);
  EXPECT_EQ(file.tensors().size(), 24u * 10 + 7);
}

TEST_F(GgufFiles, VersionTwoAndParts) {
  plain_->Write(path(), 2);
  EXPECT_TRUE(SameBits(Logits(path(), SomeIds()), *logits_));
  const auto first = plain_->WriteParts(folder_ / "parts", 3);
  EXPECT_TRUE(SameBits(Logits(first, SomeIds()), *logits_));
  std::filesystem::remove(folder_ / "parts-00003-of-00003.gguf");
  FileError(folder_ / "parts-00003-of-00003.gguf", [&] { Model::Load(first); });
}

// Rows of the per-layer table past the per-layer vocabulary are padding, whatever they hold: such
// ids use row 0.
TEST_F(GgufFiles, PaddingRowsOfThePerLayerTable) {
  const auto with_padding = [&](float padding, float first_row) {
    GgufPatch file = *plain_;
    file.Set<uint32_t>(Key("vocab_size_per_layer_input"), 256);
    PatchTensor& table = file.Tensor("per_layer_token_embd.weight");
    std::vector<float> values = table.Values();
    std::fill(values.begin() + 256 * 320, values.end(), padding);
    std::fill_n(values.begin(), 320, first_row);
    table.Store(DType::kF32, values);
    return LogitsOf(file);
  };
  const auto ids = SomeIds();
  ASSERT_TRUE(std::any_of(ids.begin(), ids.end(), [](int32_t id) { return id >= 256; }));
  ASSERT_TRUE(std::count(ids.begin(), ids.end(), 0) == 0);
  const auto zeros = with_padding(0, 1);
  EXPECT_TRUE(SameBits(with_padding(1e9f, 1), zeros));
  EXPECT_FALSE(SameBits(with_padding(0, 2), zeros));
}

// Published files of 2026 have 262,400 rows in both tables, of which the per-layer one fills
// 262,144, and no key that says so; older ones have 262,144 in both.
TEST_F(GgufFiles, PublishedRowCounts) {
  const int64_t filled = 262144;
  const auto with_rows = [&](int64_t token_rows, int64_t ple_rows) {
    GgufPatch file = *plain_;
    file.Remove(Key("vocab_size"));
    file.Remove(Key("vocab_size_per_layer_input"));
    for (const auto& [name, rows] : {std::pair("token_embd.weight", token_rows),
                                     std::pair("per_layer_token_embd.weight", ple_rows)}) {
      PatchTensor& table = file.Tensor(name);
      table.Store(DType::kQ4_0, table.Values());
      table.ne[1] = rows;
      table.data.resize(static_cast<size_t>(rows) * RowBytes(DType::kQ4_0, table.ne[0]));
    }
    return file;
  };
  const std::vector<int32_t> ids = {2, 17, 300};
  const auto first_columns = [](const std::vector<float>& logits, size_t rows) {
    std::vector<float> out;
    for (size_t row = 0; row < rows; ++row) {
      const auto* begin = logits.data() + row * (logits.size() / rows);
      out.insert(out.end(), begin, begin + 512);
    }
    return out;
  };
  with_rows(512, 512).Write(path());
  const auto small = Logits(path(), ids);
  ASSERT_EQ(small.size(), ids.size() * 512);
  for (const int64_t rows : {filled, int64_t{262400}}) {
    with_rows(rows, rows).Write(path());
    const auto params = gemma3n::ReadGgufParams(GgufFile::Open(path()));
    EXPECT_EQ(params.vocab, rows);
    EXPECT_EQ(params.ple_vocab, filled);
    const auto logits = Logits(path(), ids);
    ASSERT_EQ(logits.size(), ids.size() * static_cast<size_t>(rows));
    EXPECT_TRUE(SameBits(first_columns(logits, ids.size()), small));
  }
  // An id of the padding reads the first per-layer row, so it matters what that holds.
  const std::vector<int32_t> padding = {2, 262273};
  const auto before = Logits(path(), padding);
  GgufPatch file = with_rows(262400, 262400);
  PatchTensor& table = file.Tensor("per_layer_token_embd.weight");
  std::fill_n(table.data.begin(), RowBytes(DType::kQ4_0, table.ne[0]), std::byte{0x11});
  file.Write(path());
  const auto after = Logits(path(), padding);
  EXPECT_TRUE(SameBits(std::span(before).first(262400), std::span(after).first(262400)));
  EXPECT_FALSE(SameBits(std::span(before).subspan(262400), std::span(after).subspan(262400)));
}

TEST(GgufVocabulary, TokenListsOfEitherLength) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "fable.gguf";
  GgufPatch file("../models/fable-e4b-q8_0.gguf");
  const GgufFile whole = GgufFile::Open("../models/fable-e4b-q8_0.gguf");
  const auto lists = [&](size_t count) {
    std::vector<std::string> tokens;
    for (const auto token : whole.metadata().GetStrings("tokenizer.ggml.tokens")) {
      tokens.emplace_back(token);
    }
    auto scores = whole.metadata().GetFloats("tokenizer.ggml.scores");
    const auto wide = whole.metadata().GetInts("tokenizer.ggml.token_type");
    std::vector<int32_t> types(wide.begin(), wide.end());
    for (size_t id = tokens.size(); id < count; ++id) tokens.push_back("[X" + std::to_string(id));
    tokens.resize(count);
    scores.resize(count, -1000);
    types.resize(count, 5);
    file.SetStrings("tokenizer.ggml.tokens", tokens);
    file.SetArray<float>("tokenizer.ggml.scores", scores);
    file.SetArray<int32_t>("tokenizer.ggml.token_type", types);
    file.Write(path);
  };
  const std::string text = "Add 17 and 25, please.";
  const auto ids = RequireTokenizer(*Model::LoadEmbedded()).Encode(text);
  for (const size_t count : {size_t{4096}, size_t{2438}}) {
    lists(count);
    const auto model = Model::Load(path);
    EXPECT_EQ(RequireTokenizer(*model).Encode(text), ids);
    EXPECT_EQ(model->vocab_rows(), 4096);
  }
  lists(4097);
  FileError(path, [&] { Model::Load(path); });
}

// Runs of spaces are pieces of their own in Gemma's vocabulary. llama.cpp's converter writes such
// user-defined pieces with plain spaces, as they stand in a text; others write the marks of the
// tokenizer's own form.
TEST(GgufVocabulary, UserDefinedSpaces) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "fable.gguf";
  const GgufFile whole = GgufFile::Open("../models/fable-e4b-q8_0.gguf");
  const int32_t id = 4000;
  const auto model_with = [&](const std::string& piece) {
    GgufPatch file("../models/fable-e4b-q8_0.gguf");
    std::vector<std::string> tokens;
    for (const auto token : whole.metadata().GetStrings("tokenizer.ggml.tokens")) {
      tokens.emplace_back(token);
    }
    const auto wide = whole.metadata().GetInts("tokenizer.ggml.token_type");
    std::vector<int32_t> types(wide.begin(), wide.end());
    tokens[id] = piece;
    types[id] = 4;
    file.SetStrings("tokenizer.ggml.tokens", tokens);
    file.SetArray<int32_t>("tokenizer.ggml.token_type", types);
    file.Write(path);
    return Model::Load(path);
  };
  const std::string text = "Add   17 and 25.";
  const auto marked = model_with("\u2581\u2581\u2581")->Tokenize(text);
  EXPECT_EQ(std::count(marked.begin(), marked.end(), id), 1);
  const auto plain = model_with("   ");
  EXPECT_EQ(plain->Tokenize(text), marked);
  EXPECT_EQ(plain->Detokenize(marked), text);
  ConvertOptions options;
  options.source = path;
  options.output = folder / "again.gguf";
  Convert(options);
  const GgufFile again = GgufFile::Open(options.output);
  EXPECT_EQ(again.metadata().GetStrings("tokenizer.ggml.tokens")[id], "   ");
  EXPECT_EQ(Model::Load(options.output)->Tokenize(text), marked);
}

TEST_F(GgufFiles, KeysMissing) {
  for (const std::string& key : small_->Keys()) {
    GgufPatch file = *small_;
    file.Remove(key);
    file.Write(path());
    SCOPED_TRACE(key);
    const bool failed = FailsCleanlyIfAtAll(path(), [&] { Model::Load(path()); });
    for (const char* required :
         {"general.architecture", "gemma3n.block_count", "gemma3n.embedding_length",
          "gemma3n.feed_forward_length", "gemma3n.attention.head_count",
          "gemma3n.attention.head_count_kv"}) {
      EXPECT_TRUE(failed || key != required);
    }
  }
}

TEST_F(GgufFiles, NumbersThatMakeNoSense) {
  for (const char* name :
       {"block_count", "embedding_length", "feed_forward_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length", "attention.sliding_window",
        "attention.shared_kv_layers", "embedding_length_per_layer_input",
        "vocab_size_per_layer_input", "altup.num_inputs", "altup.active_idx", "context_length"}) {
    const std::string key = Key(name);
    SCOPED_TRACE(key);
    const auto expect_error = [&](auto set) {
      GgufPatch file = *small_;
      set(file);
      ErrorOf(file);
    };
    if (key != Key("altup.active_idx")) {
      expect_error([&](GgufPatch& file) { file.Set<uint32_t>(key, 0); });
    }
    expect_error([&](GgufPatch& file) { file.Set<uint32_t>(key, UINT32_MAX); });
    expect_error([&](GgufPatch& file) { file.Set<uint32_t>(key, 0x7fffffff); });
    expect_error([&](GgufPatch& file) { file.Set<int32_t>(key, -1); });
    expect_error([&](GgufPatch& file) { file.Set<uint64_t>(key, UINT64_MAX); });
    expect_error([&](GgufPatch& file) { file.Set<int64_t>(key, INT64_MIN); });
    expect_error([&](GgufPatch& file) { file.Set<float>(key, 1.5f); });
    expect_error([&](GgufPatch& file) { file.Set<double>(key, kNan); });
    expect_error([&](GgufPatch& file) { file.SetString(key, "a\nb"); });
    expect_error([&](GgufPatch& file) { file.SetStrings(key, {"a", "\x1b[31m"}); });
    expect_error([&](GgufPatch& file) { file.SetArray<float>(key, std::vector<float>(10, kNan)); });
    expect_error([&](GgufPatch& file) { file.SetArray<int32_t>(key, {}); });
    expect_error([&](GgufPatch& file) { file.Set<bool>(key, true); });
  }
}

TEST_F(GgufFiles, FloatsThatMakeNoSense) {
  for (const char* name : {"rope.freq_base", "rope.freq_base_swa",
                           "attention.layer_norm_rms_epsilon", "final_logit_softcapping"}) {
    const std::string key = Key(name);
    SCOPED_TRACE(key);
    GgufPatch file = *small_;
    for (const float value : {-1.0f, kNan, kInfinity, -kInfinity}) {
      file.Set<float>(key, value);
      ErrorOf(file);
    }
    file.Set<double>(key, 1e300);
    ErrorOf(file);
    file.SetString(key, "x");
    ErrorOf(file);
    file.Set<float>(key, 0);
    file.Write(path());
    FailsCleanlyIfAtAll(path(), [&] { Model::Load(path()); });
  }
}

TEST_F(GgufFiles, ArraysOfTheWrongType) {
  for (const char* name :
       {"activation_sparsity_scale", "attention.sliding_window_pattern", "feed_forward_length"}) {
    SCOPED_TRACE(name);
    GgufPatch file = *small_;
    file.SetStrings(Key(name), std::vector<std::string>(10, "1"));
    ErrorOf(file);
    file.SetString(Key(name), "1");
    ErrorOf(file);
    file.SetArray<int32_t>(Key(name), {});
    ErrorOf(file);
  }
  GgufPatch file = *small_;
  file.SetArray<float>(Key("attention.sliding_window_pattern"), std::vector<float>(10, 0.5f));
  ErrorOf(file);
  file = *small_;
  file.SetArray<int64_t>(Key("feed_forward_length"), std::vector<int64_t>(10, INT64_MIN));
  ErrorOf(file);
}

TEST_F(GgufFiles, ForeignArchitectures) {
  for (const char* name : {"llama", "gemma2", "gemma4", "", "a\nb"}) {
    GgufPatch file = *small_;
    file.SetString("general.architecture", name);
    EXPECT_EQ(ErrorOf(file).kind(), ErrorKind::kUnsupported);
  }
  GgufPatch file = *small_;
  file.Set<uint32_t>("general.architecture", 3);
  ErrorOf(file);
}

TEST_F(GgufFiles, EachTensorMissing) {
  for (const PatchTensor& tensor : small_->tensors()) {
    if (!IsSample(tensor.name)) continue;
    GgufPatch file = *small_;
    file.RemoveTensor(tensor.name);
    const Error error = ErrorOf(file);
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
    EXPECT_NE(error.message().find("'" + tensor.name + "'"), std::string::npos) << error.message();
  }
}

TEST_F(GgufFiles, EachTensorTransposedOrLonger) {
  for (const PatchTensor& tensor : small_->tensors()) {
    if (!IsSample(tensor.name)) continue;
    SCOPED_TRACE(tensor.name);
    if (tensor.ne.size() > 1 && tensor.ne[0] != tensor.ne[1]) {
      GgufPatch file = *small_;
      PatchTensor& changed = file.Tensor(tensor.name);
      const auto values = changed.Values();
      std::swap(changed.ne[0], changed.ne[1]);
      changed.Store(DType::kF16, values);
      ErrorOf(file);
    }
    GgufPatch file = *small_;
    PatchTensor& changed = file.Tensor(tensor.name);
    changed.ne[0] += 1;
    int64_t elements = 1;
    for (const int64_t size : changed.ne) elements *= size;
    changed.Store(DType::kF16, std::vector<float>(static_cast<size_t>(elements)));
    ErrorOf(file);
  }
}

TEST_F(GgufFiles, StacksOfTheWrongHeight) {
  for (const char* name : {"altup_proj.weight", "altup_unembd_proj.weight"}) {
    for (const int64_t height : {1, 2}) {
      GgufPatch file = *small_;
      PatchTensor& tensor = file.Tensor(name);
      tensor.ne[2] = height;
      tensor.data.resize(static_cast<size_t>(height * 128) * RowBytes(tensor.type, 128));
      const Error error = ErrorOf(file);
      EXPECT_NE(error.message().find(name), std::string::npos) << error.message();
    }
  }
}

}  // namespace
}  // namespace tandem::test
