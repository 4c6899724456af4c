// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What RADV makes of every pipeline that the engine asks for, without a Radeon: a process of
// radv_gate.sh, which sets the driver up. Models have their real shapes and types and no bytes.
// Says what is wrong with a pipeline, one line each, and exits with 1; or prints the tables of
// docs/vulkan.md.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "core/error.h"
#include "devices/vulkan/vulkan_device.h"
#include "devices/vulkan/weights.h"
#include "gemma3n/hf.h"
#include "support/empty_model.h"
#include "support/null_driver.h"

namespace tandem::testing {
namespace {

constexpr uint32_t kSubgroups[] = {32, 64};
// The model whose tokens the tables show.
constexpr const char* kShown = "E2B Q4_0";

struct Model {
  std::string name;
  std::shared_ptr<EmptyModel> model;
  DType kv;
};

QuantizePlan Plan(std::string_view name) { return *FindQuantizePlan(name); }

std::vector<Model> Models(const std::string& fable_config) {
  std::ifstream file(fable_config);
  const auto fable = gemma3n::ReadHfConfig(nlohmann::json::parse(file), fable_config);
  std::vector<Model> models;
  const auto add = [&](const char* name, const auto& params, const QuantizePlan& plan,
                       DType kv = DType::kF16) {
    models.push_back({name, std::make_shared<EmptyModel>(params, plan), kv});
  };
  // Other converters leave the small matrices in half, and heads in 8 bits.
  QuantizePlan eight = Plan("q4_0"), halves = eight;
  eight.token_table = eight.ple_table = DType::kQ8_0;
  halves.sensitive = DType::kF16;
  add(kShown, E2bParams(), eight);
  add("E2B Q4_0, head Q6_K, small matrices F16", E2bParams(), halves);
  add("E2B Q4_K_M", E2bParams(), Plan("q4_k_m"));
  add("E4B Q4_0", E4bParams(), eight);
  add("E4B Q4_K_M", E4bParams(), Plan("q4_k_m"));
  add("fable F32", fable, Plan("f32"), DType::kF32);
  add("fable Q8_0", fable, Plan("q8_0"));
  add("Gemma 3 270M Q8_0", Gemma270mParams(), Plan("q8_0"));
  add("Gemma 3 270M Q4_K_M", Gemma270mParams(), Plan("q4_k_m"));
  return models;
}

// A kind of step and what it ran.
struct Use {
  std::string model;
  uint64_t rows;   // of the step
  std::string op;  // that the kernel is for, and its number among the op's
  uint64_t workgroups;
  size_t pipeline;
};

// Buffers of a step, which nothing is read from or written to but zeros.
class Steps {
 public:
  Steps(const Program& program, DType kv, int64_t rows) : program_(program) {
    for (const Value& value : program.values) {
      buffers_.emplace_back(static_cast<size_t>(value.planes * value.width * rows));
      values_.push_back(buffers_.back().data());
    }
    constexpr int64_t kCapacity = 1024;
    for (const CacheTensor& cache : program.caches) {
      caches_.emplace_back(2 * kCapacity * RowBytes(kv, cache.width()));
      std::byte* keys = caches_.back().data();
      views_.push_back({kv, kCapacity, cache.width(), keys, keys + caches_.back().size() / 2});
    }
  }

  // What a step of `rows` rows runs, the last `wanted` of which are wanted, and how it draws the
  // next token, if it does. `counts` gets how many kernels and copies that are, too.
  std::vector<Use> Run(Segment& segment, int64_t rows, int64_t wanted,
                       const std::optional<DrawParams>& draws, KernelCounts& counts) {
    std::vector<StepRow> step;
    for (int64_t r = 0; r < rows; ++r) {
      step.push_back({0, static_cast<int32_t>(r), 0, r >= rows - wanted});
    }
    const std::span<const KvView> views = views_;
    std::vector<OpTime> times;
    counts = {};
    NullDriver& driver = NullDriver::Install();
    driver.TakeDispatches();
    Drawn drawn;
    const DrawRequest request{draws.value_or(DrawParams()), {}, false, &drawn};
    Bindings bindings{values_, {&views, 1}, nullptr, &times, &counts};
    if (draws) bindings.draw = &request;
    segment.Submit(bindings, step).Wait();
    const std::vector<RecordedDispatch> dispatches = driver.TakeDispatches();
    std::vector<Use> uses;
    size_t number = 0, last = program_.ops.size();
    for (const KernelTime& kernel : counts.times) {
      if (kernel.name == "copy") continue;
      number = kernel.op == last ? number + 1 : 1;
      last = kernel.op;
      const RecordedDispatch& dispatch = dispatches.at(uses.size());
      uses.push_back({"", static_cast<uint64_t>(rows),
                      fmt::format("{} {}", OpName(program_.ops[kernel.op].body), number),
                      dispatch.workgroups, dispatch.pipeline});
    }
    if (uses.empty() || uses.size() != dispatches.size()) {
      throw Error(ErrorKind::kInternal, fmt::format("{} kernels were timed, {} recorded",
                                                    uses.size(), dispatches.size()));
    }
    return uses;
  }

