// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Conversion: what goes in comes out, in the types that were planned, or nothing changes on disk.
#include "engine/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <map>

#include "engine/quantize_plan.h"
#include "formats/gguf.h"
#include "support/gguf_patch.h"
#include "support/hf_model.h"
#include "support/model_test.h"
#include "tandem/model.h"

namespace tandem::test {
namespace {

const std::filesystem::path kBase = "data/random/base";
const std::filesystem::path kFable = "../models/fable-e4b-q8_0.gguf";

std::vector<int32_t> SomeIds() {
  auto ids = GoldenIds(kBase / "golden.safetensors");
  ids.resize(40);
  return ids;
}

std::string TextOf(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ConvertTest : public testing::Test {
 protected:
  ConvertOptions Options(const std::filesystem::path& source, const std::string& type,
                         const std::string& output = "out.gguf") const {
    ConvertOptions options;
    options.source = source;
    options.output = folder_ / output;
    options.type = type;
    options.threads = 2;
    return options;
  }
  std::filesystem::path Run(const std::filesystem::path& source, const std::string& type,
                            const std::string& output = "out.gguf") {
    const ConvertOptions options = Options(source, type, output);
    summary_ = Convert(options);
    return options.output;
  }

  TemporaryFolder folder_;
  ConvertSummary summary_;
};

TEST_F(ConvertTest, FloatsStayTheSame) {
  const auto ids = SomeIds();
  const auto logits = Logits(kBase, ids);
  const auto first = Run(kBase, "f32", "base.gguf");
  EXPECT_TRUE(SameBits(Logits(first, ids), logits));
  const auto second = Run(first, "f32", "second.gguf");
  EXPECT_TRUE(TextOf(first) == TextOf(second));
  EXPECT_TRUE(SameBits(Logits(Run(kBase, "bf16"), ids), logits));
  const auto third = Run(Run(kBase, "bf16", "brain.gguf"), "f32", "third.gguf");
  EXPECT_TRUE(SameBits(Logits(third, ids), logits));
  const GgufFile a = GgufFile::Open(first);
  const GgufFile b = GgufFile::Open(third);
  for (const GgufTensor& tensor : a.tensors()) {
    const auto other = b.GetTensor(tensor.name).data;
    EXPECT_TRUE(std::equal(tensor.data.begin(), tensor.data.end(), other.begin(), other.end()))
        << tensor.name;
  }
}

// From the names alone, without the plan.
bool IsVector(std::string_view name) {
  for (const char* part : {"norm", "altup_router", "_coef", "correct_scale"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

bool IsSensitive(std::string_view name) {
  for (const char* part : {"laurel_", "inp_gate", ".proj.", "altup_", "per_layer_model_proj"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

int BitsOf(DType type) { return BlockBytes(type) * 8 / BlockElements(type); }

void CheckTypes(const std::filesystem::path& path, const std::string& wanted,
                const ConvertSummary& summary) {
  const GgufFile file = GgufFile::Open(path);
  std::map<std::string, uint64_t> bytes_by_type;
  uint64_t elements = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    SCOPED_TRACE(tensor.name);
    bytes_by_type[std::string(DTypeName(*tensor.type))] += tensor.bytes;
    elements += tensor.elements;
    const auto type = DTypeFromName(wanted);
    if (IsVector(tensor.name)) {
      EXPECT_EQ(*tensor.type, DType::kF32);
    } else if (IsSensitive(tensor.name)) {
      EXPECT_GE(BitsOf(*tensor.type), 8);
    } else if (type && tensor.ne[0] % BlockElements(*type) == 0 &&
               tensor.name.find("embd") == std::string_view::npos) {
      EXPECT_EQ(*tensor.type, *type);
    } else {
      EXPECT_GE(BitsOf(*tensor.type), type ? BitsOf(*type) : 4);
    }
  }
  EXPECT_EQ(bytes_by_type, summary.bytes_by_type);
  EXPECT_EQ(elements, summary.weights);
  EXPECT_EQ(file.tensors().size(), static_cast<size_t>(summary.tensors));
  EXPECT_EQ(file.file_bytes(), summary.bytes);
}

TEST_F(ConvertTest, EveryTypeFromEverySource) {
  // Largest mean difference of the logits, whose range is +-12: about twice what it is.
  const std::map<std::string, double> bounds = {{"f32", 0},    {"bf16", 0},    {"f16", 0.01},
                                                {"q8_0", 0.3}, {"q6_k", 0.4},  {"q4_0", 2.5},
                                                {"q4_k", 2.5}, {"q4_k_m", 2.5}};
  const auto ids = SomeIds();
  const auto logits = Logits(kBase, ids);
  const auto whole = Run(kBase, "f32", "whole.gguf");
  for (const std::string& type : ConvertTypes()) {
    SCOPED_TRACE(type);
    ASSERT_TRUE(bounds.contains(type));
    const auto from_folder = Run(kBase, type, "folder.gguf");
    CheckTypes(from_folder, type, summary_);
    const auto from_gguf = Run(whole, type, "gguf.gguf");
    CheckTypes(from_gguf, type, summary_);
    EXPECT_TRUE(TextOf(from_folder).size() == TextOf(from_gguf).size());
    const auto a = Logits(from_folder, ids);
    EXPECT_TRUE(SameBits(a, Logits(from_gguf, ids)));
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += std::fabs(double{a[i]} - double{logits[i]});
    EXPECT_LE(sum / static_cast<double>(a.size()), bounds.at(type));
    CheckTypes(Run(kFable, type, "fable.gguf"), type, summary_);
    EXPECT_EQ(Model::Load(folder_ / "fable.gguf")->vocab_rows(), 4096);
  }
}

TEST_F(ConvertTest, FallbacksAreReportedAndReal) {
  // Widths of the model: rows of 128, 256 (attention output, down) and 8 (laurel_r); 32 per layer
  // in the per-layer table.
  Run(kBase, "q4_0");
  EXPECT_EQ(summary_.fallbacks,
            (std::map<std::string, int>{{"q6_k -> q8_0", 2}, {"q8_0 -> f16", 10}}));
  const auto path = Run(kBase, "q4_k");
  // Query, gate and up of ten layers, key and value of the five that own them.
  EXPECT_EQ(
      summary_.fallbacks,
      (std::map<std::string, int>{{"q4_k -> q5_0", 40}, {"q6_k -> q8_0", 2}, {"q8_0 -> f16", 10}}));
  const GgufFile file = GgufFile::Open(path);
  const auto type = [&](const char* name) { return *file.GetTensor(name).type; };
  EXPECT_EQ(type("blk.0.attn_q.weight"), DType::kQ5_0);
  EXPECT_EQ(type("blk.0.attn_output.weight"), DType::kQ4_K);
  EXPECT_EQ(type("blk.0.laurel_r.weight"), DType::kF16);
  EXPECT_EQ(type("blk.0.laurel_l.weight"), DType::kQ8_0);
  EXPECT_EQ(type("per_layer_token_embd.weight"), DType::kQ8_0);
  EXPECT_EQ(type("token_embd.weight"), DType::kQ8_0);
  Run(kBase, "f16");
  EXPECT_TRUE(summary_.fallbacks.empty());
}

TEST_F(ConvertTest, WidthsThatNoBlockDivides) {
  for (const std::string& name : QuantizePlanNames()) {
    gemma::OutputTensor tensor;
    tensor.role = gemma::TensorRole::kFfnDown;
    tensor.layer = 0;
    tensor.cols = 48;
    const TypeChoice choice = ChooseType(*FindQuantizePlan(name), tensor, 10);
    const bool is_float = BlockElements(choice.wanted) == 1;
    EXPECT_EQ(choice.type, is_float ? choice.wanted : DType::kF16) << name;
  }
  ConvertOptions options = Options(kBase, "q4_k_m");
  options.slice_ffn = "48";
  const auto summary = Convert(options);
  const GgufFile file = GgufFile::Open(options.output);
  for (int layer = 0; layer < 10; ++layer) {
    const auto name = "blk." + std::to_string(layer) + ".ffn_down.weight";
    EXPECT_EQ(*file.GetTensor(name).type, DType::kF16);
  }
  EXPECT_EQ(summary.fallbacks.at("q4_k -> f16") + summary.fallbacks.at("q6_k -> f16"), 10);
  EXPECT_EQ(Logits(options.output, SomeIds()).size(), 40u * 512);
}

TEST_F(ConvertTest, SameTypeCopiesBytes) {
  const auto copy = Run(kFable, "q8_0");
  const GgufFile before = GgufFile::Open(kFable);
  const GgufFile after = GgufFile::Open(copy);
  EXPECT_EQ(before.tensors().size(), after.tensors().size());
  for (const GgufTensor& tensor : before.tensors()) {
    const GgufTensor& other = after.GetTensor(tensor.name);
    EXPECT_EQ(other.type, tensor.type) << tensor.name;
    EXPECT_EQ(other.ne, tensor.ne) << tensor.name;
    EXPECT_TRUE(
        std::equal(tensor.data.begin(), tensor.data.end(), other.data.begin(), other.data.end()))
        << tensor.name;
  }
}

TEST_F(ConvertTest, KeysAndValuesOfSharedLayersSurvive) {
  HfModel model = ReadHfModel(kBase);
  const std::string from = "model.language_model.layers.1.self_attn.";
  for (int layer = 5; layer < 10; ++layer) {
    const std::string to = "model.language_model.layers." + std::to_string(layer) + ".self_attn.";
    for (const char* suffix : {"k_proj.weight", "v_proj.weight", "k_norm.weight"}) {
      model.tensors[to + suffix] = model.tensors.at(from + suffix);
    }
  }
  WriteHfModel(folder_ / "model", model);
  const auto path = Run(folder_ / "model", "q8_0");
  EXPECT_EQ(GgufFile::Open(path).tensors().size(), 24u * 10 + 7);
  EXPECT_TRUE(SameBits(Logits(path, SomeIds()), Logits(Run(kBase, "q8_0", "b.gguf"), SomeIds())));
}

// Weights that nothing reads may hold anything; packing them must not do harm.
TEST_F(ConvertTest, UnusedWeightsOfAnyValue) {
  HfModel model = ReadHfModel(kBase);
  const float values[] = {std::nanf(""), INFINITY, -INFINITY, 3e38f, 1e-40f};
  for (int layer = 5; layer < 10; ++layer) {
    const std::string name = "model.language_model.layers." + std::to_string(layer) + ".self_attn.";
    const HfTensor garbage =
        FloatTensor({64, 128}, std::vector<float>(64 * 128, values[layer - 5]));
    model.tensors[name + "k_proj.weight"] = garbage;
    model.tensors[name + "v_proj.weight"] = garbage;
    model.tensors[name + "k_norm.weight"] = FloatTensor({32}, std::vector<float>(32, NAN));
  }
  WriteHfModel(folder_ / "model", model);
  for (const std::string& type : ConvertTypes()) {
    const auto path = Run(folder_ / "model", type);
    EXPECT_TRUE(SameBits(Logits(path, SomeIds()), Logits(Run(kBase, type, "b.gguf"), SomeIds())))
        << type;
  }
}

// What no key of GGUF says must not change by conversion.
TEST_F(ConvertTest, CoefficientsBeyondThePublishedClip) {
  HfModel model = ReadHfModel(kBase);
  HfTensor& tensor =
      model.tensors.at("model.language_model.layers.2.altup.prediction_coefs.weight");
  auto values = ValuesOf(tensor);
  values[3] = 150;
  values[7] = -150;
  tensor = FloatTensor(tensor.shape, values);
  std::vector<std::vector<float>> all;
  for (const nlohmann::json& clip :
       {nlohmann::json(120.0), nlohmann::json(140.0), nlohmann::json(nullptr)}) {
    model.text()["altup_coef_clip"] = clip;
    WriteHfModel(folder_ / "model", model);
    all.push_back(Logits(folder_ / "model", SomeIds()));
    EXPECT_TRUE(SameBits(Logits(Run(folder_ / "model", "f32"), SomeIds()), all.back())) << clip;
  }
  EXPECT_FALSE(SameBits(all[0], all[1]));
  EXPECT_FALSE(SameBits(all[1], all[2]));
}

TEST_F(ConvertTest, NoSoftCapStaysNone) {
  HfModel model = ReadHfModel(kBase);
  model.text()["final_logit_softcapping"] = nullptr;
  WriteHfModel(folder_ / "model", model);
  const auto logits = Logits(folder_ / "model", SomeIds());
  EXPECT_TRUE(SameBits(Logits(Run(folder_ / "model", "f32"), SomeIds()), logits));
  EXPECT_FALSE(SameBits(Logits(kBase, SomeIds()), logits));
}

class FailingConvertTest : public ConvertTest {
 protected:
  void SetUp() override {
    std::ofstream(folder_ / "out.gguf") << "old";
    before_ = folder_.Names();
  }
  // Runs `action`, which fails, and checks that nothing on disk is different.
  void ExpectUntouched(const std::filesystem::path& file, ErrorKind kind,
                       const std::function<void()>& action) {
    const auto names = folder_.Names();
    EXPECT_EQ(FileError(file, action).kind(), kind);
    EXPECT_EQ(folder_.Names(), names);
    EXPECT_EQ(TextOf(folder_ / "out.gguf"), "old");
  }

  std::vector<std::string> before_;
};

TEST_F(FailingConvertTest, BadArgumentsLeaveTheOutputAlone) {
  const auto fails = [&](const ConvertOptions& options) {
    ExpectUntouched("", ErrorKind::kInvalidArgument, [&] { Convert(options); });
  };
  for (const char* type : {"q2_k", "", "Q8_0\n", "q5_1"}) fails(Options(kBase, type));
  ConvertOptions options = Options(kBase, "q8_0");
  options.slice = "e2b";
  fails(options);
  options.slice = "";
  options.slice_skip = "3";
  fails(options);
  options.slice_skip = "";
  options.slice_ffn = "48,x";
  fails(options);
  options = Options(kBase, "q8_0");
  options.output = "";
  fails(options);
}

TEST_F(FailingConvertTest, BadSourcesLeaveTheOutputAlone) {
  std::filesystem::copy_file(kFable, folder_ / "cut.gguf");
  std::filesystem::resize_file(folder_ / "cut.gguf", std::filesystem::file_size(kFable) - 100000);
  ExpectUntouched(folder_ / "cut.gguf", ErrorKind::kCorruptFile,
                  [&] { Convert(Options(folder_ / "cut.gguf", "q4_0")); });
  ExpectUntouched(folder_ / "none.gguf", ErrorKind::kNotFound,
                  [&] { Convert(Options(folder_ / "none.gguf", "q4_0")); });
}

TEST_F(FailingConvertTest, StoppedHalfWay) {
  uint64_t calls = 0;
  ExpectUntouched("", ErrorKind::kCancelled, [&] {
    Convert(Options(kFable, "q4_0"), [&](uint64_t, uint64_t, std::string_view) {
      if (++calls == 20) throw Error(ErrorKind::kCancelled, "stopped");
    });
  });
  EXPECT_EQ(calls, 20u);
}

TEST_F(FailingConvertTest, OutputsThatCannotBeWritten) {
  ExpectUntouched(folder_ / "none" / "x.gguf", ErrorKind::kIo,
                  [&] { Convert(Options(kBase, "f32", "none/x.gguf")); });
  std::filesystem::create_directory(folder_ / "folder");
  ExpectUntouched(folder_ / "folder", ErrorKind::kIo,
                  [&] { Convert(Options(kBase, "f32", "folder")); });
}

TEST_F(FailingConvertTest, OutputOverItsOwnSource) {
  const auto refuses = [&](const std::filesystem::path& source, const std::string& output) {
    SCOPED_TRACE(output);
    const std::string content = TextOf(folder_ / output);
    ExpectUntouched(folder_.path(), ErrorKind::kInvalidArgument,
                    [&] { Convert(Options(source, "q8_0", output)); });
    EXPECT_TRUE(TextOf(folder_ / output) == content);
  };
  std::filesystem::copy_file(kFable, folder_ / "fable.gguf");
  refuses(folder_ / "fable.gguf", "fable.gguf");
  refuses(folder_ / "fable.gguf", "../" + folder_.path().filename().string() + "/fable.gguf");
  std::filesystem::create_symlink("fable.gguf", folder_ / "link.gguf");
  refuses(folder_ / "fable.gguf", "link.gguf");
  const auto first = GgufPatch(kFable).WriteParts(folder_ / "parts", 2);
  refuses(first, "parts-00001-of-00002.gguf");
  refuses(first, "parts-00002-of-00002.gguf");
  WriteHfModel(folder_ / "hf", ReadHfModel(kBase), 2);
  refuses(folder_ / "hf", "hf/model-00001-of-00002.safetensors");
  refuses(folder_ / "hf", "hf/model-00002-of-00002.safetensors");
  refuses(folder_ / "hf", "hf/config.json");
  refuses(folder_ / "hf", "hf/model.safetensors.index.json");
}

TEST_F(ConvertTest, ProgressAddsUp) {
  uint64_t last = 0;
  Convert(Options(kBase, "q8_0"), [&](uint64_t done, uint64_t total, std::string_view tensor) {
    EXPECT_GT(done, last);
    EXPECT_LE(done, total);
    EXPECT_FALSE(tensor.empty());
    last = done;
    EXPECT_EQ(done == total, tensor == "output_norm.weight");
  });
  EXPECT_GT(last, 0u);
}

}  // namespace
}  // namespace tandem::test
