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
#include "devices/npu/cdo/cdo.h"
#include "devices/npu/stream/stream.h"
#include "devices/npu/xclbin/emulated_pdi.h"
#include "devices/npu/xclbin/xclbin.h"
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
  params.kinds.assign(static_cast<size_t>(layers), gemma::LayerKind::kSliding);
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
  const auto type_of = [&](const gemma::OutputTensor& tensor) {
    const bool packed =
        tensor.role != gemma::TensorRole::kVector && tensor.cols % BlockElements(type) == 0;
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

void MakeNpuStreams(const fs::path& folder) {
  using namespace npu;
  for (const Encoding encoding : {Encoding::kPlain, Encoding::kOptimized}) {
    const npu::Device device{Generation::kNpu2, 8};
    const std::vector<StreamOp> ops = {
        BlockWriteOp{0x1D000, {64, 0, 0, 0, 0xC0000000, 0x02000000, 0, 0x02000000}, 0},
        AddressPatchOp{0x1D004, 1, 0x40},
        MaskWriteOp{0x1D200, 0xF00, 0x1F00},
        WriteOp{0x1D204, 0x80000000},
        SyncOp{0, 0, Direction::kS2mm, 0, 1, 1},
        MaskPollOp{0x00232004, 1, 1, false},
        NoopOp{},
        PreemptOp{1},
        LoadPdiOp{3, 1024, 0x12345678},
        CreateScratchpadOp{0, 64},
        UpdateFromScratchpadOp{1, 1, 2, 0x1D004},
        ReadRegistersOp{{0x1D220, 0x001A0660}},
        RecordTimerOp{9},
        MergeSyncOp{16, 8}};
    const std::vector<uint32_t> words = WriteStream({device, encoding, ops});
    WriteSeed(folder, encoding == Encoding::kPlain ? "plain" : "short",
              {reinterpret_cast<const char*>(words.data()), 4 * words.size()});
  }
}

/// An array with a core that does each kind of step.
npu::Design SmallDesign() {
  using namespace npu;
  Design design;
  design.device = {Generation::kNpu1, 1};
  design.locks = {{"full", {0, 2}, 0, 0}, {"empty", {0, 2}, 1, 1}};
  for (const int64_t address : {0x1000, 0x3000, 0x6000}) {
    design.buffers.push_back({"b", Tile{0, 2}, address, ElementType::kI8, 0x4000, {}});
  }
  design.buffers[0].init = {1, 2, 3, 4};
  LoopStep loop;
  loop.body.push_back({AcquireStep{0, 1, true}});
  loop.body.push_back({CallStep{"gemm_i8_npu1", {0, 1, 2}}});
  loop.body.push_back({WhenStep{0, 0, 1, {{ReleaseStep{1, 1}}}}});
  design.cores.push_back({{0, 2}, {}, {{loop}}});
  return design;
}

void MakeNpuXclbins(const fs::path& folder) {
  using namespace npu;
  const auto seed = [&](const char* name, std::span<const std::byte> bytes) {
    WriteSeed(folder, name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  Xclbin xclbin;
  xclbin.buffers = 3;
  xclbin.columns = 4;
  xclbin.start_columns = {1};
  xclbin.operations_per_cycle = 2048;
  xclbin.pdi = WriteEmulatedPdi(SmallDesign());
  seed("pdi", xclbin.pdi);
  seed("xclbin", WriteXclbin(xclbin));
  const std::vector<uint32_t> words = EncodeCdo(std::vector<StreamOp>{
      WriteOp{0x21D204, 7}, MaskWriteOp{0x232000, 2, 3}, MaskPollOp{0x232004, 1, 1, false},
      BlockWriteOp{0x200400, std::vector<uint32_t>(260, 5), 0}});
  seed("cdo", std::as_bytes(std::span(words)));
}

void MakeNpuJson(const fs::path& folder) {
  WriteSeed(folder, "copy",
            R"({"device":"npu1","args":[{"type":"bf16","elements":4096}],"allocs":[{"name":"x",)"
            R"("col":0,"dir":"S2MM","channel":1}],"tiles":[{"col":0,"row":0,"controller_id":)"
            R"({"type":0,"id":15}}],"ops":[{"op":"dma_memcpy_nd","arg":0,"offsets":[0,0,1,2],)"
            R"("sizes":[4,2,3,8],"strides":[512,64,16,1],"bd":3,"alloc":"x","token":true,)"
            R"("packet":{"type":1,"id":7},"burst":128},{"op":"dma_wait","alloc":"x"}]})");
  WriteSeed(folder, "task",
            R"({"device":"npu2_3col","buffers":[{"name":"b","col":0,"row":1,"address":64,"type":)"
            R"("i8","elements":4096}],"locks":[{"name":"l","col":0,"row":1,"id":2,"init":1}],)"
            R"("ops":[{"op":"configure","task":"t","col":0,"row":1,"dir":"MM2S","channel":1,)"
            R"("bds":[{"buffer":"b","type":"i8","offset":4,"len":96,"sizes":[2,6,8],"strides":)"
            R"([128,16,1],"pad":[[1,0],[2,1],[4,8]],"acquire":{"lock":"l","ge":true,"value":1},)"
            R"("release":{"lock":"l","value":1},"next":0}],"token":true,"repeat":3},)"
            R"({"op":"start","task":"t"},{"op":"await","task":"t"},{"op":"set_lock","lock":"l",)"
            R"("value":2},{"op":"rtp_write","buffer":"b","index":1,"value":7},{"op":"writebd",)"
            R"("col":0,"row":2,"bd":4,"fields":{"buffer_length":16,"lock_acq_val":-1}}]})");
  WriteSeed(folder, "design",
            R"({"device":"npu2","tiles":[],"locks":[{"tile":[0,2],"id":0,"init":2,"name":"p"}],)"
            R"("buffers":[{"tile":[0,2],"address":1024,"elements":4,"type":"i16","name":"b",)"
            R"("init":[1,-2,3,4]}],"cores":[{"tile":[0,2],"locks":[]}],"dmas":[{"tile":[0,2],)"
            R"("channels":[{"dir":"S2MM","channel":0,"repeat":0,"first_bd":0}],"bds":[{"bd":0,)"
            R"("buffer":"b","offset":0,"len":4,"next":0,"acquire":{"lock":[0,2,0],"value":1,)"
            R"("ge":true},"release":{"lock":[0,2,0],"value":1},"iteration":{"size":2,"stride":2,)"
            R"("current":0}}]}],"switchboxes":[{"tile":[0,0],"circuit":[{"slave":["South",3],)"
            R"("master":["North",1]}],"masters":[{"master":["South",0],"amsels":[[5,3]],)"
            R"("keep_header":true}],"rules":[{"slave":["TileControl",0],"mask":31,"id":15,)"
            R"("arbiter":5,"msel":3}]}],"shim_muxes":[{"tile":[0,0],"circuit":[{"slave":)"
            R"(["DMA",0],"master":["North",3]}]}],"cascades":[{"tile":[0,2],"input":"West",)"
            R"("output":"South"}],"shim_allocations":[]})");
}

/// A core program of one segment of code, 8 bytes and 4 of zeros.
std::string CoreProgram() {
  std::string elf(
      "\x7f"
      "ELF\1\1\1");
  elf.resize(92);
  const auto put = [&](size_t at, uint32_t value, size_t bytes) {
    std::memcpy(elf.data() + at, &value, bytes);
  };
  put(28, 52, 4);  // program headers
  put(42, 32, 2);
  put(44, 1, 2);
  put(52, 1, 4);   // to load
  put(56, 84, 4);  // from here
  put(68, 8, 4);
  put(72, 12, 4);
  put(76, 5, 4);  // read, execute
  return elf;
}

void MakeAll(const fs::path& root) {
  MakeNpuStreams(root / "npu_stream");
  MakeNpuXclbins(root / "npu_xclbin");
  MakeNpuJson(root / "npu_json");
  WriteSeed(root / "npu_json", "program", CoreProgram());
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