 private:
  const Program& program_;
  std::vector<std::vector<float>> buffers_;
  std::vector<float*> values_;
  std::vector<std::vector<std::byte>> caches_;
  std::vector<KvView> views_;
};

// Of a matrix by columns, on every device with 16 lanes or more.
constexpr uint32_t kTileRows = 128;

// Bytes of weights that a token reads, in the device's layout. Of sparse layers, `alive` of the
// neurons' rows of `up`, and of `down` where that lies by columns: of its scales those of 32
// neurons of which one lives, which is taken not to depend on the others.
double BytesOf(const Program& program, double alive) {
  double bytes = 0;
  const auto size = [](const WeightView& view) {
    return static_cast<double>(view.rows) *
           static_cast<double>(vulkan::RowSizesOf(view.type, view.cols).total());
  };
  for (const Op& op : program.ops) {
    for (const WeightView& view : UseOf(op.body).matrices) bytes += size(view);
    const auto* mlp = std::get_if<GatedMlp>(&op.body);
    if (mlp == nullptr || !mlp->sparse) continue;
    bytes -= (1 - alive) * size(mlp->up);
    if (!vulkan::HasColumns(mlp->down, kTileRows)) continue;
    const vulkan::RowSizes sizes = vulkan::RowSizesOf(mlp->down.type, mlp->down.cols);
    bytes -= static_cast<double>(mlp->down.rows) *
             ((1 - alive) * static_cast<double>(sizes.codes) +
              std::pow(1 - alive, 32) * static_cast<double>(sizes.scales));
  }
  return bytes;
}

// What a step is to be modelled by (tools/model-igpu.py).
nlohmann::json CountsOf(const Model& model, const KernelCounts& counts) {
  return {{"model", model.name},
          {"kernels", counts.kernels},
          {"dependent", counts.dependent},
          {"bytes_dense", BytesOf(model.model->decode(), 1)},
          {"bytes_sparse", BytesOf(model.model->decode(), 0.05)}};
}

std::vector<Use> RunAll(const Model& model, uint32_t subgroup, nlohmann::json& token) {
  VulkanOptions options;
  options.subgroup = subgroup;
  options.cooperative = VulkanOptions::Cooperative::kUntried;
  const auto device = MakeVulkanDevice(options);
  std::vector<Use> uses;
  const auto run = [&](const Program& program, std::initializer_list<int64_t> rows, bool all) {
    const int64_t most = std::max(rows);
    const auto segment = device->Compile(program, {0, program.ops.size()}, {most, most});
    Steps steps(program, model.kv, most);
    for (const int64_t count : rows) {
      KernelCounts counts;
      std::optional<DrawParams> draws;
      if (count == 1 && segment->StepsAhead() > 0) draws = DrawParams{.top_k = 64};
      for (Use& use : steps.Run(*segment, count, all ? count : 1, draws, counts)) {
        use.model = model.name;
        uses.push_back(std::move(use));
      }
      if (count == 1) token = CountsOf(model, counts);
      if (!draws) continue;
      for (const double top_p : {0.9, 1.0}) {
        draws = DrawParams{.top_k = 0, .temperature = 1, .top_p = top_p};
        for (Use& use : steps.Run(*segment, count, 1, draws, counts)) {
          use.model = model.name + ", no top-k";
          uses.push_back(std::move(use));
        }
      }
    }
  };
  run(model.model->decode(), {1, 2, 3, 4, 5, 6, 7, 8}, true);
  run(model.model->prefill(), {9, 16, 32, 64, 128, 256, 512}, false);
  return uses;
}

// ---- What is asked of a pipeline.

// Registers of a lane that a kernel may ask for before they are dealt out. A SIMD has 1,024 for
// waves of 32 lanes, 512 for waves of 64. One token's kernels wait for memory, which other waves
// hide: with 72 a SIMD holds 14 waves of 32 lanes of the 16 that it has room for, with 96 it holds
// 10, which is two workgroups of attention. Tiles keep their sums in registers, and hide little.
struct Limit {
  std::string_view kernel;
  uint64_t registers;
};
constexpr Limit kLimits[] = {
    {"attention_tile", 136}, {"fused_attention", 96}, {"gemm_coop", 176},
    {"gemm_float", 128},     {"gemm_int8_dot", 128},  {"", 72},
};

uint64_t LimitOf(std::string_view kernel) {
  const auto found = std::find_if(std::begin(kLimits), std::end(kLimits), [&](const Limit& limit) {
    // gemm_coop's tiles are kernels of their own, gemm_coop_2x2.
    return limit.kernel.empty() || limit.kernel == kernel ||
           (limit.kernel == "gemm_coop" && kernel.starts_with(limit.kernel));
  });
  return found->registers;
}

// Loads of one or two bytes in the text of a program: buffer_load_u8, ds_load_u16_d16, ...
std::set<std::string> NarrowLoads(std::string_view assembly) {
  std::set<std::string> found;
  for (size_t at = assembly.find("_load_"); at != std::string_view::npos;
       at = assembly.find("_load_", at + 1)) {
    const size_t begin = assembly.find_last_of(" \t\n", at) + 1;
    const std::string name(assembly.substr(begin, assembly.find_first_of(" \t\n", at) - begin));
    const std::string parts = name + "_";
    for (const char* part : {"_u8_", "_i8_", "_b8_", "_u16_", "_i16_", "_b16_", "_d16_"}) {
      if (parts.find(part) != std::string::npos) found.insert(name);
    }
  }
  return found;
}

std::vector<std::string> Complaints(const CompiledPipeline& pipeline, bool matrices) {
  std::vector<std::string> complaints;
  for (const char* none : {"Spilled SGPRs", "Spilled VGPRs", "Scratch size"}) {
    const uint64_t count = pipeline.Statistic(none);
    if (count > 0) complaints.push_back(fmt::format("{}: {}", none, count));
  }
  const uint64_t registers = pipeline.Statistic("Pre-Sched VGPRs");
  if (registers > LimitOf(pipeline.kernel)) {
    complaints.push_back(
        fmt::format("{} VGPRs, where it may have {}", registers, LimitOf(pipeline.kernel)));
  }
  if (pipeline.assembly.find("_load_") == std::string::npos) {
    complaints.emplace_back("its text has no loads at all");
  }
  const auto has = [&](std::string_view instruction) {
    return pipeline.assembly.find(instruction) != std::string::npos;
  };
  if (pipeline.kernel.find("_dot") != std::string_view::npos && !has("v_dot4")) {
    complaints.emplace_back("no v_dot4");
  }
  if (matrices && pipeline.kernel.starts_with("gemm_coop") && !has("v_wmma")) {
    complaints.emplace_back("no v_wmma");
  }
  for (const std::string& load : NarrowLoads(pipeline.assembly)) {
    complaints.push_back("it has " + load);
  }
  return complaints;
}

std::string ConstantsOf(const CompiledPipeline& pipeline) {
  return fmt::format("{}", fmt::join(pipeline.constants, " "));
}

// ---- The tables of docs/vulkan.md.

std::vector<Use> UsesOf(const std::vector<Use>& uses, std::string_view model, uint64_t rows,
                        uint32_t subgroup) {
  std::vector<Use> of;
  std::copy_if(uses.begin(), uses.end(), std::back_inserter(of), [&](const Use& use) {
    return use.model == model && use.rows == rows &&
           NullDriver::Install().pipelines()[use.pipeline].subgroup == subgroup;
  });
  return of;
}

std::string Cells(const CompiledPipeline& pipeline) {
  return fmt::format("{} | {} | {} | {}", pipeline.Statistic("Pre-Sched VGPRs"),
                     pipeline.Statistic("Instructions"), pipeline.Statistic("Inverse Throughput"),
                     pipeline.Statistic("LDS size"));
}

// Every pipeline of a step, in the order of first use.
void PrintStep(const std::vector<Use>& uses, const std::string& model, uint64_t rows) {
  const auto& pipelines = NullDriver::Install().pipelines();
  const std::vector<Use> narrow = UsesOf(uses, model, rows, 32);
  const std::vector<Use> wide = UsesOf(uses, model, rows, 64);
  std::vector<size_t> seen;
  std::cout
      << "\n| kernel | first for | times | workgroups | VGPRs | instructions | cycles | LDS | "
         "64: VGPRs | instructions | cycles | LDS |\n"
         "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  for (size_t i = 0; i < narrow.size(); ++i) {
    const size_t pipeline = narrow[i].pipeline;
    if (std::find(seen.begin(), seen.end(), pipeline) != seen.end()) continue;
    seen.push_back(pipeline);
    const auto times = std::count_if(narrow.begin(), narrow.end(), [pipeline](const Use& use) {
      return use.pipeline == pipeline;
    });
    const std::string other = i < wide.size() && wide[i].op == narrow[i].op
                                  ? Cells(pipelines[wide[i].pipeline])
                                  : "| | |";
    std::cout << fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", pipelines[pipeline].kernel,
                             narrow[i].op, times, narrow[i].workgroups, Cells(pipelines[pipeline]),
                             other);
  }
}

