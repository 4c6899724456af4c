// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Speed of encoding with the built-in vocabulary, on 1 MB of each of several kinds of text.
#include <benchmark/benchmark.h>

#include <string>

#include "engine/model_text.h"
#include "tandem/model.h"

namespace tandem {
namespace {

constexpr size_t kBytes = 1 << 20;

std::string Repeat(const std::string& text) {
  std::string out;
  while (out.size() < kBytes) out += text;
  return out;
}

void Encode(benchmark::State& state, const std::string& pattern) {
  const Tokenizer tokenizer = LoadEmbeddedTokenizer();
  const std::string text = Repeat(pattern);
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer.Encode(text));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

BENCHMARK_CAPTURE(Encode, prose, "The small fox walked to the village and ate some honey. ");
BENCHMARK_CAPTURE(Encode, one_letter, "a");
BENCHMARK_CAPTURE(Encode, spaces, " ");
BENCHMARK_CAPTURE(Encode, emoji, "\xf0\x9f\xa6\x8a");

}  // namespace
}  // namespace tandem

BENCHMARK_MAIN();
