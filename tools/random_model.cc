// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a GGUF file of Gemma 3n or Gemma 3 with random weights, at the speed of the disk: for
// checks and timings at full size that need no real model. Every file of a seed and a shape is the
// same whatever the machine and the number of threads; the same seed in two types does not make the
// same weights.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "core/error.h"
#include "core/thread_team.h"
#include "engine/convert_metadata.h"
#include "engine/quantize_plan.h"
#include "gemma3/gguf.h"
#include "gemma3n/gguf.h"
#include "random_gemma3.h"
#include "random_vocab.h"
#include "random_weights.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab_file.h"

namespace tandem {
namespace {

using gemma3n::HyperParams;
using gemma3n::OutputTensor;
using gemma3n::TensorRole;

// The published per-layer vocabulary: larger ids have no per-layer embedding.
constexpr int64_t kPublishedPleVocab = 262144;
// As in the published models, where the first ten layers leave 5 % of the FFN's units alive.
constexpr int kMostSparseLayers = 10;
constexpr double kSparsity = 0.95;

struct Request {
  std::string size = "e2b";
  std::filesystem::path output;
  std::string type = "q4_0";
  std::string tables;  // Empty: as the type has them.
  std::filesystem::path tokenizer;
  uint64_t seed = 1;
  int threads = 0;
  // 1000 for a file on which GELU is all but linear, see MakeParams and Sketch.
  float gate_scale = 1;
  bool sample_deviation = false;
  // What replaces a value of the preset where it is given.
  std::optional<int> layers, shared, heads, kv_heads, head_dim;
  std::optional<int64_t> width, ffn, vocab, ple_width, laurel_rank, window;
};

// A shape by name: the published ones, one of a megabyte, and one with E2B's layers (other engines
// have their number of KV layers built in) but as narrow as the K block types allow.
std::optional<HyperParams> Preset(const std::string& name) {
  HyperParams p;
  p.vocab = kPublishedPleVocab;
  p.layers = 30;
  p.shared_kv_layers = 10;
  p.ffn = {8192};
  if (name == "e2b") return p;
  if (name == "e4b") {
    p.layers = 35;
    p.shared_kv_layers = 15;
    p.ffn = {16384};
    return p;
  }
  p.width = 256;
  p.heads = 4;
  p.head_dim = 64;
  p.ffn = {512};
  p.vocab = 2048;
  if (name == "narrow") return p;
  if (name == "tiny") {
    p.layers = 10;
    p.shared_kv_layers = 4;
    p.ple_width = 32;
    p.laurel_rank = 16;
    p.window = 8;
    p.vocab = 1024;
    return p;
  }
  return std::nullopt;
}

// An engine that takes the deviation of a sample, over n - 1, for that of the population computes
// with the quantile itself what this multiplier gives an engine that divides by n.
float SparsityScale(const Request& request, int64_t ffn) {
  const double quantile = gemma3n::NormalQuantile(kSparsity);
  const auto n = static_cast<double>(ffn);
  return static_cast<float>(request.sample_deviation ? quantile * std::sqrt(n / (n - 1))
                                                     : quantile);
}

template <typename Value, typename Wanted>
void Replace(Value& value, const std::optional<Wanted>& wanted) {
  if (wanted) value = *wanted;
}

// What both kinds of models have.
void ReplaceCommon(const Request& request, const std::optional<Vocab>& vocab,
                   gemma::StackParams& p) {
  Replace(p.layers, request.layers);
  Replace(p.heads, request.heads);
  Replace(p.kv_heads, request.kv_heads);
  Replace(p.head_dim, request.head_dim);
  Replace(p.width, request.width);
  Replace(p.window, request.window);
  if (request.ffn) p.ffn[0] = *request.ffn;
  if (vocab) p.vocab = static_cast<int64_t>(vocab->size());
  Replace(p.vocab, request.vocab);
}

void CheckVocab(int64_t size, const std::optional<Vocab>& vocab) {
  if (vocab || size >= kLeastVocab) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("a vocabulary of {} has no room for the {} special pieces and bytes",
                          size, kLeastVocab));
}

HyperParams MakeParams(const Request& request, const std::optional<Vocab>& vocab) {
  auto preset = Preset(request.size);
  if (!preset) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("no size is called '{}'", request.size),
                "sizes: e2b, e4b, narrow, tiny, gemma3-270m, gemma3-1b, gemma3-4b, gemma3-12b, "
                "gemma3-27b");
  }
  HyperParams p = *std::move(preset);
  ReplaceCommon(request, vocab, p);
  Replace(p.shared_kv_layers, request.shared);
  Replace(p.ple_width, request.ple_width);
  Replace(p.laurel_rank, request.laurel_rank);
  p.ple_vocab = std::min(p.vocab, kPublishedPleVocab);
  const int sparse = std::min(kMostSparseLayers, p.layers / 3);
  p.ffn.assign(static_cast<size_t>(std::max(0, p.layers)), int64_t{p.ffn[0]});
  for (int layer = 0; layer < p.layers; ++layer) {
    const bool full = (layer + 1) % 5 == 0;
    p.kinds.push_back(full ? gemma3n::LayerKind::kFull : gemma3n::LayerKind::kSliding);
    p.sparsity.emplace_back();
    if (layer < sparse) p.sparsity.back() = SparsityScale(request, p.ffn[0]);
  }
  p.Validate("the requested shape");
  CheckVocab(p.vocab, vocab);
  return p;
}

