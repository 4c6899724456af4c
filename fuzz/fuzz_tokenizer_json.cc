// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tokenizer.json: an accepted vocabulary makes a tokenizer that works.
#include "check_vocab.h"
#include "fuzz.h"
#include "tokenizer/vocab_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  Refuses([&] {
    CheckVocab(ParseTokenizerJson(Bytes(data, size), "tokenizer.json"), Text(data, size));
  });
  return 0;
}
