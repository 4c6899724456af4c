// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/workbench/self_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/workbench/gated_trial.h"
#include "devices/npu/workbench/gemm_trial.h"
#include "devices/npu/workbench/norm_trial.h"
#include "devices/npu/workbench/trial_designs.h"

namespace tandem::npu {
namespace {

using Bytes = std::vector<std::byte>;

/// Passes everything on, and keeps count and a copy of the last run.
class Recorder : public ArrayRunner {
 public:
  explicit Recorder(ArrayRunner& runner) : runner_(runner) {}

  std::string_view name() const override { return runner_.name(); }
  const Device& device() const override { return runner_.device(); }
  void Configure(const Configuration& configuration) override {
    design = configuration.name;
    runner_.Configure(configuration);
  }
  void Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
           std::chrono::milliseconds timeout) override {
    const ListedRun run{&stream, arguments};
    RunList({&run, 1}, timeout);
  }
  /// Of a list the last run is kept, which has what came of it all.
  void RunList(std::span<const ListedRun> list, std::chrono::milliseconds timeout) override {
    evidence.stream = *list.back().stream;
    evidence.arguments.clear();
    const auto keep = [&] {
      for (const auto argument : list.back().arguments) {
        evidence.arguments.emplace_back(argument.begin(), argument.end());
      }
    };
    ++runs;
    const auto start = std::chrono::steady_clock::now();
    try {
      runner_.RunList(list, timeout);
    } catch (...) {
      keep();
      throw;
    }
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    keep();
  }

  std::string design;
  SelfTestEvidence evidence;
  int runs = 0;
  double seconds = 0;

 private:
  ArrayRunner& runner_;
};

class Tester {
 public:
  Tester(ArrayRunner& runner, const SelfTestOptions& options)
      : runner_(runner), options_(options), device_(runner.device()) {}

  SelfTestReport Run() {
    const std::pair<GemmType, GemmOutput> types[] = {
        {GemmType::kI8, GemmOutput::kI8},     {GemmType::kI8, GemmOutput::kI16},
        {GemmType::kI8, GemmOutput::kI32},    {GemmType::kI8, GemmOutput::kF32},
        {GemmType::kI4, GemmOutput::kI32},    {GemmType::kI4, GemmOutput::kF32},
        {GemmType::kBf16, GemmOutput::kBf16}, {GemmType::kBf16, GemmOutput::kF32}};
    Plan("no-op", "a stream of operations that do nothing", [this] { return NoOp(); });
    Plan("copy", "memory through each shim and memory tile, and back", [this] { return Copy(); });
    Plan("one-core", "one core multiplies three tiles", [this] { return OneCore(); });
    Plan("one-tile", "all cores, a product of one step", [this] {
      return Product({GemmType::kI8, GemmOutput::kI32}, {64, 128, 64});
    });
    for (const auto& type : types) {
      Plan(fmt::format("product-{}-{}", GemmTypeName(type.first), GemmOutputName(type.second)),
           "many tiles and steps, with tails", [this, type] {
             return Product(type, {300, 700, 64 * device_.columns + 70});
           });
    }
    Plan("chain", "three products, each of what the last one gave", [this] { return Chain(); });
    Plan("layer-i8", "all products of a layer, 8-bit weights", [this] {
      return Layer({GemmType::kI8, GemmOutput::kF32});
    });
    Plan("layer-i4", "all products of a layer, 4-bit weights", [this] {
      return Layer({GemmType::kI4, GemmOutput::kF32});
    });
    report_.planned = static_cast<int>(plan_.size());
    for (const Planned& one : plan_) {
      if (!Try(one)) break;
    }
    return std::move(report_);
  }

 private:
  struct Planned {
    std::string name;
    std::string what;
    std::function<std::string()> run;  ///< Returns what differs.
  };

  void Plan(std::string name, std::string what, std::function<std::string()> run) {
    plan_.push_back({std::move(name), std::move(what), std::move(run)});
  }

  bool Try(const Planned& planned) {
    if (options_.on_start) {
      options_.on_start(static_cast<int>(report_.steps.size()), report_.planned, planned.name);
    }
    runner_.runs = 0;
    runner_.seconds = 0;
    runner_.evidence = {};
    SelfTestStep step;
    step.name = planned.name;
    step.what = planned.what;
    try {
      step.problem = planned.run();
    } catch (const Error& error) {
      // Wrong programs are no array's fault.
      if (error.kind() == ErrorKind::kInternal) throw;
      step.problem = error.message();
      if (!error.hint().empty()) step.problem += " (" + error.hint() + ")";
    }
    step.ok = step.problem.empty();
    step.design = runner_.design;
    step.runs = runner_.runs;
    step.seconds = runner_.seconds;
    if (!step.ok) report_.evidence = std::move(runner_.evidence);
    report_.steps.push_back(step);
    if (options_.on_step) options_.on_step(step);
    return step.ok;
  }