// Decoded values of every vector and small matrix of the model, and the shapes of the others: what
// ListTensors() needs to name and order the tensors of a file.
class Sketch {
 public:
  /// `gate_scale` multiplies what goes into the gates. The norms behind them take it out again, so
  /// with a large one every GELU is a choice between its argument and zero.
  Sketch(const HyperParams& params, uint64_t seed, float gate_scale)
      : p_(params), stream_(~seed), gate_scale_(gate_scale) {
    weights_.token_embedding = Matrix(p_.vocab, p_.width);
    weights_.ple_table = Matrix(p_.ple_vocab, p_.layers * p_.ple_width);
    for (int i = 1; i < p_.altup_inputs; ++i) {
      weights_.altup_projections.push_back(Matrix(p_.width, p_.width));
      weights_.altup_unembeddings.push_back(Matrix(p_.width, p_.width));
    }
    weights_.ple_projection_norm = Vector(p_.ple_width, 1, kNormSpread);
    // Trained models spread their logits about this far; the soft cap at 30 is felt.
    weights_.output_norm = Vector(p_.width, 4, 4 * kNormSpread);
    for (int layer = 0; layer < p_.layers; ++layer) weights_.layers.push_back(Layer(layer));
  }

  const gemma3n::Weights& weights() const { return weights_; }

 private:
  static constexpr float kNormSpread = 0.05f;

  // No data stands behind it: only whether there is any is looked at.
  static WeightView Matrix(int64_t rows, int64_t cols) {
    static constexpr std::byte kSomething{};
    return {DType::kF32, rows, cols, 0, &kSomething};
  }

  std::span<const float> Vector(int64_t count, float mean, float deviation) {
    std::vector<float>& values = weights_.owned.emplace_back();
    for (int64_t i = 0; i < count; ++i) values.push_back(mean + deviation * stream_.Normal());
    return values;
  }

  std::span<const float> Norm(int64_t count) { return Vector(count, 1, kNormSpread); }

