// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "core/file_status.h"
#include "core/log.h"
#include "core/thread_team.h"
#include "engine/convert_metadata.h"
#include "engine/quantize_plan.h"
#include "engine/source.h"
#include "engine/text_model.h"
#include "formats/gguf_writer.h"

namespace tandem {
namespace {

using gemma::OutputTensor;

// Floats unpacked at a time: with their source and target rows under 100 MB in flight.
constexpr int64_t kBlockFloats = int64_t{1} << 22;

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
  if (!Exists(options.output)) return;
  for (const std::filesystem::path& path : SourceFiles(source)) {
    if (!IsSameFile(path, options.output)) continue;
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
  const std::unique_ptr<TextModel> whole = ReadTextModel(source);
  const SliceRequest request{options.slice, options.slice_skip, options.slice_ffn};
  std::unique_ptr<TextModel> slice;
  if (!request.empty()) slice = whole->Slice(request);
  const TextModel& text = slice ? *slice : *whole;
  const int layers = text.params().layers;
  const auto tensors = text.ListTensors();

  ConvertSummary summary;
  summary.layers = layers;
  GgufWriter writer(options.output);
  summary.notes = WriteMetadata(source, text, *plan, writer);
  std::vector<PlannedTensor> planned;
  uint64_t total = 0;
  for (const OutputTensor& tensor : tensors) {
    const TypeChoice choice = ChooseType(*plan, tensor, layers);
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
  summary.bytes = writer.file_bytes();
  writer.Finish();
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // The file is in its place: nothing from here on may throw.
  log::Event("converted: {}, {}, {} tensors, {} bytes, {:.1f} s", options.output.native(),
             options.type, summary.tensors, summary.bytes, summary.seconds);
  return summary;
}

}  // namespace tandem
