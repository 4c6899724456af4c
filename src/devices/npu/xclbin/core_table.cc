// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/xclbin/core_table.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <variant>

#include "core/error.h"

namespace tandem::npu {
namespace {

enum : uint32_t {
  kAcquire = 1,
  kRelease,
  kCall,
  kLoop,
  kWhen,
  kRepeat
};
/// Steps within steps: our designs have three.
constexpr int kMostDepth = 16;
constexpr size_t kLongestName = 128;

class Writer {
 public:
  std::vector<uint32_t> words;

  void Write(const Design& design) {
    Put(design.locks.size());
    for (const Lock& lock : design.locks) {
      PutTile(lock.tile);
      Put(lock.id);
    }
    Put(design.buffers.size());
    for (const Buffer& buffer : design.buffers) {
      // Those of the host are no core's.
      PutTile(buffer.tile.value_or(Tile{0, 0}));
      Put(buffer.tile ? buffer.address : 0);
      Put(buffer.tile ? buffer.elements * ElementBytes(buffer.type) : 0);
    }
    Put(design.cores.size());
    for (const Core& core : design.cores) {
      PutTile(core.tile);
      PutSteps(core.program);
    }
  }

  void operator()(const AcquireStep& step) {
    PutAll({kAcquire, step.lock, step.value, step.at_least ? 1 : 0});
  }
  void operator()(const ReleaseStep& step) { PutAll({kRelease, step.lock, step.value}); }
  void operator()(const CallStep& step) {
    Put(kCall);
    PutName(step.kernel);
    Put(step.buffers.size());
    for (const size_t buffer : step.buffers) Put(buffer);
  }
  void operator()(const LoopStep& step) {
    PutAll({kLoop, step.count});
    PutSteps(step.body);
  }
  void operator()(const RepeatStep& step) {
    PutAll({kRepeat, step.buffer, step.word});
    PutSteps(step.body);
  }
  void operator()(const WhenStep& step) {
    PutAll({kWhen, step.buffer, step.word, step.mask});
    PutSteps(step.body);
  }

 private:
  /// A number of any type, as far as a word holds it.
  struct Number {
    template <typename T>
    Number(T number) : value(static_cast<uint64_t>(number)) {}
    uint64_t value;
  };
  void Put(Number number) {
    if (number.value > UINT32_MAX) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("a core program's {} does not fit a word",
                              static_cast<int64_t>(number.value)));
    }
    words.push_back(static_cast<uint32_t>(number.value));
  }
  void PutAll(std::initializer_list<Number> numbers) {
    for (const Number number : numbers) Put(number);
  }
  void PutTile(Tile tile) { PutAll({tile.column, tile.row}); }
  void PutSteps(const std::vector<CoreStep>& steps) {
    Put(steps.size());
    for (const CoreStep& step : steps) std::visit(*this, step.step);
  }
  void PutName(const std::string& name) {
    Put(name.size());
    uint32_t word = 0;
    for (size_t i = 0; i < name.size(); ++i) {
      word |= uint32_t{static_cast<uint8_t>(name[i])} << (8 * (i % 4));
      if (i % 4 == 3 || i + 1 == name.size()) words.push_back(std::exchange(word, 0));
    }
  }
};

class Reader {
 public:
  Reader(const Device& device, std::span<const uint32_t> words, std::string_view name)
      : words_(words), name_(name) {
    design_.device = device;
  }

  Design Run() {
    for (size_t left = Count(3); left > 0; --left) {
      Lock lock;
      lock.tile = TakeTile();
      lock.id = static_cast<int>(Below(ResourcesOf(KindOf(lock.tile)).locks, "lock"));
      design_.locks.push_back(std::move(lock));
    }
    for (size_t left = Count(4); left > 0; --left) {
      Buffer buffer;
      buffer.tile = TakeTile();
      buffer.address = Take();
      buffer.type = ElementType::kI8;
      buffer.elements = Take();
      design_.buffers.push_back(std::move(buffer));
    }
    for (size_t left = Count(3); left > 0; --left) {
      Core core;
      core.tile = TakeTile();
      core.program = TakeSteps(0);
      design_.cores.push_back(std::move(core));
    }
    if (at_ != words_.size()) Fail("goes on behind the last core");
    return std::move(design_);
  }

