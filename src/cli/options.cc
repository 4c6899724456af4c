// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <algorithm>
#include <cmath>

#include "cli/output.h"
#include "core/log.h"

namespace tandem::cli {
namespace {

/// Beyond any model; a model's own length is checked when it is known.
constexpr int64_t kMaxContext = int64_t{1} << 31;

constexpr int64_t kMaxMegabytes = 1 << 20;

constexpr const char* kRunsGroup = "How it runs";
constexpr const char* kLogGroup = "Log";

}  // namespace

void ThrowBadValue(std::string_view option, std::string_view text, std::string_view expected) {
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("{}: \"{}\" is not {}", option, Printable(text), expected));
}

double ParseReal(std::string_view option, std::string_view text, double min, double max) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value) || value < min || value > max) {
    ThrowBadValue(option, text, fmt::format("a number from {} to {}", min, max));
  }
  return value;
}

std::string ErrorName(const std::string& names) {
  std::string longest;
  for (size_t start = 0; start < names.size();) {
    const size_t comma = std::min(names.find(',', start), names.size());
    std::string name = names.substr(start, comma - start);
    if (longest.empty() || (name.starts_with("--") && !longest.starts_with("--"))) longest = name;
    start = comma + 1;
  }
  return longest;
}

bool TakesChoice(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return !type.empty() && type.front() >= 'a' && type.front() <= 'z';
}

CLI::Option* AddChoice(CLI::App& app, const std::string& names, std::string& target,
                       const std::vector<std::string>& choices, const std::string& help) {
  const std::string all = fmt::format("{}", fmt::join(choices, "|"));
  return app
      .add_option_function<std::string>(
          names,
          [&target, choices, all, name = ErrorName(names)](const std::string& text) {
            if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
              ThrowBadValue(name, text, "one of " + all);
            }
            target = text;
          },
          help)
      ->type_name(all);
}

CLI::Option* AddRepeatable(CLI::App& app, const std::string& names, const std::string& type_name,
                           std::function<void(const std::string&)> take, const std::string& help) {
  return app
      .add_option_function<std::vector<std::string>>(
          names,
          [take = std::move(take)](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) take(text);
          },
          help)
      ->allow_extra_args(false)
      ->type_name(type_name);
}

void AddQuiet(CLI::App& app, OutputOptions& output) {
  app.add_flag("-q,--quiet", output.quiet, "Only errors and warnings on standard error");
}

void AddJson(CLI::App& app, OutputOptions& output) {
  app.add_flag("--json", output.json, "Print the result as JSON");
}

void AddLog(CLI::App& app, LogOptions& log) {
  // Read at once, so that a mistake in a later argument is logged too.
  AddChoice(app, "--log-level", log.level, {"error", "warning", "info", "debug"},
            "Least important line to log")
      ->trigger_on_parse()
      ->group(kLogGroup);
  AddPath(app, "--log-file", log.file, "Log to FILE as well, at its end")
      ->trigger_on_parse()
      ->group(kLogGroup);
  app.add_flag_callback(
         "--log-json", [&log] { log.json = true; }, "Log lines are JSON objects")
      ->trigger_on_parse()
      ->group(kLogGroup);
}

void ApplyLog(const LogOptions& log, const CLI::App& command) {
  const auto level = log::LevelFromName(log.level);
  if (level) log::SetLevel(*level);
  const CLI::Option* quiet = command.get_option_no_throw("--quiet");
  if (quiet != nullptr && quiet->count() > 0) {
    log::SetLevel(std::max(log::StderrLevel(), log::Level::kWarning));
  }
  if (!log.file.empty()) log::OpenFile(log.file, level.value_or(log::Level::kEvent));
  if (log.json) log::UseJson();
}

CLI::Option* AddModel(CLI::App& app, ModelOptions& options) {
  return AddPath(app, "-m,--model", options.model,
                 "GGUF file or Hugging Face folder; the built-in model if not given");
}

