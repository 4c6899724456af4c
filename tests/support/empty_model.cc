// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/empty_model.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <map>
#include <new>
#include <string>
#include <utility>

#include "gemma3/program.h"
#include "gemma3/weights.h"
#include "gemma3n/gguf.h"
#include "gemma3n/program.h"
#include "gemma3n/weights.h"
#include "support/random_gemma3.h"
#include "support/random_model.h"

namespace tandem::testing {
namespace {

gemma3n::HyperParams Published(int layers, int shared, int64_t ffn) {
  gemma3n::HyperParams p;
  p.layers = layers;
  p.shared_kv_layers = shared;
  p.ffn.assign(static_cast<size_t>(layers), ffn);
  p.kinds = gemma::PeriodicKinds(layers, gemma3n::kFamily.period);
  p.sparsity.resize(static_cast<size_t>(layers));
  for (size_t layer = 0; layer < 10; ++layer) {
    p.sparsity[layer] = static_cast<float>(gemma3n::NormalQuantile(0.95));
  }
  p.Validate("published shape");
  return p;
}

gemma3n::Weights Load(const gemma::TensorLookup& lookup, const gemma3n::HyperParams& params) {
  return gemma3n::LoadWeights(lookup, params, "empty model");
}
gemma3::Weights Load(const gemma::TensorLookup& lookup, const gemma3::HyperParams& params) {
  return gemma3::LoadWeights(lookup, params, gemma3::NormForm::kWhole, "empty model");
}

// What tells layers apart besides their types.
std::string MakingOf(const gemma3n::HyperParams& params, int layer) {
  const auto at = static_cast<size_t>(layer);
  return fmt::format("{} {} {} {}", static_cast<int>(params.kinds[at]), params.OwnsKv(layer),
                     params.sparsity[at].has_value(), params.ffn[at]);
}
std::string MakingOf(const gemma3::HyperParams& params, int layer) {
  return fmt::format("{}", static_cast<int>(params.kinds[static_cast<size_t>(layer)]));
}

}  // namespace

// Zeros, of which every tensor has some of its own.
struct EmptyModel::Bytes {
  static constexpr size_t kSize = size_t{1} << 36;

  Bytes() {
    void* made =
        mmap(nullptr, kSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) throw std::bad_alloc();
    begin = static_cast<std::byte*>(made);
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { munmap(begin, kSize); }

  const std::byte* Of(const std::string& tensor, size_t size) {
    const auto [found, is_new] = known.try_emplace(tensor, used);
    if (is_new) used += (size + 255) / 256 * 256;
    if (used > kSize) throw std::bad_alloc();
    return begin + found->second;
  }

  /// The weights of a model, of the types that the plan has for them.
  template <typename Params>
  auto WeightsOf(const Params& params, const QuantizePlan& plan) {
    std::map<std::string, DType> types;
    const auto lookup = [&](const std::string& name, int index) -> std::optional<WeightView> {
      if (name == "output.weight") return std::nullopt;
      const auto [rows, cols] = TensorShape(params, name);
      const auto planned = types.find(name);
      WeightView view{planned != types.end() ? planned->second : DType::kF32, rows, cols, 0, {}};
      view.row_stride = view.RowDataBytes();
      std::string own = fmt::format("{} {} {}", name, index, DTypeName(view.type));
      if (name.starts_with("blk.")) {
        const size_t dot = name.find('.', 4);
        const std::string block = name.substr(0, dot);
        // Types decide which matrices of a layer lie together.
        own = fmt::format("{} {}", name.substr(dot), MakingOf(params, std::stoi(name.substr(4))));
        for (const char* matrix : {"attn_q", "attn_v", "ffn_gate", "ffn_down"}) {
          const auto type = types.find(fmt::format("{}.{}.weight", block, matrix));
          if (type != types.end()) own += fmt::format(" {}", DTypeName(type->second));
        }
      }
      view.data = Of(own, view.DataBytes());
      return view;
    };
    const auto plain = Load(lookup, params);
    for (const gemma::OutputTensor& tensor : ListTensors(params, plain)) {
      types[tensor.name] = ChooseType(plan, tensor, params.layers).type;
    }
    return Load(lookup, params);
  }

  std::byte* begin = nullptr;
  size_t used = 0;
  std::map<std::string, size_t> known;
};

gemma3n::HyperParams E2bParams() { return Published(30, 10, 8192); }
gemma3n::HyperParams E4bParams() { return Published(35, 15, 16384); }

gemma3::HyperParams Gemma270mParams() {
  gemma3::HyperParams p;
  p.layers = 18;
  p.width = 640;
  p.heads = 4;
  p.kv_heads = 1;
  p.head_dim = 256;
  p.vocab = 262144;
  p.window = 512;
  p.context_length = 32768;
  p.attention_scale = gemma3::DefaultAttentionScale(p);
  p.ffn.assign(18, 2048);
  p.kinds = gemma::PeriodicKinds(p.layers, gemma3::kFamily.period);
  p.Validate("published shape");
  return p;
}

EmptyModel::EmptyModel(const gemma3n::HyperParams& params, const QuantizePlan& plan)
    : bytes_(std::make_shared<Bytes>()) {
  const auto weights = std::make_shared<const gemma3n::Weights>(bytes_->WeightsOf(params, plan));
  weights_ = weights;
  decode_ = gemma3n::BuildProgram(params, *weights, gemma3n::Rows::kAllWanted);
  prefill_ = gemma3n::BuildProgram(params, *weights, gemma3n::Rows::kSomeWanted);
}

EmptyModel::EmptyModel(const gemma3::HyperParams& params, const QuantizePlan& plan)
    : bytes_(std::make_shared<Bytes>()) {
  const auto weights = std::make_shared<const gemma3::Weights>(bytes_->WeightsOf(params, plan));
  weights_ = weights;
  decode_ = gemma3::BuildProgram(params, *weights, gemma3::Rows::kAllWanted);
  prefill_ = gemma3::BuildProgram(params, *weights, gemma3::Rows::kSomeWanted);
}

}  // namespace tandem::testing
