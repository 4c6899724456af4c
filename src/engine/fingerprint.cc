// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/fingerprint.h"

#include "core/hash.h"

namespace tandem {
namespace {

void AddGguf(const GgufFile& file, StreamHash& hash) {
  hash.AddNumber(file.file_bytes());
  for (const GgufValue& value : file.metadata().values()) {
    hash.AddText(value.key);
    hash.AddNumber(static_cast<uint64_t>(value.type));
    hash.AddNumber(value.count);
    hash.Add(value.raw);
  }
  for (const GgufTensor& tensor : file.tensors()) {
    hash.AddText(tensor.name);
    hash.AddNumber(tensor.type_number);
    for (const int64_t n : tensor.ne) hash.AddNumber(static_cast<uint64_t>(n));
    hash.AddNumber(tensor.part);
    hash.AddNumber(tensor.offset);
  }
}

void AddFolder(const ModelSource& source, StreamHash& hash) {
  hash.AddText(source.config->dump());
  for (const SafetensorsTensor& tensor : source.safetensors->tensors()) {
    hash.AddText(tensor.name);
    hash.AddText(tensor.dtype);
    for (const int64_t n : tensor.shape) hash.AddNumber(static_cast<uint64_t>(n));
    hash.AddNumber(tensor.data.size());
  }
}

}  // namespace

Fingerprint ModelFingerprint(const ModelData& data) {
  StreamHash hash;
  const ModelSource& files = data.files();
  if (files.gguf) {
    AddGguf(*files.gguf, hash);
  } else {
    AddFolder(files, hash);
  }
  if (data.whole != nullptr) {
    for (const int64_t number : data.text->Layout()) {
      hash.AddNumber(static_cast<uint64_t>(number));
    }
  }
  return hash.Value();
}

}  // namespace tandem
