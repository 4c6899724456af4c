// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Options that commands share, and how values on the command line are read: strictly, with their
// range. Mistakes are Error kInvalidArgument that names the option.
//
// The type name of an option tells help and completion what it takes: "FILE" a path, "a|b|c" in
// lower case one of these, anything else in capitals a word to type.
#pragma once

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <charconv>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "tandem/engine.h"
#include "tandem/generation.h"

namespace tandem::cli {

inline constexpr int kMaxThreads = 1024;

/// What main() runs after parsing; returns the exit code.
using Action = std::function<int()>;

/// Throws the error of a value that an option does not take.
[[noreturn]] void ThrowBadValue(std::string_view option, std::string_view text,
                                std::string_view expected);

/// Reads the whole of `text` as a number in [min, max].
template <std::integral T>
T ParseInteger(std::string_view option, std::string_view text, T min, T max) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < min || value > max) {
    ThrowBadValue(option, text,
                  max == std::numeric_limits<T>::max()
                      ? fmt::format("a whole number, {} or more", min)
                      : fmt::format("a whole number from {} to {}", min, max));
  }
  return value;
}
/// The same for finite numbers with a fraction.
double ParseReal(std::string_view option, std::string_view text, double min, double max);

/// The longest of an option's names: "--temp" of "-t,--temp" is how errors call it.
std::string ErrorName(const std::string& names);

/// `target` may be a T or a std::optional<T>.
template <std::integral T, typename Target>
CLI::Option* AddInteger(CLI::App& app, const std::string& names, Target& target, T min, T max,
                        const std::string& help) {
  return app
      .add_option_function<std::string>(
          names,
          [&target, min, max, name = ErrorName(names)](const std::string& text) {
            target = ParseInteger<T>(name, text, min, max);
          },
          help)
      ->type_name("N");
}

/// A list of numbers separated by commas.
template <std::integral T>
CLI::Option* AddIntegerList(CLI::App& app, const std::string& names, std::vector<T>& target, T min,
                            T max, const std::string& help) {
  return app
      .add_option_function<std::string>(
          names,
          [&target, min, max, name = ErrorName(names)](const std::string& text) {
            target.clear();
            for (size_t start = 0; start <= text.size();) {
              const size_t comma = std::min(text.find(',', start), text.size());
              const auto part = std::string_view(text).substr(start, comma - start);
              target.push_back(ParseInteger<T>(name, part, min, max));
              start = comma + 1;
            }
          },
          help)
      ->type_name("N,N,...");
}

/// `target` may be a double or a std::optional<double>.
template <typename T>
CLI::Option* AddReal(CLI::App& app, const std::string& names, T& target, double min, double max,
                     const std::string& help) {
  return app
      .add_option_function<std::string>(
          names,
          [&target, min, max, name = ErrorName(names)](const std::string& text) {
            target = ParseReal(name, text, min, max);
          },
          help)
      ->type_name("X");
}

/// Whether `option` was made by AddChoice: its type name then is "a|b|c".
bool TakesChoice(const CLI::Option& option);
/// One of `choices`, in lower case; `target` gets the text.
CLI::Option* AddChoice(CLI::App& app, const std::string& names, std::string& target,
                       const std::vector<std::string>& choices, const std::string& help);
/// Any text; `target` may be a std::string or a std::optional of one.
template <typename T>
CLI::Option* AddText(CLI::App& app, const std::string& names, T& target,
                     const std::string& type_name, const std::string& help) {
  return app
      .add_option_function<std::string>(
          names, [&target](const std::string& text) { target = text; }, help)
      ->type_name(type_name);
}
/// A path, not empty.
template <typename T>
CLI::Option* AddPath(CLI::App& app, const std::string& names, T& target, const std::string& help) {
  return app
      .add_option_function<std::string>(
          names,
          [&target, name = ErrorName(names)](const std::string& text) {
            if (text.empty()) ThrowBadValue(name, text, "a path");
            target = text;
          },
          help)
      ->type_name("FILE");
}
/// An option that may be given more than once; `take` gets each text.
CLI::Option* AddRepeatable(CLI::App& app, const std::string& names, const std::string& type_name,
                           std::function<void(const std::string&)> take, const std::string& help);

/// -q/--quiet and --json.
struct OutputOptions {
  bool quiet = false;
  bool json = false;
};
void AddQuiet(CLI::App& app, OutputOptions& output);
void AddJson(CLI::App& app, OutputOptions& output);

/// --log-level, --log-file, --log-json: of the program and of every command.
struct LogOptions {
  std::string level;  ///< Empty: notes and worse on stderr, info in the file.
  std::string file;   ///< Empty for none.
  bool json = false;
};
void AddLog(CLI::App& app, LogOptions& log);
/// Sets the log up, and makes --quiet of `command` true. Throws Error kIo when the file cannot be
/// written.
void ApplyLog(const LogOptions& log, const CLI::App& command);

/// Which model, where and how it runs.
struct ModelOptions {
  std::string model;  ///< Path; empty = the built-in one.
  std::string device = "auto";
  std::string prefill;
  std::string decode;
  std::string kv = "auto";
  int threads = 0;
  int gpu = -1;  ///< -1 = the best.
  std::string gpu_table = "auto";
  int gpu_ahead = -1;  ///< -1 = as it pays.
  std::string npu_generation = "npu1";
  std::string npu_device = "emulator";
  int64_t npu_budget = 0;  ///< Megabytes; 0 = by the model.
  bool pin = false;
  bool precise = false;
  int64_t context = 0;  ///< 0 = the model's.
  bool memory_check = true;
};
CLI::Option* AddModel(CLI::App& app, ModelOptions& options);
/// With `thread_counts` --threads takes a list, and options.threads is its first.
void AddDevices(CLI::App& app, ModelOptions& options, std::vector<int>* thread_counts = nullptr);
void AddContext(CLI::App& app, ModelOptions& options);
CLI::Option* AddKv(CLI::App& app, ModelOptions& options);

/// --draft, --draft-model, --draft-slice, --draft-tokens and --draft-fixed.
struct DraftOptions {
  std::string draft;  ///< Empty: by the model where one is named, else not at all.
  std::string model;  ///< Path; empty for none.
  std::string slice;  ///< Of the model itself; empty for none.
  int tokens = GenerationOptions().draft_tokens;
  bool fixed = false;
};
void AddDraft(CLI::App& app, DraftOptions& options);
/// Throws Error kInvalidArgument for options that contradict each other.
void ApplyDraft(const DraftOptions& options, GenerationOptions& generation);
/// Loads the model that drafts for `target`, or nullptr where none is to.
std::shared_ptr<const Model> LoadDraftModel(const DraftOptions& options,
                                            const std::shared_ptr<const Model>& target);

KvType KvTypeOf(const ModelOptions& options);
EngineOptions EngineOptionsOf(const ModelOptions& options);
/// The same for an engine of one session, whose context is known.
EngineOptions EngineOptionsOf(const ModelOptions& options, const Model& model);
/// Loads the model and says its notes on stderr.
std::shared_ptr<const Model> LoadModel(const ModelOptions& options);

}  // namespace tandem::cli
