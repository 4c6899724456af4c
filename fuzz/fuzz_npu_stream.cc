// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Instruction streams of the NPU: what is read is written as something that reads the same, and can
// be said in words. As it comes, and behind a header that fits.
#include <cstring>
#include <vector>

#include "devices/npu/stream/disassembly.h"
#include "devices/npu/stream/stream.h"
#include "fuzz.h"

namespace tandem::fuzz {
namespace {

void CheckStream(std::span<const std::byte> bytes) {
  const npu::ReadResult read = npu::ReadStream(bytes, "fuzz.bin");
  Check(read.offsets.size() == read.stream.ops.size(), "every operation has its place");
  const std::vector<uint32_t> words = npu::WriteStream(read.stream);
  Check(4 * words.size() == bytes.size(), "a stream keeps its size");
  const auto again = std::as_bytes(std::span(words));
  Check(npu::ReadStream(again, "again.bin").stream == read.stream,
        "what is written reads the same");
  for (const npu::StreamOp& op : read.stream.ops) {
    CheckLine(npu::TextOf(npu::Disassemble(read.stream.device, op)));
  }
}

}  // namespace
}  // namespace tandem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  Refuses([&] { CheckStream(Bytes(data, size)); });
  // Edits keep size and count wrong: the same operations with a right size, and the count that the
  // reader wants, which it says by accepting one.
  if (size < 20 || size % 4 != 0) return 0;
  std::vector<uint32_t> words(size / 4);
  std::memcpy(words.data(), data, size);
  words[0] = words[0] % 2 == 0 ? 0x06030100 : 0x06040001;
  words[1] = 0x104;
  words[3] = static_cast<uint32_t>(size);
  words[2] %= 32;
  Refuses([&] { CheckStream(std::as_bytes(std::span(words))); });
  return 0;
}
