// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the tests of the engine: models, random tokens, bitwise comparison, errors.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "tandem/engine.h"

namespace tandem {

using Floats = std::vector<float>;
using Ids = std::vector<int32_t>;

/// A model of random weights without a tokenizer, "base" or "mha": 512 ids, window 16, context 512.
/// Its weights are BF16, so keys and values are float.
inline std::shared_ptr<const Model> RandomModel(const std::string& name) {
  static std::map<std::string, std::shared_ptr<const Model>> models;
  auto& model = models[name];
  if (!model) model = Model::Load("data/random/" + name);
  return model;
}

/// The built-in model: 4096 rows, window 64, Q8_0, tokenizer and chat format.
inline std::shared_ptr<const Model> Fable() {
  static const auto model = Model::LoadEmbedded();
  return model;
}

inline EngineOptions Options(int64_t chunk, int threads = 1, KvType kv = KvType::kAuto) {
  EngineOptions options;
  options.chunk = chunk;
  options.threads = threads;
  options.kv = kv;
  return options;
}

/// Ids below `below`, the same for a seed on every machine.
inline Ids RandomIds(size_t count, uint64_t seed, uint64_t below = 512) {
  std::mt19937_64 random(seed);
  Ids ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(random() % below));
  return ids;
}

/// Cuts [0, size) at random places into parts of 1 to `longest`; returns their lengths.
inline std::vector<size_t> RandomParts(size_t size, size_t longest, std::mt19937_64& random) {
  std::vector<size_t> parts;
  while (size > 0) {
    parts.push_back(std::min<size_t>(size, 1 + random() % longest));
    size -= parts.back();
  }
  return parts;
}

inline Floats Copy(std::span<const float> values) { return Floats(values.begin(), values.end()); }

inline Floats Append(Session& session, std::span<const int32_t> ids) {
  return Copy(session.Append(ids));
}

/// Appends `ids` in calls of the lengths `parts` and returns the last logits.
inline Floats AppendParts(Session& session, std::span<const int32_t> ids,
                          std::span<const size_t> parts) {
  Floats logits;
  for (const size_t length : parts) {
    logits = Append(session, ids.first(length));
    ids = ids.subspan(length);
  }
  return logits;
}

/// The last logits of `ids` in a session of its own.
inline Floats Fresh(Engine& engine, std::span<const int32_t> ids) {
  return Append(*engine.NewSession(), ids);
}

/// Logits after each of `ids`, which AppendScored must hand out in order.
inline std::vector<Floats> Scored(Session& session, std::span<const int32_t> ids) {
  std::vector<Floats> rows;
  session.AppendScored(ids, [&](size_t index, std::span<const float> logits) {
    EXPECT_EQ(index, rows.size());
    rows.push_back(Copy(logits));
  });
  return rows;
}

/// Equal bit for bit, and finite.
inline testing::AssertionResult SameBits(const Floats& a, const Floats& b) {
  if (a.size() != b.size()) {
    return testing::AssertionFailure() << a.size() << " values against " << b.size();
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0 || !(a[i] - a[i] == 0)) {
      return testing::AssertionFailure() << "value " << i << ": " << a[i] << " against " << b[i];
    }
  }
  return testing::AssertionSuccess();
}

/// Runs `action`, which must throw tandem::Error, and returns the error.
template <typename Action>
Error Caught(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorKind::kInternal, "no error was thrown");
}

}  // namespace tandem