  gemma3n::LayerWeights Layer(int layer) {
    gemma3n::LayerWeights w;
    const int64_t d = p_.width;
    const int64_t a = p_.altup_inputs;
    const int64_t ffn = p_.ffn[static_cast<size_t>(layer)];
    for (auto* norm : {&w.attention_norm, &w.post_attention_norm, &w.post_ffn_norm, &w.laurel_norm,
                       &w.ple_norm, &w.router_norm}) {
      *norm = Norm(d);
    }
    w.ffn_norm = Vector(d, gate_scale_, kNormSpread * gate_scale_);
    w.correct_scale = Vector(d, gate_scale_, kNormSpread * gate_scale_);
    // Scores are dot products of normed heads, not divided by anything: this gives them a
    // deviation of 2, so that attention has favourites without being a choice of one.
    const auto head = std::sqrt(2.0f / std::sqrt(static_cast<float>(p_.head_dim)));
    w.q_norm = Vector(p_.head_dim, head, kNormSpread * head);
    w.k_norm = Vector(p_.head_dim, head, kNormSpread * head);
    // The routers divide by the width before their tanh, which these bring to its bend.
    w.router = Vector(a * d, 0, 0.5f * std::sqrt(static_cast<float>(d)));
    w.predict_coefficients = Vector(a * a * a, 0, 0.1f);
    w.correct_coefficients = Vector(a * a, 0, 0.1f);
    w.query = Matrix(int64_t{p_.heads} * p_.head_dim, d);
    w.key = w.value = Matrix(int64_t{p_.kv_heads} * p_.head_dim, d);
    w.output = Matrix(d, w.query.rows);
    w.gate = w.up = Matrix(ffn, d);
    w.down = Matrix(d, ffn);
    w.laurel_left = Matrix(p_.laurel_rank, d);
    w.laurel_right = Matrix(d, p_.laurel_rank);
    w.ple_gate = w.ple_projection = Matrix(p_.ple_width, d);
    w.ple_output = Matrix(d, p_.ple_width);
    w.ple_column = layer * p_.ple_width;
    return w;
  }

  const HyperParams& p_;
  RandomStream stream_;
  float gate_scale_;
  gemma3n::Weights weights_;
};

// Unit input gives unit output through every matrix; a row of the per-layer table, scaled by the
// root of its layer's width, too.
float Deviation(const OutputTensor& tensor) {
  const bool table = tensor.role == TensorRole::kPleTable;
  return 1.0f / std::sqrt(static_cast<float>(table ? tensor.column_width : tensor.cols));
}

// A model that is to be written.
struct Plain {
  const char* architecture;
  int layers;
  int64_t vocab, ple_vocab;
  std::vector<OutputTensor> tensors;  // Point into `weights`.
  std::shared_ptr<const void> weights;
  std::function<void(GgufWriter&)> write_params;
};

Plain MakeGemma3n(const Request& request, const std::optional<Vocab>& vocab) {
  const HyperParams params = MakeParams(request, vocab);
  const auto sketch = std::make_shared<const Sketch>(params, request.seed, request.gate_scale);
  return {gemma3n::kFamily.architecture,
          params.layers,
          params.vocab,
          params.ple_vocab,
          gemma3n::ListTensors(params, sketch->weights()),
          sketch,
          [params](GgufWriter& writer) { gemma3n::WriteGgufParams(params, writer); }};
}

Plain MakeGemma3(gemma3::HyperParams params, const Request& request,
                 const std::optional<Vocab>& vocab) {
  if (request.shared || request.ple_width || request.laurel_rank || request.gate_scale != 1 ||
      request.sample_deviation) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{} has no such thing: only --layers, --heads, --kv-heads, --head-dim, "
                            "--width, --ffn, --vocab and --window change its shape",
                            request.size));
  }
  ReplaceCommon(request, vocab, params);
  CompleteGemma3(params);
  params.Validate("the requested shape");
  CheckVocab(params.vocab, vocab);
  const auto weights = std::make_shared<const gemma3::Weights>(SketchGemma3(params, request.seed));
  return {gemma3::kFamily.architecture,
          params.layers,
          params.vocab,
          0,
          gemma3::ListTensors(params, *weights),
          weights,
          [params](GgufWriter& writer) { gemma3::WriteGgufParams(params, writer); }};
}

