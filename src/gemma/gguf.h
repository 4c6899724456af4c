// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of GGUF's keys that all models of the family have, as they exist in the wild (files of
// different ages, and Ollama's).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "gemma/params.h"
#include "gemma/weights.h"

namespace tandem::gemma {

/// The keys of one file under its architecture's prefix. Borrows the file.
class GgufKeys {
 public:
  /// Throws Error kUnsupported when the file is of another architecture.
  GgufKeys(const GgufFile& file, const Family& family);

  const GgufMetadata& metadata() const { return file_.metadata(); }
  const GgufFile& file() const { return file_; }
  const Family& family() const { return family_; }

  /// "gemma3n." + name.
  std::string Key(const char* name) const;
  bool Has(const char* name) const { return metadata().Has(Key(name)); }
  int64_t Int(const char* name) const { return metadata().GetInt(Key(name)); }
  int64_t Int(const char* name, int64_t otherwise) const;
  /// Int, in the range [0, INT32_MAX].
  int Narrow(const char* name) const { return ToInt(name, Int(name)); }
  int Narrow(const char* name, int64_t otherwise) const {
    return ToInt(name, Int(name, otherwise));
  }
  float Float(const char* name, float otherwise) const;
  /// Throws Error kNotFound.
  const GgufTensor& Tensor(const char* name) const;
  [[noreturn]] void WrongCount(const std::string& key, size_t count, int layers) const;

 private:
  int ToInt(const char* name, int64_t value) const;

  const GgufFile& file_;
  const Family& family_;
};

/// Reads everything in StackParams; `params` holds the defaults. Not validated.
void ReadStack(const GgufKeys& keys, StackParams& params);

/// Declares the keys of StackParams.
void WriteStack(const StackParams& params, const Family& family, GgufWriter& writer);

/// Finds tensors of `file`, which must outlive the result.
TensorLookup GgufLookup(const GgufFile& file);

}  // namespace tandem::gemma
