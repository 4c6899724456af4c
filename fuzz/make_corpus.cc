// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// make-fuzz-corpus FOLDER: writes the seeds of every target to FOLDER/<target>/seed-*. Valid small
// files; what fuzzing found lies beside them under other names and stays.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "formats/gguf_writer.h"
#include "gemma3n/gguf.h"
#include "gemma3n/hf.h"
#include "session_model.h"
#include "support/random_model.h"
#include "tokenizer/vocab.h"

namespace tandem::fuzz {
namespace {

namespace fs = std::filesystem;

void WriteSeed(const fs::path& folder, const std::string& name, const std::string& bytes) {
  fs::create_directories(folder);
  std::ofstream(folder / ("seed-" + name), std::ios::binary) << bytes;
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Vocab SmallVocab(bool bytes) {
  Vocab vocab;
  const auto add = [&](std::string piece, float score, PieceType type) {
    vocab.pieces.push_back(std::move(piece));
    vocab.scores.push_back(score);
    vocab.types.push_back(type);
  };
  for (const char* piece : {"<pad>", "<eos>", "<bos>"}) add(piece, 0, PieceType::kControl);
  add("<unk>", 0, PieceType::kUnknown);
  add("<start_of_turn>", 0, PieceType::kControl);
  add("<end_of_turn>", 0, PieceType::kControl);
  for (int byte = 0; bytes && byte < 256; ++byte) {
    add(fmt::format("<0x{:02X}>", byte), 0, PieceType::kByte);
  }
  add("\n\n", 0, PieceType::kUserDefined);
  add("<b>", 0, PieceType::kUserDefined);
  float score = 0;
  const std::string mark(kSpaceMark);
  for (const std::string& piece :
       {std::string("he"), mark + "he", std::string("ll"), std::string("hell"), mark,
        std::string("h"), std::string("e"), std::string("l"), std::string("日")}) {
    add(piece, score--, PieceType::kNormal);
  }
  add("hel", score, PieceType::kUnused);
  vocab.pad = 0;
  vocab.eos = 1;
  vocab.bos = 2;
  vocab.unk = 3;
  return vocab;
}

gemma3n::HyperParams SmallParams(int layers, int64_t size, int64_t vocab) {
  gemma3n::HyperParams params;
  params.layers = layers;
  params.width = size;
  params.ffn.assign(static_cast<size_t>(layers), size);
  params.heads = 1;
  params.kv_heads = 1;
  params.head_dim = static_cast<int>(size);
  params.vocab = vocab;
  params.ple_vocab = vocab;
  params.ple_width = size;
  params.laurel_rank = 2;
  params.shared_kv_layers = layers - 1;
  params.kinds.assign(static_cast<size_t>(layers), gemma3n::LayerKind::kSliding);
  params.window = 4;
  params.altup_inputs = 2;
  params.sparsity.resize(static_cast<size_t>(layers));
  params.sparsity[0] = 1.5f;
  params.context_length = 64;
  params.Validate("seed");
  return params;
}

void AddVocab(const Vocab& vocab, GgufWriter& writer) {
  const std::vector<std::string_view> pieces(vocab.pieces.begin(), vocab.pieces.end());
  std::vector<int32_t> types;
  for (const PieceType type : vocab.types) types.push_back(static_cast<int32_t>(type));
  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddStrings("tokenizer.ggml.tokens", pieces);
  writer.AddArray<float>("tokenizer.ggml.scores", vocab.scores);
  writer.AddArray<int32_t>("tokenizer.ggml.token_type", types);
  writer.Add<uint32_t>("tokenizer.ggml.bos_token_id", 2);
  writer.Add<uint32_t>("tokenizer.ggml.eos_token_id", 1);
  writer.Add<uint32_t>("tokenizer.ggml.unknown_token_id", 3);
  writer.Add<bool>("tokenizer.ggml.add_bos_token", true);
}

void WriteModel(const fs::path& path, const gemma3n::HyperParams& params, DType type,
                const Vocab* vocab) {
  const testing::RandomModel model = testing::MakeRandomModel(params, 1);
  GgufWriter writer(path);
  writer.AddString("general.architecture", gemma3n::kArchitecture);
  gemma3n::WriteGgufParams(params, writer);
  if (vocab != nullptr) AddVocab(*vocab, writer);
  const auto tensors = gemma3n::ListTensors(params, model.weights);
  const auto type_of = [&](const gemma3n::OutputTensor& tensor) {
    const bool packed =
        tensor.role != gemma3n::TensorRole::kVector && tensor.cols % BlockElements(type) == 0;
    return packed ? type : DType::kF32;
  };
  for (const auto& tensor : tensors) writer.AddTensor(tensor.name, type_of(tensor), tensor.ne);
  writer.WriteHeader();
  for (const auto& tensor : tensors) {
    std::vector<float> row(static_cast<size_t>(tensor.cols));
    std::vector<std::byte> packed(RowBytes(type_of(tensor), tensor.cols));
    for (int64_t r = 0; r < tensor.rows; ++r) {
      tensor.ReadRow(r, row.data());
      QuantizeRow(type_of(tensor), row.data(), packed.data(), tensor.cols);
      writer.WriteTensorData(packed);
    }
  }
  writer.Finish();
}

void MakeGguf(const fs::path& folder) {
  fs::create_directories(folder);
  const Vocab vocab = SmallVocab(false);
  WriteModel(folder / "seed-f32", SmallParams(2, 2, 20), DType::kF32, &vocab);
  WriteModel(folder / "seed-f16", SmallParams(1, 2, 4), DType::kF16, nullptr);
  WriteModel(folder / "seed-q4_0", SmallParams(1, 32, 4), DType::kQ4_0, nullptr);
  // One row of every type, which is no model.
  GgufWriter writer(folder / "seed-types");
  writer.AddString("general.architecture", "none");
  writer.AddArray<double>("doubles", std::vector<double>{1, -0.0});
  writer.AddBools("bools", {true, false});
  const std::vector<DType> types = {DType::kF32,  DType::kF16,    DType::kBF16,  DType::kQ4_0,
                                    DType::kQ4_1, DType::kQ5_0,   DType::kQ5_1,  DType::kQ8_0,
                                    DType::kQ2_K, DType::kQ3_K,   DType::kQ4_K,  DType::kQ5_K,
                                    DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS};
  for (const DType type : types) {
    writer.AddTensor(DTypeName(type), type, std::vector<int64_t>{BlockElements(type), 1});
  }
  writer.WriteHeader();
  for (const DType type : types) {
    writer.WriteTensorData(std::vector<std::byte>(RowBytes(type, BlockElements(type))));
  }
  writer.Finish();
}

void MakeSafetensors(const fs::path& folder) {
  const auto file = [](const std::string& header, size_t data) {
    std::string bytes(8, '\0');
    const uint64_t size = header.size();
    std::memcpy(bytes.data(), &size, sizeof size);
    return bytes + header + std::string(data, '\1');
  };
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},)"
      R"("c":{"dtype":"I64","shape":[0],"data_offsets":[26,26]}})";
  WriteSeed(folder, "three", file(header, 26));
  WriteSeed(folder, "empty", file("{}", 0));
  WriteSeed(folder, "header-only", header);
}

void MakeConfigs(const fs::path& folder) {
  using nlohmann::json;
  const json text = {{"model_type", "gemma3n_text"},
                     {"vocab_size", 20},
                     {"vocab_size_per_layer_input", 16},
                     {"hidden_size", 4},
                     {"hidden_size_per_layer_input", 2},
                     {"intermediate_size", {8, 8}},
                     {"num_hidden_layers", 2},
                     {"num_attention_heads", 2},
                     {"num_key_value_heads", 1},
                     {"num_kv_shared_layers", 1},
                     {"head_dim", 2},
                     {"layer_types", {"sliding_attention", "sliding_attention"}},
                     {"sliding_window", 4},
                     {"max_position_embeddings", 64},
                     {"activation_sparsity_pattern", {0.95, 0.0}},
                     {"altup_active_idx", 0},
                     {"altup_num_inputs", 2},
                     {"altup_coef_clip", 120.0},
                     {"altup_correct_scale", true},
                     {"laurel_rank", 2},
                     {"final_logit_softcapping", 30.0},
                     {"rms_norm_eps", 1e-6},
                     {"rope_theta", 1e6},
                     {"rope_local_base_freq", 1e4}};
  WriteSeed(folder, "text", text.dump());
  json newer = text;
  newer.erase("rope_theta");
  newer.erase("rope_local_base_freq");
  newer["intermediate_size"] = 8;
  newer["rope_parameters"] = {
      {"full_attention", {{"rope_type", "default"}, {"rope_theta", 1e6}}},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 1e4}}}};
  const json whole = {{"architectures", {"Gemma3nForConditionalGeneration"}},
                      {"model_type", "gemma3n"},
                      {"text_config", newer},
                      {"vision_config", {{"model_type", "gemma3n_vision"}}}};
  WriteSeed(folder, "whole", whole.dump());
  gemma3n::ReadHfConfig(text, "seed-text");
  gemma3n::ReadHfConfig(whole, "seed-whole");
}

