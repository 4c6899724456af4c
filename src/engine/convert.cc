// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "core/error.h"
#include "core/log.h"
#include "core/thread_team.h"
#include "engine/convert_metadata.h"
#include "engine/quantize_plan.h"
#include "engine/source.h"
#include "formats/gguf_writer.h"
#include "gemma3n/gguf.h"
#include "gemma3n/hf.h"
#include "gemma3n/slice.h"

namespace tandem {
namespace {

using gemma3n::OutputTensor;

// Floats unpacked at a time: with their source and target rows under 100 MB in flight.
constexpr int64_t kBlockFloats = int64_t{1} << 22;

std::vector<int64_t> ParseWidths(const std::string& text) {
  std::vector<int64_t> widths;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    int64_t width = 0;
    const char* end = text.data() + comma;
    const auto [parsed, code] = std::from_chars(text.data() + begin, end, width);
    if (code != std::errc() || parsed != end || width < 1) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("'{}' is not an FFN width",
                              Printable(std::string_view(text).substr(begin, comma - begin))),
                  "write one width for all layers, or a list such as 8192,8192,16384");
    }
    widths.push_back(width);
    begin = comma + 1;
  }
  return widths;
}

gemma3n::SliceSpec ReadSlice(const ConvertOptions& options, const gemma3n::HyperParams& params) {
  gemma3n::SliceSpec spec;
  if (!options.slice.empty()) {
    if (!options.slice_skip.empty() || !options.slice_ffn.empty()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "a slice is either a preset or layers and widths of its own, not both");
    }
    const auto preset = gemma3n::SlicePreset(options.slice, params);
    if (!preset) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("no slice '{}' is known of {} layers with an FFN of {}",
                              Printable(options.slice), params.layers, params.ffn[0]),
                  "e2b cuts E4B (35 layers of 16384); others with --slice-skip and --slice-ffn");
    }
    return *preset;
  }
  if (!options.slice_skip.empty()) spec.skip = gemma3n::ParseLayerList(options.slice_skip);
  if (!options.slice_ffn.empty()) spec.widths = ParseWidths(options.slice_ffn);
  return spec;
}

struct PlannedTensor {
  const OutputTensor* tensor;
  DType type;
  uint64_t bytes;
};

// Writes the rows of one tensor, a block of rows at a time, packed by all threads.
class TensorStream {
 public:
  TensorStream(GgufWriter& writer, ThreadTeam& team) : writer_(writer), team_(team) {}

  void Write(const PlannedTensor& planned, const std::function<void(uint64_t)>& wrote) {
    const OutputTensor& tensor = *planned.tensor;
    const size_t row_bytes = RowBytes(planned.type, tensor.cols);
    const int64_t block = std::max<int64_t>(1, kBlockFloats / tensor.cols);
    for (int64_t first = 0; first < tensor.rows; first += block) {
      const int64_t count = std::min(block, tensor.rows - first);
      packed_.resize(static_cast<size_t>(count) * row_bytes);
      team_.ParallelFor(count, 1, [&](int64_t begin, int64_t end, int) {
        std::vector<float> row(static_cast<size_t>(tensor.cols));
        for (int64_t i = begin; i < end; ++i) {
          std::byte* target = packed_.data() + static_cast<size_t>(i) * row_bytes;
          if (tensor.CopyRow(first + i, planned.type, target)) continue;
          tensor.ReadRow(first + i, row.data());
          QuantizeRow(planned.type, row.data(), target, tensor.cols);
        }
      });
      writer_.WriteTensorData(packed_);
      wrote(packed_.size());
    }
  }

 private:
  GgufWriter& writer_;
  ThreadTeam& team_;
  std::vector<std::byte> packed_;
};

void CheckOutput(const ConvertOptions& options, const ModelSource& source) {
  if (options.output.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "no output file is named", "name it with -o");
  }
  for (const std::filesystem::path& path : SourceFiles(source)) {
    std::error_code error;
    if (!std::filesystem::equivalent(path, options.output, error)) continue;
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("{}: the output would replace its own source", Printable(path.string(), 4096)),
        "name another output file");
  }
}

}  // namespace

std::vector<std::string> ConvertTypes() { return QuantizePlanNames(); }

ConvertSummary Convert(const ConvertOptions& options, const ConvertProgress& progress) {
  const auto start = std::chrono::steady_clock::now();
  const auto plan = FindQuantizePlan(options.type);
  if (!plan) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("cannot write weights as '{}'", Printable(options.type)),
                fmt::format("types: {}", fmt::join(ConvertTypes(), ", ")));
  }
  const ModelSource source =
      options.source.empty() ? OpenEmbeddedSource() : OpenSource(options.source);
  CheckOutput(options, source);
  gemma3n::HyperParams params = ReadParams(source);
  const gemma3n::Weights whole = ReadWeights(source, params);
  const gemma3n::SliceSpec spec = ReadSlice(options, params);
  gemma3n::SlicedModel sliced;
  const bool slicing = !spec.skip.empty() || !spec.widths.empty();
  if (slicing) {
    sliced = gemma3n::Slice(params, whole, spec);
    params = sliced.params;
  }
  const auto tensors = gemma3n::ListTensors(params, slicing ? sliced.weights : whole);

  ConvertSummary summary;
  summary.layers = params.layers;
  GgufWriter writer(options.output);
  summary.notes = WriteMetadata(source, params, *plan, writer);
  std::vector<PlannedTensor> planned;
  uint64_t total = 0;
  for (const OutputTensor& tensor : tensors) {
    const TypeChoice choice = ChooseType(*plan, tensor, params.layers);
    const uint64_t bytes = static_cast<uint64_t>(tensor.rows) * RowBytes(choice.type, tensor.cols);
    writer.AddTensor(tensor.name, choice.type, tensor.ne);
    planned.push_back({&tensor, choice.type, bytes});
    total += bytes;
    ++summary.tensors;
    summary.weights += static_cast<uint64_t>(tensor.rows * tensor.cols);
    summary.bytes_by_type[std::string(DTypeName(choice.type))] += bytes;
    if (choice.type != choice.wanted) {
      ++summary
            .fallbacks[fmt::format("{} -> {}", DTypeName(choice.wanted), DTypeName(choice.type))];
    }
  }
  writer.WriteHeader();
  ThreadTeam team(options.threads);
  TensorStream stream(writer, team);
  uint64_t done = 0;
  for (const PlannedTensor& tensor : planned) {
    stream.Write(tensor, [&](uint64_t bytes) {
      done += bytes;
      if (progress) progress(done, total, tensor.tensor->name);
    });
  }
  writer.Finish();
  summary.bytes = std::filesystem::file_size(options.output);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  log::Event("converted: {}, {}, {} tensors, {} bytes, {:.1f} s", options.output.string(),
             options.type, summary.tensors, summary.bytes, summary.seconds);
  return summary;
}

}  // namespace tandem
