// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Words that the real MLIR-AIE compiler wrote (tests/data/npu/README.md), and what they were made
// of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/json_document.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu::test {

/// One line of a file of entries.
struct Entry {
  std::string id;
  std::string kind;
  JsonDocument json;
  std::set<std::string> defects;  ///< What the compiler got wrong in it.
};
std::vector<Entry> LoadEntries(const std::string& file);
/// The entries of both generations.
std::vector<Entry> LoadStreams();

/// "6040100 108 ...".
std::vector<uint32_t> ParseWords(const std::string& hex);
/// The words under `key`.
std::vector<uint32_t> WordsOf(const Entry& entry, const char* key = "words");
bool Has(const Entry& entry, const char* key);

Stream ReadWords(std::span<const uint32_t> words);
/// "word 12: 00000001, not 00000002" or empty.
std::string FirstDifference(std::span<const uint32_t> got, std::span<const uint32_t> want);

}  // namespace tandem::npu::test
