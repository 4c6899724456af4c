// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tandem/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "core/error.h"
#include "core/log.h"
#include "devices/cpu/cpu_device.h"
#include "devices/npu/prefill/npu_device.h"
#include "devices/vulkan/vulkan_device.h"
#include "engine/api_guard.h"
#include "engine/draft_model.h"
#include "engine/engine_impl.h"
#include "engine/memory_fit.h"

namespace tandem {
namespace {

constexpr int64_t kMaxChunk = 4096;
constexpr int64_t kDeviceChunk = 512;
constexpr int kMaxThreads = 1024;

// Activations of a step beyond this are cut by a shorter chunk: E4B needs 100 MB for 256 rows, so
// only a file with absurd widths gets here.
constexpr uint64_t kMaxActivationBytes = uint64_t{512} << 20;

int64_t FittingChunk(const ModelData& data, int64_t chunk) {
  while (chunk > 1 && ActivationBytes(data, chunk) > kMaxActivationBytes) chunk /= 2;
  return chunk;
}

[[noreturn]] void NoMemory() {
  throw Error(ErrorKind::kResource, "no memory for the activations of a step",
              "close other programs, or use a smaller model");
}

// What "auto" means: the CPU, until a GPU is known to be faster. Vulkan is not even looked for
// then.
constexpr const char* kAutoDevice = "cpu";

// Index of the device called `name`, made on first use; an NPU for prompts of this model.
size_t FindDevice(const std::string& name, const EngineOptions& options, const ModelData& data,
                  std::vector<std::shared_ptr<Device>>& devices) {
  const std::string wanted = name == "auto" ? kAutoDevice : name;
  for (size_t i = 0; i < devices.size(); ++i) {
    if (devices[i]->name() == wanted) return i;
  }
  if (wanted == "vulkan") {
    VulkanOptions vulkan;
    vulkan.gpu = options.gpu;
    vulkan.threads = options.threads;
    vulkan.progress = options.load_progress;
    vulkan.steps_ahead = options.gpu_ahead;
    if (options.gpu_table) {
      vulkan.tables =
          *options.gpu_table ? VulkanOptions::Tables::kDevice : VulkanOptions::Tables::kHost;
    }
    devices.push_back(MakeVulkanDevice(vulkan));
  } else if (wanted == "npu") {
    auto host =
        std::dynamic_pointer_cast<HostDevice>(devices[FindDevice("cpu", options, data, devices)]);
    auto npu = MakeNpuDevice(std::move(host), NpuOptionsOf(options, data.prefill));
    if (options.npu_device == "emulator") {
      log::Info("npu: emulated; prompts are multiplied as {} would, much slower than on the CPU",
                options.npu_generation);
    } else {
      log::Info("npu: {}", npu->array());
    }
    devices.push_back(std::move(npu));
  } else if (wanted == "cpu") {
    devices.push_back(
        MakeCpuDevice(options.threads, cpu::ChooseIsa(), options.pin, options.precise));
  } else {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("there is no device '{}' in this build", Printable(name)),
                fmt::format("devices: auto, {}", fmt::join(DeviceNames(), ", ")));
  }
  return devices.size() - 1;
}

}  // namespace

NpuOptions NpuOptionsOf(const EngineOptions& options, const Program& program) {
  NpuOptions npu;
  npu.generation =
      options.npu_generation == "npu2" ? npu::Generation::kNpu2 : npu::Generation::kNpu1;
  npu.precise = options.precise;
  npu.xrt = options.npu_device == "xrt";
  npu.budget = options.npu_budget.value_or(0);
  if (npu.budget == 0) npu.budget = DefaultNpuBudget(program);
  npu.progress = options.load_progress;
  return npu;
}

std::vector<std::string> DeviceNames() {
  return AtBorder([] { return std::vector<std::string>{"cpu", "vulkan", "npu"}; });
}

Phase::Phase(const Program& program, std::span<Device* const> devices, size_t preferred,
             size_t fallback, const ShapeClass& shape)
    : program_(program),
      placement_(Place(program, devices, preferred, fallback)),
      buffers_(program.values.size()),
      pointers_(program.values.size()) {
  for (const PlacedSpan& span : placement_) {
    segments_.push_back(devices[span.device]->Compile(program, span.ops, shape));
  }
}

void Phase::Reserve(size_t rows, size_t wanted) {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Value& value = program_.values[i];
    const size_t count = value.rows == RowSet::kAll ? rows : wanted;
    const size_t size = count * static_cast<size_t>(value.planes * value.width);
    if (buffers_[i].size() < size) buffers_[i].resize(size);
    pointers_[i] = buffers_[i].data();
  }
}

