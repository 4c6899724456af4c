// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/shim/context.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "devices/npu/stream/stream.h"
#include "devices/npu/xclbin/emulated_pdi.h"

namespace tandem::npu::shim {
namespace {

/// A kernel's arguments from the third on lie two words each behind opcode, instructions, count.
constexpr size_t kFixedWords = 5;
/// "Run this instruction buffer."
constexpr uint64_t kTransaction = 3;
constexpr size_t kMostInChain = 500;

uint64_t Join(std::span<const uint32_t> words) { return uint64_t{words[1]} << 32 | words[0]; }
uint32_t OpcodeOf(uint32_t head) { return head >> 23 & 0x1F; }
void SetState(uint32_t& head, CommandState state) { head = (head & ~0xFU) | state; }
void Tell(const std::string& text) {
  std::fputs(("tandem-npu-shim: " + text + "\n").c_str(), stderr);
}

std::span<uint32_t> WordsOf(Bo* bo) {
  if (bo == nullptr || bo->type != kBoCommand) return {};
  return {reinterpret_cast<uint32_t*>(bo->bytes.data()), bo->bytes.size() / 4};
}

/// Takes the buffers of a run out of the emulator again.
class Arguments {
 public:
  Arguments(Emulator& emulator, Memory& memory) : emulator_(emulator), memory_(memory) {}
  ~Arguments() {
    for (const auto& [base, added] : known_) emulator_.RemoveBuffer(added);
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  void Add(uint64_t address) {
    // What is not passed has address 0; a stream that uses it is told.
    const Memory::Place place = memory_.At(address);
    if (place.bytes.empty()) {
      addresses.push_back(0);
      return;
    }
    const auto* const base = place.bytes.data();
    for (const auto& [known, added] : known_) {
      if (known == base) {
        addresses.push_back(added + place.offset);
        return;
      }
    }
    known_.emplace_back(base, emulator_.AddBuffer(place.bytes));
    addresses.push_back(known_.back().second + place.offset);
  }

  std::vector<uint64_t> addresses;

 private:
  Emulator& emulator_;
  Memory& memory_;
  std::vector<std::pair<const std::byte*, uint64_t>> known_;
};

}  // namespace

void Context::Configure(std::span<const std::byte> pdi) {
  const EmulatedPdi image = ReadEmulatedPdi(pdi, "the xclbin's device image");
  const Device& device = image.configuration.device;
  if (device.generation != generation_) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("the xclbin is for {}, and this is {}",
                            GenerationName(device.generation), GenerationName(generation_)));
  }
  auto emulator = std::make_unique<Emulator>(device);
  emulator->Load(image.configuration, image.programs);
  emulator_ = std::move(emulator);
}

CommandState Context::RunOne(std::span<const uint32_t> words) {
  const uint32_t head = words[0];
  const size_t masks = 1 + (head >> 10 & 3);
  const size_t count = head >> 12 & 0x7FF;
  if (count > words.size() - 1 || count < masks + kFixedWords) {
    Tell(fmt::format("a command of {} words", count));
    return kStateError;
  }
  if (emulator_ == nullptr || (words[1] & 1) == 0) {
    Tell("a command for a compute unit that was not set up");
    return kStateError;
  }
  const auto registers = words.subspan(1 + masks, count - masks);
  const Memory::Place place = memory_.At(Join(registers.subspan(2)));
  const uint64_t bytes = 4 * uint64_t{registers[4]};
  if (Join(registers) != kTransaction || place.bytes.empty() ||
      bytes > place.bytes.size() - place.offset) {
    Tell(fmt::format("no instructions: opcode {}, {} bytes at 0x{:X}", Join(registers), bytes,
                     Join(registers.subspan(2))));
    return kStateError;
  }
  try {
    const ReadResult read =
        ReadStream(place.bytes.subspan(place.offset, bytes), "instruction buffer");
    Arguments arguments(*emulator_, memory_);
    for (size_t i = kFixedWords; i + 1 < registers.size(); i += 2) {
      arguments.Add(Join(registers.subspan(i)));
    }
    if (const auto stall = emulator_->Run(read.stream, arguments.addresses)) {
      // The firmware's watchdog ends it.
      Tell("the array stopped: " + stall->Text());
      return kStateTimeout;
    }
    return kStateCompleted;
  } catch (const Error& error) {
    Tell(error.message());
    return kStateError;
  }
}

bool Context::Execute(uint32_t handle, const Fault& fault, uint64_t& number) {
  const std::span<uint32_t> words = WordsOf(memory_.Find(handle));
  if (!words.empty() && OpcodeOf(words[0]) == kOpcodeChain) {
    return ExecuteChain(words, fault, number);
  }
  return ExecuteOne(words, fault, number);
}

bool Context::ExecuteOne(std::span<uint32_t> words, const Fault& fault, uint64_t& number) {
  if (words.empty()) return true;  // No buffer of commands: there is no place for a state.
  const uint32_t opcode = OpcodeOf(words[0]);
  ++number;
  CommandState state = kStateError;
  const bool faulty = fault.Meets(number);
  if (faulty && fault.Is(FaultKind::kHang)) return false;
  if (faulty && fault.Is(FaultKind::kTimeout)) {
    state = kStateTimeout;
  } else if (faulty && fault.Is(FaultKind::kAbort)) {
    state = kStateAbort;
  } else if (faulty && fault.Is(FaultKind::kError)) {
    state = kStateError;
  } else if (faulty && fault.Is(FaultKind::kNothing)) {
    state = kStateCompleted;
  } else if (opcode == kOpcodeStartCu) {
    state = RunOne(words);
  } else {
    Tell(fmt::format("command opcode {} is not emulated", opcode));
  }
  SetState(words[0], state);
  return true;
}

bool Context::ExecuteChain(std::span<uint32_t> words, const Fault& fault, uint64_t& number) {
  ChainHead head{};
  std::memcpy(&head, words.data() + 1, sizeof(head));
  constexpr size_t kFirst = 1 + sizeof(head) / 4;
  if (head.count == 0 || head.count > kMostInChain || head.count * 2 > words.size() - kFirst) {
    Tell(fmt::format("a chain of {} commands", head.count));
    SetState(words[0], kStateError);
    return true;
  }
  for (uint32_t i = 0; i < head.count; ++i) {
    const auto handle = static_cast<uint32_t>(Join(words.subspan(kFirst + size_t{i} * 2)));
    const std::span<uint32_t> one = WordsOf(memory_.Find(handle));
    if (!ExecuteOne(one, fault, number)) return false;
    const uint32_t state = one.empty() ? uint32_t{kStateError} : one[0] & 0xF;
    if (state != kStateCompleted) {
      head.error_index = i;
      std::memcpy(words.data() + 1, &head, sizeof(head));
      SetState(words[0], static_cast<CommandState>(state));
      return true;
    }
  }
  SetState(words[0], kStateCompleted);
  return true;
}

}  // namespace tandem::npu::shim
