// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// MatFormer slices: the smaller model in a file of its own is the one seen through views.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "engine/convert.h"
#include "engine/model_data.h"
#include "formats/gguf.h"
#include "gemma3n/gguf.h"
#include "gemma3n/hf.h"
#include "support/gguf_patch.h"
#include "support/model_test.h"
#include "tandem/model.h"

namespace tandem::test {
namespace {

const std::filesystem::path kFable = "../models/fable-e4b-q8_0.gguf";
const std::vector<int> kKept = {0, 1, 2, 3, 4, 10, 11, 12, 13, 14};

// Past the window of 64.
std::vector<int32_t> SomeIds() {
  std::vector<int32_t> ids = {2};
  for (int32_t i = 1; i < 80; ++i) ids.push_back(7 + (i * 613) % 2400);
  return ids;
}

class ConvertSlice : public testing::Test {
 protected:
  ConvertOptions Options(const std::filesystem::path& source, const std::string& type,
                         const std::string& output) const {
    ConvertOptions options;
    options.source = source;
    options.output = folder_ / output;
    options.type = type;
    options.threads = 1;
    return options;
  }
  std::filesystem::path Slice(const std::filesystem::path& source, const std::string& type,
                              const std::string& skip, const std::string& ffn,
                              const std::string& output = "slice.gguf") const {
    ConvertOptions options = Options(source, type, output);
    options.slice_skip = skip;
    options.slice_ffn = ffn;
    Convert(options);
    return options.output;
  }
  std::filesystem::path Preset(const std::filesystem::path& source, const std::string& type) const {
    ConvertOptions options = Options(source, type, "e2b.gguf");
    options.slice = "e2b";
    Convert(options);
    return options.output;
  }
  std::filesystem::path Whole(const std::string& type) const {
    const ConvertOptions options = Options(kFable, type, "whole-" + type + ".gguf");
    Convert(options);
    return options.output;
  }