void AddDevices(CLI::App& app, ModelOptions& options, std::vector<int>* thread_counts) {
  std::vector<std::string> devices = DeviceNames();
  devices.insert(devices.begin(), "auto");
  AddChoice(app, "--device", options.device, devices, "Device of everything")
      ->default_str("auto")
      ->group(kRunsGroup);
  AddChoice(app, "--prefill", options.prefill, devices, "Device of prompts, if another")
      ->group(kRunsGroup);
  AddChoice(app, "--decode", options.decode, devices, "Device of new tokens, if another")
      ->group(kRunsGroup);
  AddInteger(app, "--gpu", options.gpu, 0, 255,
             "Which Vulkan device, as tandem doctor numbers them; the best if not given")
      ->group(kRunsGroup);
  AddChoice(app, "--gpu-table", options.gpu_table, {"auto", "yes", "no"},
            "Whether a GPU gets the per-layer table, too: auto where there is room for it")
      ->default_str("auto")
      ->group(kRunsGroup);
  AddInteger(app, "--gpu-ahead", options.gpu_ahead, 0, 4,
             "Steps on their way at once with tokens that the GPU has drawn itself; 0: none")
      ->group(kRunsGroup);
  AddChoice(app, "--npu-generation", options.npu_generation, {"npu1", "npu2"},
            "Which NPU: of Phoenix and Hawk Point, or of Strix and Krackan")
      ->default_str("npu1")
      ->group(kRunsGroup);
  AddChoice(app, "--npu-device", options.npu_device, {"emulator", "xrt"},
            "What multiplies as that NPU: the emulator, or the NPU behind AMD's XRT")
      ->default_str("emulator")
      ->group(kRunsGroup);
  AddInteger(
      app, "--npu-budget", options.npu_budget, int64_t{1}, kMaxMegabytes,
      "Megabytes that weights may take in the NPU's layout; 2000, or 3000 for models like E4B")
      ->group(kRunsGroup);
  CLI::Option* threads =
      thread_counts == nullptr
          ? AddInteger(app, "-t,--threads", options.threads, 0, kMaxThreads,
                       "CPU threads; 0 is one per fast core")
          : AddIntegerList(app, "-t,--threads", *thread_counts, 0, kMaxThreads,
                           "CPU threads; 0 is one per fast core, several compare");
  threads->default_str("0")->group(kRunsGroup);
  app.add_flag("--pin", options.pin, "Keep each CPU thread on one processor")->group(kRunsGroup);
  app.add_flag("--precise", options.precise,
               "Activations in 16 bits instead of 8 in front of quantised weights: closer to the "
               "weights' exact results, slower (CPU)")
      ->group(kRunsGroup);
  AddKv(app, options)->group(kRunsGroup);
  app.add_flag_callback(
         "--no-memory-check", [&options] { options.memory_check = false; },
         "Go ahead where keys, values and activations cannot fit")
      ->group(kRunsGroup);
}

CLI::Option* AddKv(CLI::App& app, ModelOptions& options) {
  return AddChoice(app, "--kv", options.kv, {"auto", "f32", "f16", "q8_0"},
                   "Keys and values, where auto is f32 for F32 and BF16 models and else f16")
      ->default_str("auto");
}

void AddContext(CLI::App& app, ModelOptions& options) {
  AddInteger(app, "--ctx", options.context, int64_t{1}, kMaxContext,
             "Context length in tokens; the model's own if not given")
      ->group(kRunsGroup);
}

void AddDraft(CLI::App& app, DraftOptions& options) {
  AddChoice(app, "--draft", options.draft, {"none", "lookup", "model"},
            "Try several tokens at once: those that came earlier in the text, or what a smaller "
            "model says; \"model\" if one is named, else \"none\"")
      ->group(kRunsGroup);
  AddPath(app, "--draft-model", options.model,
          "Smaller model of the same vocabulary that drafts: GGUF file or Hugging Face folder")
      ->group(kRunsGroup);
  AddText(app, "--draft-slice", options.slice, "NAME",
          "Draft with this slice of the model itself (e2b in E4B), which takes no more memory")
      ->group(kRunsGroup);
  AddInteger(app, "--draft-tokens", options.tokens, 1, kMaxDraftTokens, "Most tokens tried at once")
      ->default_str(fmt::format("{}", options.tokens))
      ->group(kRunsGroup);
  app.add_flag("--draft-fixed", options.fixed,
               "Always try that many, not only those that are likely to pay")
      ->group(kRunsGroup);
}

