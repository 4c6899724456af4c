// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF files, read as a model is: metadata, tensors, hyper-parameters, weights, Programs,
// vocabulary. Of an accepted file, every tensor lies inside the data and overlaps no other.
#include <algorithm>
#include <memory>
#include <vector>

#include "engine/source.h"
#include "engine/text_model.h"
#include "formats/gguf.h"
#include "fuzz.h"
#include "tokenizer/tokenizer.h"

namespace tandem::fuzz {
namespace {

void CheckPlaces(std::span<const std::byte> bytes, const GgufFile& file) {
  std::vector<std::span<const std::byte>> places;
  for (const GgufTensor& tensor : file.tensors()) {
    if (!tensor.type) continue;
    Check(tensor.data.data() >= bytes.data() && tensor.offset <= bytes.size() &&
              tensor.bytes <= bytes.size() - tensor.offset &&
              tensor.data.data() == bytes.data() + tensor.offset &&
              tensor.data.size() == tensor.bytes,
          "a tensor lies inside the file");
    Check(file.FindTensor(tensor.name) == &tensor, "a tensor is found by its name");
    places.push_back(tensor.data);
  }
  std::sort(places.begin(), places.end(),
            [](const auto& a, const auto& b) { return a.data() < b.data(); });
  for (size_t i = 1; i < places.size(); ++i) {
    Check(places[i - 1].data() + places[i - 1].size() <= places[i].data(),
          "no two tensors overlap");
  }
}

void ReadEverything(const GgufFile& file) {
  std::vector<float> row;
  for (const GgufTensor& tensor : file.tensors()) {
    for (int64_t index = 0; index < tensor.ne[2] * tensor.ne[3]; ++index) {
      const WeightView view = file.View(tensor, index);
      row.resize(static_cast<size_t>(view.cols));
      for (int64_t r = 0; r < view.rows; ++r) view.ReadRow(r, row.data());
    }
  }
}

void ReadModel(GgufFile file) {
  ModelSource source;
  source.name = "fuzz.gguf";
  source.gguf = std::move(file);
  const std::unique_ptr<TextModel> text = ReadTextModel(source);
  for (const auto rows : {gemma::Rows::kAllWanted, gemma::Rows::kSomeWanted}) {
    text->BuildProgram(rows);
  }
}

void ReadTokenizer(GgufFile file) {
  ModelSource source;
  source.name = "fuzz.gguf";
  source.gguf = std::move(file);
  std::string problem;
  std::optional<Vocab> vocab = ReadVocab(source, problem);
  if (!vocab) {
    CheckLine(problem);
    return;
  }
  const Tokenizer tokenizer(std::move(*vocab));
  Check(IsValidUtf8(tokenizer.Decode(tokenizer.Encode("hello <bos>"))), "decoded text is UTF-8");
}

}  // namespace
}  // namespace tandem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  const auto bytes = Bytes(data, size);
  Refuses([&] {
    const GgufFile file =
        GgufFile::FromBytes(bytes, "fuzz.gguf", {.allow_unsupported_types = true});
    CheckPlaces(bytes, file);
  });
  Refuses([&] {
    const GgufFile file = GgufFile::FromBytes(bytes, "fuzz.gguf");
    CheckPlaces(bytes, file);
    ReadEverything(file);
  });
  Refuses([&] { ReadModel(GgufFile::FromBytes(bytes, "fuzz.gguf")); });
  Refuses([&] { ReadTokenizer(GgufFile::FromBytes(bytes, "fuzz.gguf")); });
  return 0;
}
