// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// For tests: folders of their own, logits of a model, and what every error about a file must be.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "tandem/model.h"

namespace tandem::test {

/// A new empty folder for the life of the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  /// Names of all that lies in it, sorted.
  std::vector<std::string> Names() const;

 private:
  std::filesystem::path path_;
};

/// Logits after each of `ids`, [ids, vocab_rows], with float keys and values on one thread.
std::vector<float> Logits(const std::shared_ptr<const Model>& model, std::span<const int32_t> ids);
std::vector<float> Logits(const std::filesystem::path& model, std::span<const int32_t> ids);

/// Whether both hold the same bits.
bool SameBits(std::span<const float> a, std::span<const float> b);
/// Greatest difference; infinite when the sizes differ or a value is not finite.
float LargestDifference(std::span<const float> a, std::span<const float> b);

std::vector<int32_t> GoldenIds(const std::filesystem::path& golden);
std::vector<float> GoldenLogits(const std::filesystem::path& golden);

/// Runs `action`, which must throw tandem::Error, and checks what holds of every error about a
/// file: not our own fault, one printable line that names `file`. Returns the error.
Error FileError(const std::filesystem::path& file, const std::function<void()>& action);
/// The same, with nothing thrown allowed too. Returns whether there was an error.
bool FailsCleanlyIfAtAll(const std::filesystem::path& file, const std::function<void()>& action);

}  // namespace tandem::test