// All pipelines by kernel: the most of each number.
void PrintKernels() {
  struct Most {
    size_t pipelines = 0;
    uint64_t registers[2] = {}, instructions = 0, shared = 0;
  };
  std::map<std::string_view, Most> kernels;
  for (const CompiledPipeline& pipeline : NullDriver::Install().pipelines()) {
    Most& most = kernels[pipeline.kernel];
    ++most.pipelines;
    uint64_t& registers = most.registers[pipeline.subgroup == 64 ? 1 : 0];
    registers = std::max(registers, pipeline.Statistic("Pre-Sched VGPRs"));
    most.instructions = std::max(most.instructions, pipeline.Statistic("Instructions"));
    most.shared = std::max(most.shared, pipeline.Statistic("LDS size"));
  }
  std::cout
      << "\n| kernel | pipelines | VGPRs, 32 lanes | 64 lanes | may have | instructions | LDS "
         "|\n|---|---:|---:|---:|---:|---:|---:|\n";
  for (const auto& [kernel, most] : kernels) {
    std::cout << fmt::format("| `{}` | {} | {} | {} | {} | {} | {} |\n", kernel, most.pipelines,
                             most.registers[0], most.registers[1], LimitOf(kernel),
                             most.instructions, most.shared);
  }
}

int Main(int argc, char** argv) {
  const std::string fable = argc > 1 ? argv[1] : "";
  const std::string_view print = argc > 2 ? argv[2] : "";
  const VulkanProbe probe = ProbeVulkan();
  if (!probe.problem.empty()) {
    std::cerr << "radv_gate: " << probe.problem << '\n';
    return 2;
  }
  if (fable == "--probe") return 0;
  // The only check of which RADV gives no example: it must see what it is there for.
  if (NarrowLoads("\tbuffer_load_b128 v[0:3]\n\tds_load_u16_d16 v1\n\tglobal_load_i8 v2 // x\n\t"
                  "buffer_load_d16_b16 v3") !=
      std::set<std::string>{"buffer_load_d16_b16", "ds_load_u16_d16", "global_load_i8"}) {
    throw Error(ErrorKind::kInternal, "narrow loads are not recognised");
  }
  NullDriver& driver = NullDriver::Install();
  const VulkanDeviceInfo& info = probe.devices.front();
  std::vector<Use> uses;
  nlohmann::json tokens = nlohmann::json::array();
  for (const Model& model : Models(fable)) {
    nlohmann::json token;
    for (const uint32_t subgroup : kSubgroups) {
      const size_t before = driver.pipelines().size();
      for (Use& use : RunAll(model, subgroup, token)) uses.push_back(std::move(use));
      std::cerr << fmt::format("{}, {} lanes: {} more pipelines\n", model.name, subgroup,
                               driver.pipelines().size() - before);
    }
    tokens.push_back(std::move(token));
  }
  if (print == "--counts") {
    std::cout << tokens.dump(2) << '\n';
    return 0;
  }
  const bool matrices = std::any_of(
      info.features.begin(), info.features.end(), [](const VulkanDeviceInfo::Feature& feature) {
        return feature.name == "VK_KHR_cooperative_matrix" && feature.present;
      });
  size_t wrong = 0;
  for (size_t i = 0; i < driver.pipelines().size(); ++i) {
    const CompiledPipeline& pipeline = driver.pipelines()[i];
    const auto use =
        std::find_if(uses.begin(), uses.end(), [i](const Use& each) { return each.pipeline == i; });
    for (const std::string& complaint : Complaints(pipeline, matrices)) {
      ++wrong;
      std::cout << fmt::format("{}, {} lanes, {}, {} rows, {}, constants {}: {}\n", pipeline.kernel,
                               pipeline.subgroup, use->model, use->rows, use->op,
                               ConstantsOf(pipeline), complaint);
    }
  }
  std::cout << fmt::format("{}, {}: {} pipelines, {} complaints\n", info.name, info.driver,
                           driver.pipelines().size(), wrong);
  if (print == "--tables") {
    PrintStep(uses, kShown, 1);
    PrintKernels();
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tandem::testing

int main(int argc, char** argv) {
  try {
    return tandem::testing::Main(argc, argv);
  } catch (const tandem::Error& error) {
    std::cerr << "radv_gate: " << error.message() << '\n';
    return 2;
  }
}
