// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/model_test.h"

#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "formats/safetensors.h"
#include "tandem/engine.h"

namespace tandem::test {
namespace {

void CheckFileError(const Error& error, const std::filesystem::path& file) {
  EXPECT_NE(error.kind(), ErrorKind::kInternal) << error.message();
  EXPECT_NE(error.message().find(file.string()), std::string::npos)
      << "does not name " << file << ": " << error.message();
  for (const std::string& line : {error.message(), error.hint()}) {
    EXPECT_EQ(std::count_if(line.begin(), line.end(), [](unsigned char c) { return c < 32; }), 0)
        << line;
    EXPECT_LT(line.size(), 1000u);
  }
}

std::optional<Error> ErrorOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "tandem-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> TemporaryFolder::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<float> Logits(const std::shared_ptr<const Model>& model, std::span<const int32_t> ids) {
  EngineOptions options;
  options.threads = 1;
  options.kv = KvType::kF32;
  Engine engine(model, options);
  const auto session = engine.NewSession();
  std::vector<float> logits;
  session->AppendScored(ids, [&](size_t, std::span<const float> row) {
    logits.insert(logits.end(), row.begin(), row.end());
  });
  return logits;
}

std::vector<float> Logits(const std::filesystem::path& model, std::span<const int32_t> ids) {
  return Logits(Model::Load(model), ids);
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && !a.empty() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

float LargestDifference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return std::numeric_limits<float>::infinity();
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const float difference = std::fabs(a[i] - b[i]);
    if (!std::isfinite(difference)) return std::numeric_limits<float>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

std::vector<int32_t> GoldenIds(const std::filesystem::path& golden) {
  const SafetensorsSet set = SafetensorsSet::Open(golden);
  const auto data = set.Get("ids").data;
  std::vector<int64_t> wide(data.size() / sizeof(int64_t));
  std::memcpy(wide.data(), data.data(), data.size());
  return {wide.begin(), wide.end()};
}

std::vector<float> GoldenLogits(const std::filesystem::path& golden) {
  const SafetensorsSet set = SafetensorsSet::Open(golden);
  const auto data = set.Get("logits_f64_as_f32").data;
  std::vector<float> logits(data.size() / sizeof(float));
  std::memcpy(logits.data(), data.data(), data.size());
  return logits;
}

Error FileError(const std::filesystem::path& file, const std::function<void()>& action) {
  const auto error = ErrorOf(action);
  if (!error) {
    ADD_FAILURE() << "no error was thrown";
    return Error(ErrorKind::kInternal, "no error was thrown");
  }
  CheckFileError(*error, file);
  return *error;
}

bool FailsCleanlyIfAtAll(const std::filesystem::path& file, const std::function<void()>& action) {
  const auto error = ErrorOf(action);
  if (error) CheckFileError(*error, file);
  return error.has_value();
}

}  // namespace tandem::test
