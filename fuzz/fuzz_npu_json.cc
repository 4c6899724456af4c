// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Sequences and designs of the NPU as JSON, and core programs: whatever is accepted has words that
// the stream reader takes.
#include <vector>

#include "devices/npu/design/core_program.h"
#include "devices/npu/design/design.h"
#include "devices/npu/design/sequence.h"
#include "devices/npu/stream/stream.h"
#include "formats/json_file.h"
#include "fuzz.h"

namespace tandem::fuzz {
namespace {

void CheckWords(const npu::Stream& stream) {
  const std::vector<uint32_t> words = npu::WriteStream(stream);
  Check(npu::ReadStream(std::as_bytes(std::span(words)), "words").stream == stream,
        "words say what the stream says");
}

}  // namespace
}  // namespace tandem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  Refuses([&] {
    for (const npu::ProgramSegment& segment : npu::ReadCoreProgram(Bytes(data, size), "fuzz.elf")) {
      Check(segment.offset + 4 * segment.words.size() <= 0x24000, "a segment lies in the tile");
    }
  });
  Refuses([&] {
    const JsonDocument json = ParseJson(Text(data, size), "fuzz.json");
    Refuses([&] { CheckWords(npu::EncodeSequence(npu::ReadSequence(json, "fuzz.json"))); });
    Refuses([&] {
      CheckWords(npu::EncodeConfiguration(npu::ReadDesign(json, "fuzz.json"),
                                          [](const std::string&) -> std::vector<std::byte> {
                                            throw Error(ErrorKind::kNotFound, "no programs here");
                                          }));
    });
  });
  return 0;
}
