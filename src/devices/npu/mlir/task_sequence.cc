// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/mlir/task_sequence.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <utility>
#include <variant>

#include "core/error.h"

namespace tandem::npu {
namespace {

class Converter {
 public:
  explicit Converter(const Sequence& sequence) : sequence_(sequence) {}

  Sequence Run() {
    Sequence tasks = sequence_;
    tasks.steps.clear();
    for (const SequenceStep& step : sequence_.steps) {
      if (const auto* copy = std::get_if<CopyStep>(&step)) {
        Copy(*copy);
      } else if (const auto* wait = std::get_if<WaitStep>(&step)) {
        Wait(*wait);
      } else if (std::holds_alternative<ConfigureStep>(step) ||
                 std::holds_alternative<StartStep>(step) ||
                 std::holds_alternative<FinishStep>(step)) {
        steps_.push_back(step);
      } else {
        throw Error(ErrorKind::kUnsupported,
                    "a runtime sequence as tasks is made of copies, waits and tasks alone");
      }
    }
    tasks.steps = std::move(steps_);
    return tasks;
  }

 private:
  struct Open {
    std::string name;
    Channel channel;
    int bd = 0;
    bool token = false;
  };

  static bool Same(const Channel& a, const Channel& b) {
    return a.tile == b.tile && a.direction == b.direction && a.channel == b.channel;
  }

  void Copy(const CopyStep& copy) {
    const int bd = copy.transfer.bd.value_or(0);
    // Its BD is written again: whoever had it is done, says the sequence, though nobody waited.
    open_.remove_if([&](const Open& open) {
      if (open.channel.tile != copy.channel.tile || open.bd != bd) return false;
      steps_.emplace_back(FinishStep{open.name, /*wait=*/false});
      return true;
    });
    ConfigureStep configure;
    configure.task = fmt::format("t{}", count_++);
    configure.channel = copy.channel;
    configure.token = copy.token || copy.channel.direction == Direction::kS2mm;
    Transfer transfer = copy.transfer;
    // A task repeats by its own count. An outermost dimension with a stride is its BD's iteration.
    if (transfer.sizes.size() == 4) {
      configure.repeat = static_cast<int>(transfer.sizes[0] - 1);
      if (transfer.strides[0] == 0) {
        transfer.sizes.erase(transfer.sizes.begin());
        transfer.strides.erase(transfer.strides.begin());
      }
    }
    configure.transfers.push_back(std::move(transfer));
    open_.push_back({configure.task, copy.channel, bd, configure.token});
    steps_.emplace_back(configure);
    steps_.emplace_back(StartStep{configure.task});
  }

  void Wait(const WaitStep& wait) {
    const auto open = std::find_if(open_.begin(), open_.end(), [&](const Open& one) {
      return one.token && Same(one.channel, wait.channel);
    });
    if (open == open_.end()) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("a wait for {}, which nothing answers", ChannelText(wait.channel)));
    }
    steps_.emplace_back(FinishStep{open->name, /*wait=*/true});
    open_.erase(open);
  }

  const Sequence& sequence_;
  std::vector<SequenceStep> steps_;
  std::list<Open> open_;  ///< Tasks whose BD is in use, oldest first.
  int count_ = 0;
};

}  // namespace

Sequence AsTasks(const Sequence& sequence) { return Converter(sequence).Run(); }

}  // namespace tandem::npu
