// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Kinds of hostile input that other programs fell for (docs/hostile-input.md) and that no test of a
// single format covers: vocabularies and templates inside a model, cut sources of a conversion,
// fields of saved sessions.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

#include "core/error.h"
#include "core/hash.h"
#include "engine/convert.h"
#include "engine/model_text.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "support/gguf_patch.h"
#include "support/model_test.h"
#include "tandem/engine.h"
#include "tandem/generation.h"

namespace tandem::test {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

const std::filesystem::path kFable = "../models/fable-e4b-q8_0.gguf";

class HostileContent : public testing::Test {
 protected:
  std::shared_ptr<const Model> Load(const GgufPatch& patch) {
    patch.Write(path());
    return Model::Load(path());
  }
  std::filesystem::path path() const { return folder_ / "model.gguf"; }

  /// What fable answers, greedily.
  static std::string Answer(const std::shared_ptr<const Model>& model) {
    Engine engine(model, {});
    GenerationOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = 20;
    const ChatMessage question{Role::kUser, "What is the capital of Brazil?"};
    const auto prompt = RequireChat(*model).Render({&question, 1});
    return Generate(*engine.NewSession(), prompt, options).text;
  }

  TemporaryFolder folder_;
};

// A template is data: it is looked at to tell whose it is and never run.
TEST_F(HostileContent, ChatTemplatesAreNeverRun) {
  std::string deep;
  for (int i = 0; i < 20000; ++i) deep += "{% if 1 %}{% for x in range(10**9) %}";
  const std::string templates[] = {
      "{{ ''.__class__.__mro__[1].__subclasses__() }}",
      "{% for c in cycler.__init__.__globals__.os.popen('touch owned') %}{{ c }}{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      deep,
      std::string("\0\xff{{", 4),
      std::string(1 << 20, '{'),
      "{{ messages[99999999999999999999] }}",
  };
  GgufPatch patch(kFable);
  for (const std::string& text : templates) {
    patch.SetString("tokenizer.chat_template", text);
    std::shared_ptr<const Model> model;
    const bool failed = FailsCleanlyIfAtAll(folder_ / "model.gguf", [&] { model = Load(patch); });
    if (!failed) {
      EXPECT_EQ(Answer(model), "The capital of Brazil is Bras\xc3\xadlia.");
      EXPECT_FALSE(model->notes().empty()) << "nothing said that the template is not followed";
    }
  }
  EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"model.gguf"}));
}

TEST_F(HostileContent, VocabulariesInModelFiles) {
  const GgufPatch good(kFable);
  const GgufFile file = GgufFile::Open(kFable);
  const auto views = file.metadata().GetStrings("tokenizer.ggml.tokens");
  const std::vector<std::string> tokens(views.begin(), views.end());
  const auto scores = file.metadata().GetFloats("tokenizer.ggml.scores");
  const std::string text = "Hello <b>  there\n\xf0\x9f\xa6\x8a";
  int accepted = 0;
  const auto check = [&](const char* what, const GgufPatch& patch) {
    SCOPED_TRACE(what);
    std::shared_ptr<const Model> model;
    patch.Write(path());
    if (FailsCleanlyIfAtAll(path(), [&] { model = Model::Load(path()); })) return;
    ++accepted;
    for (const int32_t id : RequireTokenizer(*model).Encode(text)) {
      EXPECT_GE(id, 0);
      EXPECT_LT(id, model->vocab_rows());
    }
  };
  const auto with_tokens = [&](const char* what, const auto& change) {
    std::vector<std::string> changed = tokens;
    for (size_t id = 300; id < changed.size(); id += 7) changed[id] = change(id);
    GgufPatch patch = good;
    patch.SetStrings("tokenizer.ggml.tokens", changed);
    check(what, patch);
  };
  with_tokens("empty", [](size_t) { return std::string(); });
  with_tokens("all the same", [](size_t) { return std::string("same"); });
  with_tokens("not text", [](size_t id) { return std::string(1 + id % 9, '\xff'); });
  with_tokens("NUL", [](size_t) { return std::string(3, '\0'); });
  with_tokens("endless", [](size_t id) { return std::string(id * 16, 'a'); });
  with_tokens("control", [](size_t) { return std::string("<end_of_turn>"); });
  const float evil[] = {-1e30f, std::numeric_limits<float>::max(), -INFINITY, INFINITY, NAN};
  for (const float value : evil) {
    std::vector<float> changed = scores;
    for (size_t id = 0; id < changed.size(); id += 3) changed[id] = value;
    GgufPatch patch = good;
    patch.SetArray<float>("tokenizer.ggml.scores", changed);
    check("scores", patch);
  }
  for (const int32_t type : {0, -1, 2, 3, 6, 7, INT32_MAX}) {
    GgufPatch patch = good;
    patch.SetArray<int32_t>("tokenizer.ggml.token_type", std::vector<int32_t>(tokens.size(), type));
    check("types", patch);
  }
  for (const char* key : {"bos", "eos", "unknown", "padding", "eot"}) {
    for (const uint32_t id : {4095u, 4096u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
      GgufPatch patch = good;
      patch.Set<uint32_t>("tokenizer.ggml." + std::string(key) + "_token_id", id);
      check(key, patch);
    }
  }
  EXPECT_GT(accepted, 0);
}

TEST_F(HostileContent, TenMillionTokensAreRefused) {
  constexpr size_t kTokens = 10'000'000;
  {
    GgufWriter writer(path());
    writer.AddString("general.architecture", "gemma3n");
    writer.AddString("tokenizer.ggml.model", "llama");
    writer.AddStrings("tokenizer.ggml.tokens", std::vector<std::string_view>(kTokens));
    writer.AddArray<float>("tokenizer.ggml.scores", std::vector<float>(kTokens));
    writer.WriteHeader();
    writer.Finish();
  }
  const Error error = FileError(path(), [&] { LoadTokenizer(path()); });
  EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile);
}