void WriteModel(const Request& request) {
  const auto chosen = FindQuantizePlan(request.type);
  if (!chosen) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("cannot write weights as '{}'", Printable(request.type)),
                fmt::format("types: {}", fmt::join(QuantizePlanNames(), ", ")));
  }
  QuantizePlan plan = *chosen;
  if (!request.tables.empty()) {
    const auto tables = DTypeFromName(request.tables);
    if (!tables || !CanQuantize(*tables)) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("cannot write tables as '{}'", Printable(request.tables)));
    }
    plan.token_table = plan.ple_table = *tables;
  }
  std::optional<Vocab> vocab;
  if (!request.tokenizer.empty()) vocab = LoadVocab(request.tokenizer);
  const auto gemma3 = Gemma3Preset(request.size);
  const Plain model = gemma3 ? MakeGemma3(*gemma3, request, vocab) : MakeGemma3n(request, vocab);
  const Tokenizer tokenizer(vocab ? *std::move(vocab) : MakeVocab(model.vocab));
  if (static_cast<int64_t>(tokenizer.size()) > model.vocab) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{} pieces for a vocabulary of {}", tokenizer.size(), model.vocab));
  }

  GgufWriter writer(request.output);
  writer.AddString("general.architecture", model.architecture);
  writer.AddString("general.name", fmt::format("random {}, seed {}", request.size, request.seed));
  writer.Add<uint32_t>("general.file_type", plan.file_type);
  writer.Add<uint32_t>("general.quantization_version", 2);
  model.write_params(writer);
  WriteTokenizer(tokenizer, {}, model.vocab, writer);

  std::vector<DType> types;
  for (const OutputTensor& tensor : model.tensors) {
    types.push_back(ChooseType(plan, tensor, model.layers).type);
    writer.AddTensor(tensor.name, types.back(), tensor.ne);
  }
  writer.WriteHeader();
  ThreadTeam team(request.threads);
  RandomWeights random(team, request.seed);
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const OutputTensor& tensor = model.tensors[i];
    if (!tensor.vector.empty()) {
      writer.WriteTensorData(std::as_bytes(tensor.vector));
      continue;
    }
    const int64_t filled = tensor.role == TensorRole::kPleTable ? model.ple_vocab : tensor.rows;
    random.Write(types[i], tensor.rows, tensor.cols, filled, Deviation(tensor), writer);
  }
  writer.Finish();
}

int Main(int argc, char** argv) {
  Request request;
  CLI::App app("Writes a GGUF file of Gemma 3n or Gemma 3 with random weights.", "random-model");
  app.add_option("-o,--output", request.output, "File to write")->required();
  app.add_option("--size", request.size,
                 "e2b, e4b, narrow (30 small layers) or tiny; gemma3-270m, -1b, -4b, -12b, -27b")
      ->capture_default_str();
  app.add_option("--type", request.type, "As tandem convert --type")->capture_default_str();
  app.add_option("--tables", request.tables,
                 "Type of the token table (the head, too) and the per-layer table, if another");
  app.add_option("--seed", request.seed)->capture_default_str();
  app.add_option("--threads", request.threads, "0 = all processors")->capture_default_str();
  app.add_option("--tokenizer", request.tokenizer,
                 "tokenizer.model or tokenizer.json (default: a made-up vocabulary)");
  app.add_option("--gate-scale", request.gate_scale, "Factor of what goes into the GELUs")
      ->capture_default_str();
  app.add_flag("--sample-deviation", request.sample_deviation,
               "Sparsity multiplier for engines that divide by n - 1");
  app.add_option("--layers", request.layers);
  app.add_option("--shared", request.shared, "Last layers, which share keys and values");
  app.add_option("--heads", request.heads);
  app.add_option("--kv-heads", request.kv_heads);
  app.add_option("--head-dim", request.head_dim);
  app.add_option("--width", request.width);
  app.add_option("--ffn", request.ffn);
  app.add_option("--vocab", request.vocab, "Rows of the token embedding");
  app.add_option("--ple-width", request.ple_width);
  app.add_option("--laurel-rank", request.laurel_rank);
  app.add_option("--window", request.window);
  CLI11_PARSE(app, argc, argv);
  try {
    const auto start = std::chrono::steady_clock::now();
    WriteModel(request);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const auto megabytes = static_cast<double>(std::filesystem::file_size(request.output)) / 1e6;
    std::cerr << fmt::format("{}: {:.1f} MB in {:.1f} s\n", request.output.string(), megabytes,
                             seconds.count());
  } catch (const Error& error) {
    std::cerr << "random-model: " << error.what() << '\n';
    if (!error.hint().empty()) std::cerr << "  " << error.hint() << '\n';
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
