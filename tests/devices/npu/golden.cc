// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/golden.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "formats/json_file.h"

namespace tandem::npu::test {

std::vector<Entry> LoadEntries(const std::string& file) {
  std::ifstream in("data/npu/" + file);
  std::vector<Entry> entries;
  for (std::string line; std::getline(in, line);) {
    Entry entry;
    entry.json = ParseJson(line, file);
    entry.id = entry.json->at("id").get<std::string>();
    entry.kind = entry.json->value("kind", "");
    if (const auto defects = entry.json->find("compiler_defect"); defects != entry.json->end()) {
      for (const auto& defect : *defects) entry.defects.insert(defect.get<std::string>());
    }
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) throw std::runtime_error("no golden data in " + file);
  return entries;
}

std::vector<Entry> LoadStreams() {
  std::vector<Entry> entries = LoadEntries("streams-npu1.jsonl");
  std::vector<Entry> more = LoadEntries("streams-npu2.jsonl");
  std::move(more.begin(), more.end(), std::back_inserter(entries));
  return entries;
}

std::vector<uint32_t> ParseWords(const std::string& hex) {
  std::istringstream in(hex);
  std::vector<uint32_t> words;
  in >> std::hex;
  for (uint32_t word = 0; in >> word;) words.push_back(word);
  return words;
}

std::vector<uint32_t> WordsOf(const Entry& entry, const char* key) {
  return ParseWords(entry.json->at(key).get_ref<const std::string&>());
}

bool Has(const Entry& entry, const char* key) { return entry.json->contains(key); }

Stream ReadWords(std::span<const uint32_t> words) {
  return ReadStream(std::as_bytes(words), "golden").stream;
}

std::string FirstDifference(std::span<const uint32_t> got, std::span<const uint32_t> want) {
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    if (got[i] != want[i]) return fmt::format("word {}: {:08X}, not {:08X}", i, got[i], want[i]);
  }
  if (got.size() == want.size()) return {};
  return fmt::format("{} words, not {}", got.size(), want.size());
}

}  // namespace tandem::npu::test