  TemporaryFolder folder_;
};

// Logits of the slice as views of the whole model's weights.
std::vector<float> ViewLogits(const std::filesystem::path& whole, const SliceRequest& request) {
  auto data = std::make_unique<ModelData>();
  data->source = OpenSource(whole);
  const auto whole_model = ReadTextModel(data->source);
  data->text = whole_model->Slice(request);
  data->decode = data->text->BuildProgram(gemma::Rows::kAllWanted);
  data->prefill = data->text->BuildProgram(gemma::Rows::kSomeWanted);
  return Logits(MakeModel(std::move(data)), SomeIds());
}

std::string TextOf(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(ConvertSlice, PresetHasTheShapeOfTheSmallModel) {
  const auto params = gemma3n::ReadGgufParams(GgufFile::Open(Preset(kFable, "q8_0")));
  const auto expected = gemma3n::ReadHfConfig(
      nlohmann::json::parse(std::ifstream("data/fable-e2b/config.json")), "config.json");
  EXPECT_EQ(params.layers, 10);
  EXPECT_EQ(params.shared_kv_layers, 5);
  EXPECT_EQ(params.ffn, std::vector<int64_t>(10, 512));
  EXPECT_EQ(params.layers, expected.layers);
  EXPECT_EQ(params.width, expected.width);
  EXPECT_EQ(params.ffn, expected.ffn);
  EXPECT_EQ(params.heads, expected.heads);
  EXPECT_EQ(params.kv_heads, expected.kv_heads);
  EXPECT_EQ(params.head_dim, expected.head_dim);
  EXPECT_EQ(params.vocab, expected.vocab);
  EXPECT_EQ(params.ple_vocab, expected.ple_vocab);
  EXPECT_EQ(params.ple_width, expected.ple_width);
  EXPECT_EQ(params.laurel_rank, expected.laurel_rank);
  EXPECT_EQ(params.shared_kv_layers, expected.shared_kv_layers);
  EXPECT_EQ(params.kinds, expected.kinds);
  EXPECT_EQ(params.window, expected.window);
  EXPECT_EQ(params.altup_inputs, expected.altup_inputs);
  EXPECT_EQ(params.altup_active, expected.altup_active);
  EXPECT_EQ(params.sparsity, expected.sparsity);
  EXPECT_EQ(params.rope_theta_full, expected.rope_theta_full);
  EXPECT_EQ(params.rope_theta_sliding, expected.rope_theta_sliding);
  EXPECT_EQ(params.eps, expected.eps);
  EXPECT_EQ(params.logit_soft_cap, expected.logit_soft_cap);
  EXPECT_EQ(params.context_length, expected.context_length);
}

TEST_F(ConvertSlice, PresetHasTheDocumentedRowsAndColumns) {
  GgufPatch whole(kFable);
  GgufPatch slice(Preset(kFable, "f32"));
  size_t compared = 0;
  // Rows and columns of `name` in the slice, each taken from where `row` and `column` say.
  const auto expect = [&](const std::string& name, const std::string& from, auto row, auto column) {
    const PatchTensor& part = slice.Tensor(name);
    const PatchTensor& source = whole.Tensor(from);
    const auto values = part.Values();
    const auto all = source.Values();
    const int64_t rows = static_cast<int64_t>(values.size()) / part.ne[0];
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < part.ne[0]; ++c) {
        ASSERT_EQ(values[static_cast<size_t>(r * part.ne[0] + c)],
                  all[static_cast<size_t>(row(r) * source.ne[0] + column(c))])
            << name << " [" << r << ", " << c << "]";
      }
    }
    ++compared;
  };
  const auto same = [](int64_t i) { return i; };
  const auto by_layer = [](int64_t i) {
    return int64_t{kKept[static_cast<size_t>(i / 32)]} * 32 + i % 32;
  };
  for (const PatchTensor& tensor : slice.tensors()) {
    if (tensor.name == "per_layer_token_embd.weight") {
      EXPECT_EQ(tensor.ne, (std::vector<int64_t>{320, 4096}));
      expect(tensor.name, tensor.name, same, by_layer);
    } else if (tensor.name == "per_layer_model_proj.weight") {
      EXPECT_EQ(tensor.ne, (std::vector<int64_t>{256, 320}));
      expect(tensor.name, tensor.name, by_layer, same);
    } else if (!tensor.name.starts_with("blk.")) {
      EXPECT_EQ(tensor.ne, whole.Tensor(tensor.name).ne);
      expect(tensor.name, tensor.name, same, same);
    } else {
      const size_t dot = tensor.name.find('.', 4);
      const int layer = kKept[std::stoul(tensor.name.substr(4, dot - 4))];
      const std::string from = fmt::format("blk.{}{}", layer, tensor.name.substr(dot));
      if (tensor.name.find("ffn_gate") != std::string::npos ||
          tensor.name.find("ffn_up") != std::string::npos) {
        EXPECT_EQ(tensor.ne, (std::vector<int64_t>{256, 512}));
      } else if (tensor.name.find("ffn_down") != std::string::npos) {
        EXPECT_EQ(tensor.ne, (std::vector<int64_t>{512, 256}));
      } else {
        EXPECT_EQ(tensor.ne, whole.Tensor(from).ne) << tensor.name;
      }
      expect(tensor.name, from, same, same);
    }
  }
  EXPECT_EQ(compared, 24u * 10 + 7 - 3 * 5);
}

TEST_F(ConvertSlice, FileAndViewsGiveTheSameLogits) {
  const SliceRequest e2b{{}, "5-9", "512"};
  // Nothing is packed anew in either.
  EXPECT_TRUE(SameBits(Logits(Preset(kFable, "q8_0"), SomeIds()), ViewLogits(kFable, e2b)));
  const auto whole = Whole("f32");
  const auto views = ViewLogits(whole, e2b);
  EXPECT_TRUE(SameBits(Logits(Preset(whole, "f32"), SomeIds()), views));
  EXPECT_FALSE(SameBits(views, Logits(whole, SomeIds())));
  EXPECT_FALSE(SameBits(views, ViewLogits(whole, {{}, "5-9", {}})));
}

TEST_F(ConvertSlice, ListsOfWidths) {
  const std::vector<int64_t> widths = {32, 768, 64, 512, 256, 768, 768, 96, 512, 32};
  const std::string text = fmt::format("{}", fmt::join(widths, ","));
  const auto path = Slice(kFable, "q8_0", "10-14", text);
  EXPECT_EQ(gemma3n::ReadGgufParams(GgufFile::Open(path)).ffn, widths);
  EXPECT_TRUE(SameBits(Logits(path, SomeIds()), ViewLogits(kFable, {{}, "10-14", text})));
  // Floats can be cut anywhere.
  const auto odd = Slice(Whole("f32"), "f32", "5-9", "7");
  EXPECT_TRUE(
      SameBits(Logits(odd, SomeIds()), ViewLogits(folder_ / "whole-f32.gguf", {{}, "5-9", "7"})));
}

TEST_F(ConvertSlice, WaysToNameTheSame) {
  const auto preset = TextOf(Preset(kFable, "q8_0"));
  EXPECT_TRUE(TextOf(Slice(kFable, "q8_0", "5-9", "512")) == preset);
  EXPECT_TRUE(TextOf(Slice(kFable, "q8_0", "9,5-7,6,8", "512")) == preset);
  EXPECT_TRUE(TextOf(Slice(kFable, "q8_0", "", "768")) == TextOf(Whole("q8_0")));
}

TEST_F(ConvertSlice, Twice) {
  const auto once = Slice(kFable, "q8_0", "5-9", "256", "once.gguf");
  const auto twice = Slice(Preset(kFable, "q8_0"), "q8_0", "", "256", "twice.gguf");
  EXPECT_TRUE(TextOf(once) == TextOf(twice));
  const auto deep = Slice(twice, "q8_0", "5-9", "", "deep.gguf");
  EXPECT_TRUE(TextOf(deep) == TextOf(Slice(kFable, "q8_0", "5-14", "256", "direct.gguf")));
  EXPECT_EQ(gemma3n::ReadGgufParams(GgufFile::Open(deep)).shared_kv_layers, 0);
}

// Nothing shares the keys and values of a layer when all that did are skipped with it.
TEST_F(ConvertSlice, SourcesGoWithTheirSharers) {
  const auto path = Slice(kFable, "q8_0", "3-14", "");
  EXPECT_EQ(gemma3n::ReadGgufParams(GgufFile::Open(path)).layers, 3);
  EXPECT_TRUE(SameBits(Logits(path, SomeIds()), ViewLogits(kFable, {{}, "3-14", {}})));
}

TEST_F(ConvertSlice, Forbidden) {
  const auto refuses = [&](const std::string& skip, const std::string& ffn) {
    SCOPED_TRACE(skip + " / " + ffn);
    const Error error = FileError("", [&] { Slice(kFable, "q8_0", skip, ffn); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument) << error.message();
    return error.message();
  };
  EXPECT_NE(refuses("3", "").find("layer 3"), std::string::npos);
  EXPECT_NE(refuses("4", "").find("layer 4"), std::string::npos);
  EXPECT_NE(refuses("0-4", "").find("keys and values"), std::string::npos);
  EXPECT_NE(refuses("15", "").find("15"), std::string::npos);
  EXPECT_NE(refuses("0-14", "").find("layer"), std::string::npos);
  refuses("5", "");  // the order of local and global layers would break
  refuses("9", "");
  refuses("5-10", "");
  refuses("", "769");
  refuses("", "512,512");
  refuses("5-9", "512,512,512,512,512,512,512,512,512,512,512");
  EXPECT_NE(refuses("", "48").find("block"), std::string::npos);
  for (const char* bad :
       {"x", "5-", "-5", "9-5", "5,,6", ",", "5-9-10", "99999999999", "5 ", "\n"}) {
    refuses(bad, "");
  }
  for (const char* bad : {"x", "0", "-1", "512,", ",512", "1e3", "99999999999999999999", "\n"}) {
    refuses("", bad);
  }
  ConvertOptions options = Options(kFable, "q8_0", "x.gguf");
  options.slice = "e4b";
  FileError("", [&] { Convert(options); });
  options.slice = "e2b";
  options.slice_ffn = "512";
  FileError("", [&] { Convert(options); });
  const auto e2b = Preset(kFable, "q8_0");
  options = Options(e2b, "q8_0", "x.gguf");
  options.slice = "e2b";
  FileError("", [&] { Convert(options); });
  EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"e2b.gguf"}));
}

}  // namespace
}  // namespace tandem::test
