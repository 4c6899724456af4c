// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Safetensors files: of an accepted one, every tensor lies inside the file, has the size of its
// shape and overlaps no other.
#include <algorithm>
#include <vector>

#include "formats/safetensors.h"
#include "fuzz.h"

namespace tandem::fuzz {
namespace {

void CheckContent(std::span<const std::byte> bytes, const SafetensorsContent& content) {
  std::vector<std::span<const std::byte>> places;
  for (const SafetensorsTensor& tensor : content.tensors) {
    for (const int64_t n : tensor.shape) Check(n >= 0, "a dimension is not negative");
    if (tensor.data.empty()) continue;
    Check(tensor.data.data() >= bytes.data() + 8 &&
              tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size(),
          "a tensor lies inside the file");
    uint64_t elements = 1;
    for (const int64_t n : tensor.shape) elements *= static_cast<uint64_t>(n);
    Check(elements <= tensor.data.size() * 8, "a tensor holds its elements");
    places.push_back(tensor.data);
  }
  std::sort(places.begin(), places.end(),
            [](const auto& a, const auto& b) { return a.data() < b.data(); });
  for (size_t i = 1; i < places.size(); ++i) {
    Check(places[i - 1].data() + places[i - 1].size() <= places[i].data(),
          "no two tensors overlap");
  }
}

}  // namespace
}  // namespace tandem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  const auto bytes = Bytes(data, size);
  Refuses([&] { CheckContent(bytes, ParseSafetensors(bytes, "fuzz.safetensors")); });
  // Random edits keep the length field in front wrong: the same bytes as a header alone.
  std::string framed(8, '\0');
  for (size_t i = 0; i < 8; ++i) framed[i] = static_cast<char>(uint64_t{size} >> (8 * i));
  framed.append(Text(data, size)).append(64, '\0');
  const std::vector<char> exact(framed.begin(), framed.end());
  const auto whole = std::as_bytes(std::span(exact));
  Refuses([&] { CheckContent(whole, ParseSafetensors(whole, "fuzz.safetensors")); });
  return 0;
}
