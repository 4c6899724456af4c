// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs the tokens of a reply on a device that draws the next one itself (devices/draw.h): while the
// host looks at what one step has found, the steps after it are on their way. Where the host draws
// another token than the device did, what is on its way is given up. One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "devices/draw.h"
#include "engine/engine_impl.h"

namespace tandem {

class StepsAhead {
 public:
  /// How the token is drawn that comes `ahead` draws after the next.
  using Params = std::function<DrawParams(size_t ahead)>;

  /// REQUIRES: session.engine->decode->StepsAhead() > 0.
  StepsAhead(Session::Impl& session, Params params)
      : session_(session), params_(std::move(params)) {}
  /// Leaves the tokens added in the session and no others.
  ~StepsAhead() { GiveUp(); }
  StepsAhead(const StepsAhead&) = delete;
  StepsAhead& operator=(const StepsAhead&) = delete;

  /// Adds `id`, to which the reply adds at most `more`, and returns what the device has found after
  /// it, valid until the next call. Throws Error as Session::Append; the session then holds what
  /// has run.
  const Drawn& Add(int32_t id, int64_t more);
  /// Gives up what is on its way.
  void GiveUp();

 private:
  struct Step {
    Drawn drawn;
    DrawRequest request;
    std::unique_ptr<Fence> done;
  };
  void Submit(int32_t id, bool follows);
  /// For the step that runs `id`, again where there was no memory for it beside others.
  void WaitForFirst(int32_t id);

  Session::Impl& session_;
  Params params_;
  std::deque<std::unique_ptr<Step>> steps_;  ///< On their way; the first runs after `last_`.
  Drawn last_;                               ///< What was returned last.
  int64_t most_ = INT64_MAX;                 ///< On their way at once.
  static constexpr int64_t kMostSure = 64;   ///< As many as any device is ahead.
  /// Steps since the device could not tell its token. Less is built on what may be given up again,
  /// for all that is on its way runs before what takes its place.
  int64_t sure_ = kMostSure;
};

}  // namespace tandem