 private:
  [[noreturn]] void Fail(const std::string& problem) const {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: word {} of the core programs: {}", name_, at_, problem));
  }
  uint32_t Take() {
    if (at_ == words_.size()) Fail("ends too early");
    return words_[at_++];
  }
  /// A number of things of so many words at least.
  size_t Count(size_t words_each) {
    const size_t count = Take();
    if (count > (words_.size() - at_) / words_each) Fail(fmt::format("{} do not fit", count));
    return count;
  }
  uint32_t Below(int64_t end, std::string_view what) {
    const uint32_t value = Take();
    if (value >= end) Fail(fmt::format("there is no {} {}", what, value));
    return value;
  }
  Tile TakeTile() {
    Tile tile;
    tile.column = static_cast<int>(Below(design_.device.columns, "column"));
    tile.row = static_cast<int>(Below(kRows, "row"));
    return tile;
  }
  size_t TakeLock() { return Below(static_cast<int64_t>(design_.locks.size()), "lock"); }
  size_t TakeBuffer() { return Below(static_cast<int64_t>(design_.buffers.size()), "buffer"); }
  std::string TakeName() {
    const size_t size = Take();
    if (size > kLongestName || (size + 3) / 4 > words_.size() - at_) Fail("too long a name");
    std::string name;
    for (size_t i = 0; i < size; ++i) {
      name.push_back(static_cast<char>(words_[at_ + i / 4] >> (8 * (i % 4)) & 0xFF));
    }
    at_ += (size + 3) / 4;
    return name;
  }
  std::vector<CoreStep> TakeSteps(int depth) {
    if (depth == kMostDepth) Fail("steps within steps within steps");
    std::vector<CoreStep> steps;
    for (size_t left = Count(3); left > 0; --left) steps.push_back(TakeStep(depth));
    return steps;
  }
  CoreStep TakeStep(int depth) {
    switch (const uint32_t kind = Take()) {
      case kAcquire: {
        AcquireStep step;
        step.lock = TakeLock();
        step.value = Take();
        step.at_least = Below(2, "way to wait") != 0;
        return {step};
      }
      case kRelease: {
        ReleaseStep step;
        step.lock = TakeLock();
        step.value = Take();
        return {step};
      }
      case kCall: {
        CallStep step;
        step.kernel = TakeName();
        for (size_t left = Count(1); left > 0; --left) step.buffers.push_back(TakeBuffer());
        return {std::move(step)};
      }
      case kLoop: {
        LoopStep step;
        step.count = Take();
        step.body = TakeSteps(depth + 1);
        return {std::move(step)};
      }
      case kRepeat: {
        RepeatStep step;
        step.buffer = TakeBuffer();
        step.word = Take();
        step.body = TakeSteps(depth + 1);
        return {std::move(step)};
      }
      case kWhen: {
        WhenStep step;
        step.buffer = TakeBuffer();
        step.word = Take();
        step.mask = Take();
        step.body = TakeSteps(depth + 1);
        return {std::move(step)};
      }
      default: Fail(fmt::format("there is no step {}", kind));
    }
  }

  std::span<const uint32_t> words_;
  std::string_view name_;
  size_t at_ = 0;
  Design design_;
};

}  // namespace

std::vector<uint32_t> WriteCoreTable(const Design& design) {
  Writer writer;
  writer.Write(design);
  return std::move(writer.words);
}

Design ReadCoreTable(const Device& device, std::span<const uint32_t> words, std::string_view name) {
  return Reader(device, words, name).Run();
}

}  // namespace tandem::npu
