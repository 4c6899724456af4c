// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/emulator/emulator.h"

#include <fmt/format.h>

#include <thread>

#include "core/error.h"

namespace tandem::npu {
namespace {

/// Arguments that the firmware translates; streams translate the others themselves.
constexpr uint32_t kTranslatedArguments = 5;
/// Rounds of work for one wait: some gigabytes through each channel.
constexpr int64_t kMostRoundsOfWait = 1 << 25;
/// Looking at the clock takes as long as a round of an idle array.
constexpr int64_t kRoundsPerLook = 64;

}  // namespace

std::string Stall::Text() const {
  std::string text = fmt::format("operation {} waits for {}", op, waits_for);
  for (const std::string& line : waiting) text += "\n" + line;
  return text;
}

class Interpreter {
 public:
  Interpreter(Emulator& emulator, std::span<const uint64_t> arguments)
      : emulator_(emulator), array_(emulator.array_), arguments_(arguments) {}

  /// What an operation waits for; empty when it is done.
  std::string operator()(const WriteOp& op) {
    array_.Write(op.address, op.value);
    return {};
  }
  std::string operator()(const BlockWriteOp& op) {
    for (size_t i = 0; i < op.data.size(); ++i) {
      array_.Write(op.address + 4 * static_cast<uint32_t>(i), op.data[i]);
    }
    return {};
  }
  std::string operator()(const MaskWriteOp& op) {
    const uint32_t old = array_.Read(op.address);
    array_.Write(op.address, (old & ~op.mask) | (op.value & op.mask));
    return {};
  }
  std::string operator()(const MaskPollOp& op) {
    const auto holds = [&] { return (array_.Read(op.address) & op.mask) == op.value; };
    if (WorkUntil(holds)) return {};
    return fmt::format("0x{:08X} & 0x{:08X} to be 0x{:08X}", op.address, op.mask, op.value);
  }
  std::string operator()(const NoopOp&) { return {}; }
  std::string operator()(const PreemptOp&) { return {}; }
  std::string operator()(const RecordTimerOp&) { return {}; }
  std::string operator()(const LoadPdiOp&) { Unsupported("LOADPDI"); }
  std::string operator()(const CreateScratchpadOp&) { Unsupported("CREATE_SCRATCHPAD"); }
  std::string operator()(const UpdateFromScratchpadOp&) { Unsupported("UPDATE_REG"); }
  std::string operator()(const ReadRegistersOp& op) {
    for (const uint32_t address : op.addresses) array_.Read(address);
    return {};
  }

  std::string operator()(const AddressPatchOp& op) {
    if (op.argument >= arguments_.size()) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("kernel argument {}: there are {}", op.argument, arguments_.size()));
    }
    const Tile tile = TileOfAddress(op.address);
    const auto reg =
        Contains(array_.device(), tile)
            ? FindRegister(array_.device().generation, KindOf(tile), OffsetOfAddress(op.address))
            : std::nullopt;
    if (!reg || KindOf(tile) != TileKind::kShim || reg->cls != RegisterClass::kDescriptor ||
        reg->sub != 1) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("0x{:08X} is not the address in a shim's BD", op.address));
    }
    const uint64_t aperture = op.argument < kTranslatedArguments ? HostMemory::kAperture : 0;
    const uint64_t address = arguments_[op.argument] + op.offset + aperture;
    const uint32_t high = array_.Read(op.address + 4);
    array_.Write(op.address, static_cast<uint32_t>(address));
    array_.Write(op.address + 4,
                 (high & 0xFFFF0000U) | (static_cast<uint32_t>(address >> 32) & 0xFFFF));
    return {};
  }

  std::string operator()(const SyncOp& op) {
    std::vector<Tile> tiles;
    for (int column = op.column; column < op.column + op.columns; ++column) {
      for (int row = op.row; row < op.row + op.rows; ++row) {
        const Tile tile{column, row};
        if (!Contains(array_.device(), tile) || op.channel >= ResourcesOf(KindOf(tile)).channels) {
          throw Error(ErrorKind::kInvalidArgument,
                      fmt::format("a token of channel {} of tile ({},{}), which is not there",
                                  op.channel, column, row));
        }
        tiles.push_back(tile);
      }
    }
    for (const Tile tile : tiles) {
      int& tokens = array_.Tokens(tile, op.direction, op.channel);
      if (emulator_.struck_ && emulator_.fault_ == Fault::kFalseToken) {
        emulator_.fault_ = Fault::kNone;
        continue;
      }
      if (emulator_.struck_ && emulator_.fault_ == Fault::kLostToken) {
        if (WorkUntil([&] { return tokens > 0; })) --tokens;
        emulator_.fault_ = Fault::kNone;
      }
      if (!WorkUntil([&] { return tokens > 0; })) {
        return fmt::format("a token of {} {} {}", TileText(tile), DirectionName(op.direction),
                           op.channel);
      }
      --tokens;
    }
    return {};
  }

  std::string operator()(const MergeSyncOp& op) {
    for (int left = op.tokens; left > 0; --left) {
      int* found = nullptr;
      const auto any = [&] {
        for (int column = 0; column < op.columns && found == nullptr; ++column) {
          for (const Direction direction : {Direction::kS2mm, Direction::kMm2s}) {
            for (int channel = 0; channel < 2; ++channel) {
              int& tokens = array_.Tokens({column, 0}, direction, channel);
              if (tokens > 0) found = &tokens;
            }
          }
        }
        return found != nullptr;
      };
      if (!WorkUntil(any)) return fmt::format("{} more tokens", left);
      --*found;
    }
    return {};
  }

 private:
  [[noreturn]] static void Unsupported(std::string_view what) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{} is not emulated", what));
  }

  /// Whether `holds` comes true before nothing moves any more.
  template <typename Condition>
  bool WorkUntil(const Condition& holds) {
    for (int64_t round = 0; !holds(); ++round) {
      if (round == kMostRoundsOfWait || !emulator_.Step()) return false;
      if (round % kRoundsPerLook == 0 && emulator_.Look()) return false;
    }
    return true;
  }

  Emulator& emulator_;
  Array& array_;
  std::span<const uint64_t> arguments_;
};