  void ConfigureProduct(const GemmConfig& config) {
    const std::string name = GemmDesignName(config);
    if (configured_ == name) return;
    configured_.clear();
    runner_.Configure({name, MakeGemmDesign(config)});
    configured_ = name;
  }
  GemmConfig ConfigOf(const std::pair<GemmType, GemmOutput>& type) const {
    return {device_, type.first, type.second};
  }
  void RunStream(const Stream& stream, std::initializer_list<Bytes*> arguments) {
    std::vector<std::span<std::byte>> spans;
    for (Bytes* const argument : arguments) spans.emplace_back(*argument);
    runner_.Run(stream, spans, options_.timeout);
  }

  std::string NoOp() {
    ConfigureProduct(ConfigOf({GemmType::kI8, GemmOutput::kI32}));
    Stream stream;
    stream.device = device_;
    stream.ops.assign(4, NoopOp{});
    // Firmware wants an argument as much as anybody.
    Bytes nothing(4096, std::byte{0x5A});
    const Bytes before = nothing;
    RunStream(stream, {&nothing});
    return nothing == before ? "" : "memory changed";
  }

  std::string Copy() {
    constexpr int64_t kBlocks = 9;
    configured_.clear();
    runner_.Configure({CopyDesignName(device_), MakeCopyDesign(device_)});
    const auto words = static_cast<size_t>(device_.columns * kBlocks * kCopyBlockWords);
    std::mt19937_64 random(options_.seed);
    Bytes from(4 * words);
    for (std::byte& byte : from) byte = static_cast<std::byte>(random());
    const Bytes want = from;
    Bytes to(4 * words);
    // Twice: the second run finds the array as the first one left it.
    const Stream stream = EncodeSequence(CopySequence(device_, kBlocks));
    for (int run = 0; run < 2; ++run) {
      std::fill(to.begin(), to.end(), std::byte{0xA5});
      RunStream(stream, {&from, &to});
      const auto [got, wanted] = std::mismatch(to.begin(), to.end(), want.begin());
      if (got != to.end()) {
        const auto at = static_cast<int64_t>(got - to.begin());
        return fmt::format("run {}: byte {} (column {}) is 0x{:02X}, not 0x{:02X}", run + 1, at,
                           at / (4 * kBlocks * kCopyBlockWords), static_cast<int>(*got),
                           static_cast<int>(*wanted));
      }
    }
    return {};
  }

  /// Tiles as the packer of products lays them out: the first of a product that fills all cores.
  std::string OneCore() {
    constexpr int64_t kTiles = 3;
    configured_.clear();
    runner_.Configure({OneCoreDesignName(device_), MakeOneCoreDesign(device_)});
    const GemmConfig config = ConfigOf({GemmType::kI8, GemmOutput::kI32});
    const GemmPlan plan = PlanGemm(
        config, {int64_t{kTileM} * kCoreRows, kTileKI8, int64_t{kTileN} * device_.columns});
    std::mt19937_64 random(options_.seed + 1);
    Bytes a;
    Bytes b;
    std::vector<std::vector<int32_t>> want;
    for (int64_t tile = 0; tile < kTiles; ++tile) {
      const std::vector<int8_t> left = RandomBytes(plan.shape.m * plan.shape.k, random);
      const std::vector<int8_t> right = RandomBytes(plan.shape.k * plan.shape.n, random);
      Bytes all_a(static_cast<size_t>(plan.a_bytes));
      Bytes all_b(static_cast<size_t>(plan.b_bytes));
      PackA(plan, left, all_a);
      PackB(plan, right, 0, all_b);
      a.insert(a.end(), all_a.begin(), all_a.begin() + int64_t{kTileABytes});
      b.insert(b.end(), all_b.begin(), all_b.begin() + int64_t{kTileBBytes});
      want.push_back(Multiply(left, right, plan.shape));
    }
    Bytes c(static_cast<size_t>(kTiles) * kTileSumBytes, std::byte{0xA5});
    RunStream(EncodeSequence(OneCoreSequence(device_, kTiles)), {&a, &b, &c});
    for (int64_t tile = 0; tile < kTiles; ++tile) {
      Bytes all_c(static_cast<size_t>(plan.c_bytes));
      std::memcpy(all_c.data(), c.data() + static_cast<size_t>(tile) * kTileSumBytes,
                  kTileSumBytes);
      std::vector<int32_t> rows(want.front().size());
      UnpackC<int32_t>(plan, all_c, rows);
      for (int64_t m = 0; m < kTileM; ++m) {
        for (int64_t n = 0; n < kTileN; ++n) {
          const auto at = static_cast<size_t>(m * plan.shape.n + n);
          const int32_t wanted = want[static_cast<size_t>(tile)][at];
          if (rows[at] != wanted) {
            return fmt::format("tile {}: [{},{}] is {}, not {}", tile, m, n, rows[at], wanted);
          }
        }
      }
    }
    return {};
  }

  std::string Product(const std::pair<GemmType, GemmOutput>& type, const GemmShape& shape) {
    const GemmConfig config = ConfigOf(type);
    ConfigureProduct(config);
    return TryGemmOn(runner_, config, shape, options_.seed, options_.timeout).difference;
  }

