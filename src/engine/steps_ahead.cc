// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/steps_ahead.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace tandem {

const Drawn& StepsAhead::Add(int32_t id, int64_t more) {
  session_.CheckRoom({&id, 1});
  if (steps_.empty() || last_.token != id) {
    GiveUp();
    Submit(id, false);
  }
  session_.tokens.push_back(id);
  // The last token of a reply is not run.
  const int64_t most =
      std::min({most_, 1 + sure_, static_cast<int64_t>(session_.engine->decode->StepsAhead()), more,
                session_.kv.shape().context - static_cast<int64_t>(session_.tokens.size()) + 1});
  while (static_cast<int64_t>(steps_.size()) < most) Submit(0, true);
  try {
    WaitForFirst(id);
  } catch (...) {
    session_.tokens.pop_back();
    GiveUp();
    throw;
  }
  last_ = std::move(steps_.front()->drawn);
  steps_.pop_front();
  sure_ = last_.whole ? std::min<int64_t>(sure_ + 1, kMostSure) : 0;
  return last_;
}

void StepsAhead::WaitForFirst(int32_t id) {
  try {
    steps_.front()->done->Wait();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kResource || !steps_.front()->request.follows) throw;
    // No memory for one more on its way: then one after the other.
    most_ = 1;
    session_.tokens.pop_back();
    GiveUp();
    Submit(id, false);
    session_.tokens.push_back(id);
    steps_.front()->done->Wait();
  }
}

// Nothing waits for the device here: it does so itself before it begins something else.
void StepsAhead::GiveUp() {
  steps_.clear();
  session_.Rewind(static_cast<int64_t>(session_.tokens.size()));
}

void StepsAhead::Submit(int32_t id, bool follows) {
  KvStore& kv = session_.kv;
  auto step = std::make_unique<Step>();
  step->request = {params_(steps_.size()), session_.engine->banned, follows, &step->drawn};
  const StepRow row{id, static_cast<int32_t>(kv.end()), 0, true};
  kv.BeginStep(1);
  step->done =
      std::make_unique<Fence>(session_.engine->decode->Start(session_.views(), row, step->request));
  kv.EndStep(1);
  steps_.push_back(std::move(step));
}

}  // namespace tandem