// Never padded, never filled up with what lies behind in memory: an error, and no output.
TEST_F(HostileContent, CutSourcesAreNotConverted) {
  const std::string whole = ReadFile(kFable);
  const GgufFile file = GgufFile::Open(kFable);
  std::vector<size_t> sizes = {0, 4, 23, whole.size() / 2};
  uint64_t end = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    end = std::max(end, tensor.offset + tensor.bytes);
    if (sizes.size() < 16) sizes.push_back(tensor.offset + tensor.bytes - 1);
  }
  sizes.push_back(end - 1);
  for (const size_t size : sizes) {
    SCOPED_TRACE(size);
    WriteFile(path(), std::string_view(whole).substr(0, size));
    ConvertOptions options;
    options.source = path();
    options.output = folder_ / "out.gguf";
    options.threads = 1;
    FileError(path(), [&] { Convert(options); });
    EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"model.gguf"}));
  }
}

// The checksum finds accidents; whoever writes a hostile file makes it right.
TEST_F(HostileContent, SessionFieldsWithARightChecksum) {
  const auto model = Model::Load("data/random/base");
  EngineOptions engine_options;
  engine_options.threads = 1;
  engine_options.chunk = 8;
  Engine engine(model, engine_options);
  std::vector<int32_t> ids;
  for (int i = 0; i < 120; ++i) ids.push_back(i * 7 % 512);
  const auto session = engine.NewSession();
  session->Append(ids);
  const auto saved = folder_ / "session";
  session->Save(saved);
  const std::string good = ReadFile(saved);
  // Magic, then two of 4 bytes, a fingerprint of 16, three of 8; five of 8 per cache tensor; ids.
  std::vector<std::pair<size_t, size_t>> fields = {{8, 4}, {12, 4}, {32, 8}, {40, 8}, {48, 8}};
  uint64_t caches = 0;
  std::memcpy(&caches, good.data() + 48, sizeof caches);
  for (uint64_t i = 0; i < 5 * caches; ++i) fields.emplace_back(56 + 8 * i, 8);
  for (size_t i = 0; i < 3; ++i) fields.emplace_back(56 + 40 * caches + 4 * i, 4);
  int refused = 0;
  for (const auto& [offset, width] : fields) {
    uint64_t original = 0;
    std::memcpy(&original, good.data() + offset, width);
    const uint64_t max = width == 4 ? UINT32_MAX : UINT64_MAX;
    for (const uint64_t value :
         {uint64_t{0}, uint64_t{1}, max, max - 1, max / 2, max / 2 + 1, uint64_t{1} << 31,
          uint64_t{1} << 32, uint64_t{1} << 61, original + 1, original - 1, original * 2}) {
      SCOPED_TRACE(testing::Message() << value << " at " << offset);
      std::string bad = good;
      std::memcpy(bad.data() + offset, &value, width);
      StreamHash hash;
      hash.Add(std::as_bytes(std::span(bad.data(), bad.size() - 16)));
      const auto sum = hash.Value();
      std::memcpy(bad.data() + bad.size() - 16, sum.data(), 16);
      WriteFile(saved, bad);
      const auto other = engine.NewSession();
      if (FailsCleanlyIfAtAll(saved, [&] { other->Load(saved); })) {
        ++refused;
        EXPECT_TRUE(other->tokens().empty());
        continue;
      }
      // What is accepted can be used.
      EXPECT_EQ(other->Append(std::vector<int32_t>{3}).size(), 512u);
      other->Rewind(static_cast<int64_t>(other->tokens().size()) / 2);
      EXPECT_EQ(other->Append(std::vector<int32_t>{3}).size(), 512u);
    }
  }
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace tandem::test