int Phase::StepsAhead() const {
  return segments_.size() == 1 && steps_ == nullptr ? segments_[0]->StepsAhead() : 0;
}

Fence Phase::Start(std::span<const std::span<const KvView>> caches, const StepRow& row,
                   const DrawRequest& request) try {
  Reserve(1, 1);
  Bindings bindings{pointers_, caches};
  bindings.draw = &request;
  return segments_[0]->Submit(bindings, {&row, 1});
} catch (const std::bad_alloc&) {
  NoMemory();
}

std::span<const float> Phase::Run(std::span<const std::span<const KvView>> caches,
                                  std::span<const StepRow> rows) try {
  const auto wanted =
      std::count_if(rows.begin(), rows.end(), [](const StepRow& row) { return row.wanted; });
  Reserve(rows.size(), static_cast<size_t>(wanted));
  const float* logits = nullptr;
  Bindings bindings{pointers_, caches, &logits};
  if (steps_ != nullptr) {
    steps_->push_back({&program_, {rows.begin(), rows.end()}, {}, {}, {}});
    bindings.times = &steps_->back().ops;
    bindings.kernels = &steps_->back().kernels;
    bindings.array = &steps_->back().array;
  }
  for (const auto& segment : segments_) segment->Submit(bindings, rows).Wait();
  if (logits == nullptr) logits = pointers_[static_cast<size_t>(program_.logits)];
  return {logits, static_cast<size_t>(wanted * program_.vocab_rows)};
} catch (const std::bad_alloc&) {
  NoMemory();
}

Phase* Engine::Impl::Scoring(int64_t rows) {
  Device& device = *devices[prefill_device];
  if (prefill_device == decode_device || device.least_rows() <= 1 || rows < device.least_rows()) {
    return nullptr;
  }
  if (scoring == nullptr) {
    std::vector<Device*> pointers;
    for (const auto& one : devices) pointers.push_back(one.get());
    const size_t fallback = FindDevice("cpu", options, model->data(), devices);
    scoring = std::make_unique<Phase>(model->data().decode, pointers, prefill_device, fallback,
                                      ShapeClass{options.chunk, options.chunk});
  }
  return scoring.get();
}