void ApplyDraft(const DraftOptions& options, GenerationOptions& generation) {
  const bool named = !options.model.empty() || !options.slice.empty();
  if (!options.model.empty() && !options.slice.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "--draft-model and --draft-slice name two models",
                "give one of them");
  }
  if (options.draft == "lookup" && named) {
    throw Error(ErrorKind::kInvalidArgument, "--draft lookup has no use for a draft model",
                "leave one of the two out");
  }
  if (options.draft == "model" && !named) {
    throw Error(ErrorKind::kInvalidArgument, "--draft model needs a model that drafts",
                "name it with --draft-model or --draft-slice");
  }
  generation.draft = options.draft == "lookup"          ? Draft::kLookup
                     : named && options.draft != "none" ? Draft::kModel
                                                        : Draft::kNone;
  generation.draft_tokens = options.tokens;
  generation.draft_adapt = !options.fixed;
}

std::shared_ptr<const Model> LoadDraftModel(const DraftOptions& options,
                                            const std::shared_ptr<const Model>& target) {
  if (options.draft == "none") return nullptr;
  if (!options.slice.empty()) return Model::Slice(target, options.slice);
  return options.model.empty() ? nullptr : Model::Load(options.model);
}

KvType KvTypeOf(const ModelOptions& options) {
  if (options.kv == "f32") return KvType::kF32;
  if (options.kv == "f16") return KvType::kF16;
  if (options.kv == "q8_0") return KvType::kQ8;
  return KvType::kAuto;
}

namespace {

// Options of a device that nothing runs on are a mistake somewhere.
void RequireUseOfDevices(const ModelOptions& options) {
  const auto runs_on = [&](std::string_view name) {
    return options.device == name || options.prefill == name || options.decode == name;
  };
  const auto require = [&](bool given, std::string_view option, std::string_view device,
                           std::string_view how) {
    if (!given || runs_on(device)) return;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: nothing runs on {} here", option, device), std::string(how));
  };
  constexpr std::string_view kGpu = "--device vulkan, or --prefill or --decode";
  require(options.gpu >= 0, "--gpu", "vulkan", kGpu);
  require(options.gpu_ahead >= 0, "--gpu-ahead", "vulkan", kGpu);
  require(options.gpu_table != "auto", "--gpu-table", "vulkan", kGpu);
  constexpr std::string_view kNpu = "--prefill npu gives it the prompts";
  require(options.npu_device != "emulator", "--npu-device", "npu", kNpu);
  require(options.npu_budget > 0, "--npu-budget", "npu", kNpu);
  require(options.npu_generation != "npu1", "--npu-generation", "npu", kNpu);
}

}  // namespace

EngineOptions EngineOptionsOf(const ModelOptions& options) {
  RequireUseOfDevices(options);
  EngineOptions engine;
  engine.device = options.device;
  engine.prefill = options.prefill;
  engine.decode = options.decode;
  engine.threads = options.threads;
  engine.pin = options.pin;
  engine.precise = options.precise;
  engine.gpu = options.gpu;
  if (options.gpu_table != "auto") engine.gpu_table = options.gpu_table == "yes";
  engine.gpu_ahead = options.gpu_ahead;
  engine.npu_generation = options.npu_generation;
  engine.npu_device = options.npu_device;
  if (options.npu_budget > 0) {
    engine.npu_budget = static_cast<uint64_t>(options.npu_budget) * 1'000'000;
  }
  const auto line = std::make_shared<ProgressLine>("bringing weights to the device",
                                                   ProgressLine::Elsewhere::kSilent,
                                                   log::StderrLevel() >= log::Level::kWarning);
  engine.load_progress = [line](uint64_t done, uint64_t total) {
    if (done < total) {
      line->Update(done, total);
    } else {
      line->Clear();
    }
  };
  engine.kv = KvTypeOf(options);
  engine.memory_check = options.memory_check;
  return engine;
}

EngineOptions EngineOptionsOf(const ModelOptions& options, const Model& model) {
  EngineOptions engine = EngineOptionsOf(options);
  engine.context = options.context > 0 ? options.context : model.context_length();
  return engine;
}

std::shared_ptr<const Model> LoadModel(const ModelOptions& options) {
  auto model = options.model.empty() ? Model::LoadEmbedded() : Model::Load(options.model);
  for (const std::string& note : model->notes()) log::Info("{}", Printable(note, 300));
  return model;
}

}  // namespace tandem::cli