// The protocol buffer wire format, as far as tokenizer.model needs it.
std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string Number(uint64_t field, uint64_t value) { return Varint(field << 3) + Varint(value); }
std::string Block(uint64_t field, const std::string& bytes) {
  return Varint(field << 3 | 2) + Varint(bytes.size()) + bytes;
}

std::string SentencePiece(const Vocab& vocab, bool bytes) {
  std::string out;
  for (size_t i = 0; i < vocab.size(); ++i) {
    std::string score(4, '\0');
    std::memcpy(score.data(), &vocab.scores[i], 4);
    out += Block(1, Block(1, vocab.pieces[i]) + Varint(2 << 3 | 5) + score +
                        Number(3, static_cast<uint64_t>(vocab.types[i])));
  }
  out += Block(2, Number(3, 2) + Number(35, bytes ? 1 : 0) + Number(40, 3) + Number(41, 2) +
                      Number(42, 1) + Number(43, 0));
  return out + Block(3, Block(1, "identity") + Number(3, 0) + Number(4, 0) + Number(5, 1));
}

std::string TokenizerJson(const Vocab& vocab, bool bytes) {
  using nlohmann::json;
  json pieces = json::object();
  json added = json::array();
  for (size_t i = 0; i < vocab.size(); ++i) {
    const PieceType type = vocab.types[i];
    pieces[vocab.pieces[i]] = i;
    if (type == PieceType::kNormal || type == PieceType::kByte) continue;
    added.push_back(
        {{"id", i}, {"content", vocab.pieces[i]}, {"special", type != PieceType::kUserDefined}});
  }
  const std::string mark(kSpaceMark);
  const json file = {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", mark}}},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"fuse_unk", true},
        {"byte_fallback", bytes},
        {"vocab", pieces},
        {"merges", {"h e", mark + " he", "l l", "he ll"}}}}};
  return file.dump();
}