Emulator::Emulator(const Device& device) : array_(device, &host_) {}

bool Emulator::Look() const {
  if (watch_) watch_(array_.host_bytes() - bytes_before_);
  return TimeIsOver();
}

bool Emulator::Step() {
  if (!struck_) return array_.Step();
  if (fault_ == Fault::kHang) return false;
  if (fault_ == Fault::kSpin) {
    // Without a limit nobody would ever know.
    if (!deadline_) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return true;
  }
  return array_.Step();
}

std::optional<Stall> Emulator::Run(const Stream& stream, std::span<const uint64_t> arguments,
                                   AtEnd at_end) {
  if (stream.device.generation != array_.device().generation ||
      stream.device.columns > array_.device().columns) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a stream for {} on {}", DeviceName(stream.device),
                            DeviceName(array_.device())));
  }
  bytes_before_ = array_.host_bytes();
  deadline_.reset();
  if (timeout_) deadline_ = std::chrono::steady_clock::now() + *timeout_;
  Interpreter interpreter(*this, arguments);
  for (size_t i = 0; i < stream.ops.size(); ++i) {
    std::string waits_for;
    struck_ = struck_ || (fault_ != Fault::kNone && i >= fault_op_);
    try {
      if (struck_ && fault_ == Fault::kVanish) {
        throw Error(ErrorKind::kDeviceLost, "the device is gone");
      }
      waits_for = std::visit(interpreter, stream.ops[i]);
    } catch (const Error& error) {
      throw Error(error.kind(),
                  fmt::format("operation {} ({}): {}", i, OpName(stream.ops[i]), error.message()));
    }
    if (!waits_for.empty()) return Stall{i, waits_for, array_.Waiting(), TimeIsOver()};
  }
  if (at_end == AtEnd::kSettle) Settle();
  Look();
  if (fault_ == Fault::kWrongData && !arguments.empty()) {
    const HostMemory::Place place =
        host_.At(arguments.back() + HostMemory::kAperture, /*with_writer=*/false);
    if (place.word != nullptr) *place.word ^= 1;
    fault_ = Fault::kNone;
  }
  return std::nullopt;
}

void Emulator::Load(const Design& design, const ProgramLoader& load_program) {
  Load(EncodeConfiguration(design, load_program), design);
}

void Emulator::Load(const Stream& configuration, const Design& programs) {
  for (const Core& core : programs.cores) {
    if (core.program.empty()) continue;
    array_.SetProgram(core.tile, CompileCore(programs, core));
  }
  Run(configuration, {}, AtEnd::kStop);
}

void Emulator::Settle() {
  for (int64_t round = 0; round < kMostRounds && Step(); ++round) {
    if (round % kRoundsPerLook == 0 && Look()) return;
  }
}

}  // namespace tandem::npu