  /// i8 to i8: what comes out goes in again.
  std::string Chain() {
    constexpr int64_t kRows = 96;
    const int64_t sides[] = {200, 330, 260, 70};
    const GemmConfig config = ConfigOf({GemmType::kI8, GemmOutput::kI8});
    ConfigureProduct(config);
    std::mt19937_64 random(options_.seed + 2);
    std::vector<int8_t> values = RandomBytes(kRows * sides[0], random);
    for (size_t i = 0; i + 1 < std::size(sides); ++i) {
      const GemmShape shape = {kRows, sides[i], sides[i + 1]};
      const GemmPlan plan = PlanGemm(config, shape);
      const std::vector<int8_t> weights = RandomBytes(shape.k * shape.n, random);
      Bytes a(static_cast<size_t>(plan.a_bytes));
      Bytes b(static_cast<size_t>(plan.b_bytes));
      Bytes c(static_cast<size_t>(plan.c_bytes));
      constexpr int kShift = 10;
      PackA(plan, values, a);
      PackB(plan, weights, kShift, b);
      RunStream(GemmStream(plan), {&a, &b, &c});
      const std::vector<int32_t> sums = Multiply(values, weights, shape);
      values.resize(sums.size());
      UnpackC<int8_t>(plan, c, values);
      for (size_t at = 0; at < sums.size(); ++at) {
        const double want =
            std::clamp(std::nearbyint(std::ldexp(sums[at], -kShift)), -128.0, 127.0);
        if (values[at] != want) {
          return fmt::format("product {}: [{},{}] is {}, not {}", i + 1,
                             static_cast<int64_t>(at) / shape.n, static_cast<int64_t>(at) % shape.n,
                             values[at], want);
        }
      }
    }
    return {};
  }

  /// Q, K and V; O; O and the norms behind it, as a list; gate, up, GELU and down of a dense layer,
  /// as a list, and of a sparse one; the products of an MLP whose gates the host cuts; the
  /// per-layer gate and projection, as a list.
  std::string Layer(const std::pair<GemmType, GemmOutput>& type) {
    const int64_t tokens = options_.full_size ? 128 : 24;
    const int64_t d = options_.full_size ? 2048 : 256;
    const int64_t norm_d = options_.full_size ? d : 384;
    const int64_t heads = options_.full_size ? 2048 : 256;
    const int64_t kv = options_.full_size ? 512 : 128;
    const int64_t ffn = options_.full_size ? 8192 : 512;
    const int64_t per_layer = 256;
    const std::pair<const char*, GemmShape> products[] = {
        {"q, k and v", {tokens, d, heads + 2 * kv}},
        {"o", {tokens, heads, d}},
        {"gate and up", {tokens, d, 2 * ffn}},
        {"down", {tokens, ffn, d}},
    };
    const std::tuple<const char*, GatedShape, std::optional<float>> lists[] = {
        {"gate, up, GELU and down", {tokens, d, 0, ffn, d}, {}},
        {"the same of a sparse layer", {tokens, d, 0, ffn, d}, 1.645F},
        {"the per-layer mix", {tokens, d, 2 * per_layer, per_layer, d}, {}},
    };
    for (const auto& [name, shape] : products) {
      const std::string difference = Product(type, shape);
      if (!difference.empty()) return fmt::format("{}: {}", name, difference);
    }
    const NormTrial norms = TryNormOn(runner_, ConfigOf(type), {tokens, heads, norm_d, true},
                                      options_.seed, options_.timeout);
    if (!norms.ok) return fmt::format("o and the norms behind it: {}", norms.difference);
    for (const auto& [name, shape, cut] : lists) {
      const GatedTrial trial =
          TryGatedOn(runner_, ConfigOf(type), shape, options_.seed, options_.timeout, cut);
      if (!trial.ok) return fmt::format("{}: {}", name, trial.difference);
    }
    return {};
  }

  static std::vector<int8_t> RandomBytes(int64_t count, std::mt19937_64& random) {
    std::vector<int8_t> values(static_cast<size_t>(count));
    for (int8_t& value : values) value = static_cast<int8_t>(random());
    return values;
  }

  static std::vector<int32_t> Multiply(const std::vector<int8_t>& a, const std::vector<int8_t>& b,
                                       const GemmShape& shape) {
    std::vector<int32_t> c(static_cast<size_t>(shape.m * shape.n));
    for (int64_t m = 0; m < shape.m; ++m) {
      for (int64_t k = 0; k < shape.k; ++k) {
        const auto left = static_cast<int32_t>(a[static_cast<size_t>(m * shape.k + k)]);
        for (int64_t n = 0; n < shape.n; ++n) {
          c[static_cast<size_t>(m * shape.n + n)] += left * b[static_cast<size_t>(k * shape.n + n)];
        }
      }
    }
    return c;
  }

  Recorder runner_;
  const SelfTestOptions& options_;
  const Device device_;
  std::vector<Planned> plan_;
  std::string configured_;
  SelfTestReport report_;
};

}  // namespace

SelfTestReport RunSelfTest(ArrayRunner& runner, const SelfTestOptions& options) {
  return Tester(runner, options).Run();
}

}  // namespace tandem::npu
