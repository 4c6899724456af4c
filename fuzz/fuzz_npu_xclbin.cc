// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Configurations of the NPU: containers, the emulated NPU's images in them, and CDOs, also by
// themselves and behind a header that fits. What is read is written as something that reads the
// same.
#include <cstring>
#include <vector>

#include "devices/npu/cdo/cdo.h"
#include "devices/npu/emulator/core_run.h"
#include "devices/npu/xclbin/emulated_pdi.h"
#include "devices/npu/xclbin/xclbin.h"
#include "fuzz.h"

namespace tandem::fuzz {
namespace {

void CheckCdo(std::span<const std::byte> bytes) {
  const std::vector<npu::StreamOp> ops = npu::DecodeCdo(bytes, "fuzz.cdo");
  const std::vector<uint32_t> words = npu::EncodeCdo(ops);
  Check(npu::DecodeCdo(std::as_bytes(std::span(words)), "again.cdo") == ops,
        "what is written reads the same");
}

void CheckPdi(std::span<const std::byte> bytes) {
  const npu::EmulatedPdi pdi = npu::ReadEmulatedPdi(bytes, "fuzz.pdi");
  for (const npu::Core& core : pdi.programs.cores) {
    Refuses([&] { npu::CompileCore(pdi.programs, core); });
  }
}

void CheckXclbin(std::span<const std::byte> bytes) {
  const npu::Xclbin xclbin = npu::ReadXclbin(bytes, "fuzz.xclbin");
  Check(!xclbin.pdi.empty() && xclbin.pdi.size() <= bytes.size(), "the image is the file's");
  Refuses([&] { CheckPdi(xclbin.pdi); });
  Refuses([&] {
    const npu::Xclbin again = npu::ReadXclbin(npu::WriteXclbin(xclbin), "again.xclbin");
    Check(again.pdi == xclbin.pdi && again.kernel == xclbin.kernel &&
              again.buffers == xclbin.buffers && again.columns == xclbin.columns,
          "what is written reads the same");
  });
}

/// CDOs whose length and checksum are right: edits break them.
std::vector<uint32_t> Mended(std::span<const std::byte> bytes) {
  std::vector<uint32_t> words(bytes.size() / 4);
  std::memcpy(words.data(), bytes.data(), 4 * words.size());
  words[0] = 4;
  words[1] = 0x004F4443;
  words[2] = 0x200;
  words[3] = static_cast<uint32_t>(words.size() - 5);
  words[4] = ~(words[0] + words[1] + words[2] + words[3]);
  return words;
}

}  // namespace
}  // namespace tandem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::fuzz;
  const std::span<const std::byte> bytes = Bytes(data, size);
  Refuses([&] { CheckXclbin(bytes); });
  Refuses([&] { CheckPdi(bytes); });
  Refuses([&] { CheckCdo(bytes); });
  if (size >= 24) {
    const std::vector<uint32_t> words = Mended(bytes);
    Refuses([&] { CheckCdo(std::as_bytes(std::span(words))); });
  }
  return 0;
}