namespace {

// Says what keeps all of a model from the NPU.
void RequireUse(const NpuUse& use, const Model& model) {
  if (use.products > 0) return;
  throw Error(ErrorKind::kUnsupported,
              fmt::format("{}: the NPU would multiply nothing of it; of its products {}",
                          model.source(), use.left.empty() ? "there are none" : use.left),
              use.smallest > 0 ? fmt::format("a larger --npu-budget: the smallest takes {:.1f} MB",
                                             static_cast<double>(use.smallest) / 1e6)
                               : "leave --prefill npu out");
}

std::vector<uint32_t> BannedBits(const Model& model) {
  std::vector<uint32_t> bits((static_cast<size_t>(model.vocab_rows()) + 31) / 32);
  for (int64_t id = 0; id < model.vocab_rows(); ++id) {
    if (model.IsBanned(static_cast<int32_t>(id)))
      bits[static_cast<size_t>(id) / 32] |= 1U << (id % 32);
  }
  return bits;
}

std::string DevicesText(const std::vector<std::shared_ptr<Device>>& devices) {
  std::string text;
  for (const auto& device : devices) {
    text +=
        fmt::format("{}{} ({})", text.empty() ? "" : ", ", device->name(), device->description());
  }
  return text;
}

std::shared_ptr<Engine::Impl> MakeEngine(std::shared_ptr<const Model> model,
                                         const EngineOptions& options,
                                         std::vector<std::shared_ptr<Device>> its_devices = {}) {
  if (model == nullptr) throw Error(ErrorKind::kInvalidArgument, "an engine needs a model");
  auto impl = std::make_shared<Engine::Impl>();
  if (options.chunk < 1 || options.chunk > kMaxChunk) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("chunk is {}, expected 1 to {}", options.chunk, kMaxChunk));
  }
  if (options.threads < 0 || options.threads > kMaxThreads) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("threads is {}, expected 0 (as many as make sense) to {}",
                            options.threads, kMaxThreads));
  }
  if (options.gpu_ahead < -1 || options.gpu_ahead > 4) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("gpu_ahead is {}, expected 0 to 4", options.gpu_ahead));
  }
  impl->model = std::move(model);
  impl->options = options;
  impl->banned = BannedBits(*impl->model);
  KvElementType(impl->model->data(), options.kv);  // throws where the model cannot have it
  const std::string& prefill = PromptDevice(options);
  if ((prefill == "vulkan" || prefill == "npu") && options.chunk == EngineOptions().chunk) {
    impl->options.chunk = kDeviceChunk;  // more rows for each reading of the weights, fewer calls
  }
  impl->options.chunk = FittingChunk(impl->model->data(), impl->options.chunk);
  if (options.decode == "npu") {
    throw Error(ErrorKind::kUnsupported, "the NPU reads prompts: it does not write replies",
                "--prefill npu gives it what it is for");
  }
  if (options.npu_generation != "npu1" && options.npu_generation != "npu2") {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("there is no NPU generation '{}'", Printable(options.npu_generation)),
                "npu1 is Phoenix and Hawk Point, npu2 Strix and Krackan");
  }
  if (options.npu_device != "emulator" && options.npu_device != "xrt") {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("there is no NPU '{}'", Printable(options.npu_device)),
                "emulator, or xrt for the one behind AMD's XRT");
  }
  if (options.npu_budget == uint64_t{0}) {
    throw Error(ErrorKind::kInvalidArgument, "an NPU budget of 0 bytes leaves it nothing to do",
                "leave --prefill npu out");
  }
  if (options.draft_model != nullptr) RequireSameVocabulary(*impl->model, *options.draft_model);
  if (options.memory_check) {
    const int64_t context = std::clamp<int64_t>(options.context, 0, impl->model->context_length());
    RequireMemory(*impl->model, impl->options, context);
    WarnOfWeights(*impl->model, impl->options, context);
  }
  if (options.device == "auto") {
    log::Event(
        "auto: the CPU runs everything; Vulkan devices are used when asked for "
        "(--device vulkan), software ones never without");
  }
  const bool is_draft = !its_devices.empty();
  impl->devices = std::move(its_devices);
  auto& devices = impl->devices;
  const ModelData& data = impl->model->data();
  const auto find = [&](const std::string& name) {
    return FindDevice(name, options, data, devices);
  };
  impl->prefill_device = find(prefill);
  // The NPU reads prompts. Who gives it everything gives it those.
  const std::string& decode = options.decode.empty() ? options.device : options.decode;
  impl->decode_device = find(decode == "npu" ? "cpu" : decode);
  const size_t fallback = find("cpu");
  const bool on_vulkan = devices[impl->prefill_device]->name() == "vulkan" ||
                         devices[impl->decode_device]->name() == "vulkan";
  if (on_vulkan && options.kv == KvType::kQ8) {
    throw Error(ErrorKind::kUnsupported, "vulkan keeps keys and values in f32 or f16 only",
                "leave --kv out, or take --device cpu");
  }
  std::vector<Device*> pointers;
  pointers.reserve(devices.size());
  for (const auto& device : devices) pointers.push_back(device.get());
  impl->decode = std::make_unique<Phase>(data.decode, pointers, impl->decode_device, fallback,
                                         ShapeClass{impl->options.chunk, impl->options.chunk});
  impl->prefill = std::make_unique<Phase>(data.prefill, pointers, impl->prefill_device, fallback,
                                          ShapeClass{impl->options.chunk, 1});
  if (const auto* npu = dynamic_cast<NpuDevice*>(pointers[impl->prefill_device])) {
    if (!is_draft) RequireUse(npu->use(), *impl->model);
  }
  log::Event("engine ready: {}, {} tokens a step, {} bytes of activations", DevicesText(devices),
             impl->options.chunk, ActivationBytes(data, impl->options.chunk));
  if (options.draft_model != nullptr) {
    EngineOptions draft = options;
    draft.draft_model = nullptr;
    draft.memory_check = false;  // Has been checked with the whole.
    impl->draft = MakeEngine(options.draft_model, draft, devices);
    impl->draft_costs = EstimateDraftCosts(*impl->model, *options.draft_model);
    log::Event("draft model: {}, a token of it costs {:.2f} of one, one more row {:.2f}",
               options.draft_model->source(), impl->draft_costs.draft_step,
               impl->draft_costs.extra_row);
  }
  return impl;
}

}  // namespace

Engine::Engine(std::shared_ptr<const Model> model, const EngineOptions& options)
    : impl_(AtBorder([&] { return MakeEngine(std::move(model), options); })) {}

Engine::~Engine() = default;

const Model& Engine::model() const noexcept { return *impl_->model; }
const EngineOptions& Engine::options() const noexcept { return impl_->options; }

std::string Engine::Description() const {
  return AtBorder([&] { return DevicesText(impl_->devices); });
}

std::string Engine::DecodeDevice() const {
  return AtBorder([&] { return std::string(impl_->devices[impl_->decode_device]->name()); });
}

}  // namespace tandem