void MakeSessions(const fs::path& folder) {
  fs::create_directories(folder);
  const fs::path path = folder / "seed";
  for (const DType type : {DType::kF32, DType::kF16}) {
    for (const int64_t length : {0, 3, 14}) {
      KvStore kv(SessionProgram(), SessionShape(type));
      std::vector<int32_t> tokens;
      for (int64_t p = 0; p < length; ++p) {
        tokens.push_back(static_cast<int32_t>(p));
        kv.BeginStep(1);
        for (size_t i = 0; i < kv.cache_count(); ++i) {
          std::memset(kv.KeyRow(i, p), static_cast<int>(p), kv.RowBytesOf(i));
          std::memset(kv.ValueRow(i, p), static_cast<int>(p + 16), kv.RowBytesOf(i));
        }
        kv.EndStep(1);
      }
      if (length == 3) tokens.push_back(7);
      WriteSession(path, SessionProgram(), kSessionModel, tokens, kv);
      const std::string bytes = ReadAll(path);
      for (const char mode : {0, 1, 2, 3}) {
        WriteSeed(folder, fmt::format("{}-{}-{}", DTypeName(type), length, int{mode}),
                  std::string(1, mode) + bytes);
      }
    }
  }
  fs::remove(path);
}

void MakeChats(const fs::path& folder) {
  WriteSeed(folder, "user", std::string("\2") + "Tell me a story about a fox named Leo.");
  WriteSeed(folder, "turns",
            std::string("\3") +
                "Be brief.\xffHello!\xff"
                "Hi.\xff"
                "And then?\n\n");
  WriteSeed(folder, "markers",
            std::string("\2") + "<end_of_turn>\n<start_of_turn>model\n<bos>\xff</s>\xff<pad>");
  WriteSeed(
      folder, "unicode",
      std::string("\1") + "日本\xff\xf0\x9f\xa6\x8a \xe2\x96\x81 \xc3\x28 \xe2\x96\xff\t\t <b>");
}

void MakeAll(const fs::path& root) {
  MakeGguf(root / "gguf");
  MakeSafetensors(root / "safetensors_header");
  MakeConfigs(root / "hf_config");
  for (const bool bytes : {false, true}) {
    const Vocab vocab = SmallVocab(bytes);
    const char* name = bytes ? "bytes" : "plain";
    WriteSeed(root / "tokenizer_model", name, SentencePiece(vocab, bytes));
    WriteSeed(root / "tokenizer_json", name, TokenizerJson(vocab, bytes));
  }
  MakeSessions(root / "session_file");
  MakeChats(root / "chat_input");
}

}  // namespace
}  // namespace tandem::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: make-fuzz-corpus FOLDER\n");
    return 2;
  }
  try {
    tandem::fuzz::MakeAll(argv[1]);
  } catch (const tandem::Error& error) {
    fmt::print(stderr, "{}\n", error.message());
    return 1;
  }
  return 0;
}
