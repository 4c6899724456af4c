// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "engine/api_guard.h"
#include "engine/engine_impl.h"
#include "engine/lookup_drafter.h"
#include "engine/model_drafter.h"
#include "engine/model_text.h"
#include "engine/reply_steps.h"
#include "engine/sampler.h"
#include "engine/stop_matcher.h"
#include "tandem/generation.h"
#include "tokenizer/stream_decoder.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void CheckOptions(const GenerationOptions& options, Session& session, const Tokenizer* tokenizer) {
  if (options.max_tokens < -1) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a reply of {} tokens was asked for", options.max_tokens));
  }
  if (options.draft_tokens < 1 || options.draft_tokens > kMaxDraftTokens) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("drafts of {} tokens, expected 1 to {}",
                                                         options.draft_tokens, kMaxDraftTokens));
  }
  if (options.draft == Draft::kModel && session.impl().draft == nullptr) {
    throw Error(ErrorKind::kInvalidArgument,
                "drafts of a model were asked for, but the engine has no draft model");
  }
  for (const std::string& stop : options.stop) {
    if (stop.empty()) throw Error(ErrorKind::kInvalidArgument, "a stop string is empty");
  }
  if (!options.stop.empty() && tokenizer == nullptr) {
    throw Error(ErrorKind::kUnsupported, "stop strings need a model with a tokenizer");
  }
}

// Once: a conversation has many replies.
void WarnWhereDraftsCannotPay(Engine::Impl& engine) {
  if (engine.draft_costs.CanPay() || engine.draft_warned.test_and_set()) return;
  log::Warning("nothing is drafted: by its size {} takes more time than it can save",
               engine.options.draft_model->source());
}

ReplySteps::DrafterMaker MakerOf(const GenerationOptions& options, Session& session,
                                 const std::function<bool(int32_t)>& ends,
                                 const CancelCheck& cancelled) {
  switch (options.draft) {
    case Draft::kNone: return {};
    case Draft::kLookup:
      return [&](std::span<const int32_t> text) {
        return std::make_unique<LookupDrafter>(text, options.draft_adapt);
      };
    case Draft::kModel:
      return [&](std::span<const int32_t> text) {
        Session::Impl& impl = session.impl();
        return std::make_unique<ModelDrafter>(*impl.draft, text, session.model(), options,
                                              impl.engine->draft_costs, ends, cancelled);
      };
  }
  return {};
}

// One reply while it grows.
class GrowingReply {
 public:
  GrowingReply(const GenerationOptions& options, const Tokenizer* tokenizer,
               const std::function<void(std::string_view)>& sink)
      : stop_(options.stop), sink_(sink) {
    if (tokenizer != nullptr) decoder_.emplace(*tokenizer);
  }

  /// Adds a token; true when a stop string has come up.
  bool Push(int32_t id) {
    result_.tokens.push_back(id);
    if (decoder_) Emit(stop_.Push(decoder_->Push(id)));
    return stop_.matched();
  }

  GenerationResult Finish(EndReason reason) {
    if (decoder_ && !stop_.matched()) {
      Emit(stop_.Push(decoder_->Flush()));
      if (!stop_.matched()) Emit(stop_.Flush());
    }
    result_.reason = stop_.matched() ? EndReason::kStopString : reason;
    log::Event(
        "reply finished: {} prompt tokens at {:.1f} tokens/s, first token after {:.0f} ms, {} "
        "reply tokens at {:.1f} tokens/s, {} of {} drafted tokens accepted, {}",
        result_.prompt_tokens, result_.PromptTokensPerSecond(), result_.time_to_first_token_s * 1e3,
        result_.tokens.size(), result_.DecodeTokensPerSecond(), result_.accepted, result_.drafted,
        EndReasonName(result_.reason));
    return std::move(result_);
  }

  GenerationResult& result() { return result_; }

 private:
  void Emit(const std::string& text) {
    if (text.empty()) return;
    result_.text += text;
    if (sink_) sink_(text);
  }

  StopMatcher stop_;
  const std::function<void(std::string_view)>& sink_;
  std::optional<StreamDecoder> decoder_;
  GenerationResult result_;
};

GenerationResult RunGeneration(Session& session, std::span<const int32_t> prompt,
                               const GenerationOptions& options,
                               const GenerationCallbacks& callbacks) {
  const Model& model = session.model();
  const Tokenizer* tokenizer = FindTokenizer(model);
  CheckOptions(options, session, tokenizer);
  if (options.draft == Draft::kModel && options.draft_adapt) {
    WarnWhereDraftsCannotPay(*session.impl().engine);
  }
  Sampler sampler(options.sampling, [&model](int32_t id) { return model.IsBanned(id); });
  const std::function<bool(int32_t)> is_end = [&](int32_t id) {
    const auto in = [id](const std::vector<int32_t>& list) {
      return std::find(list.begin(), list.end(), id) != list.end();
    };
    return in(model.end_tokens()) || in(options.stop_tokens);
  };
  GrowingReply reply(options, tokenizer, callbacks.text);
  reply.result().prompt_tokens = static_cast<int64_t>(prompt.size());
  const auto start = Clock::now();
  std::span<const float> logits;
  try {
    logits = session.Append(prompt, callbacks.cancelled, callbacks.progress);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCancelled) throw;
    return reply.Finish(EndReason::kCancelled);
  }
  if (options.max_tokens == 0) return reply.Finish(EndReason::kMaxTokens);
  StepsAhead::Params draws;
  if (sampler.DrawAhead(0)) draws = [&](size_t ahead) { return *sampler.DrawAhead(ahead); };
  ReplySteps steps(session, options.draft_tokens,
                   MakerOf(options, session, is_end, callbacks.cancelled), is_end, draws);
  AfterToken after{logits};
  GenerationResult& result = reply.result();
  Clock::time_point first_token;
  for (;;) {
    const Proposal* proposal = steps.proposal();
    const int32_t id = Next(sampler, after, steps.tokens(), proposal);
    if (result.tokens.empty()) {
      first_token = Clock::now();
      result.time_to_first_token_s = SecondsSince(start);
    }
    result.decode_s = SecondsSince(first_token);
    if (is_end(id)) return reply.Finish(EndReason::kEndOfTurn);
    if (steps.remaining() == 0) return reply.Finish(EndReason::kContextFull);
    const bool stopped = reply.Push(id);
    const int64_t more = options.max_tokens < 0
                             ? std::numeric_limits<int64_t>::max()
                             : options.max_tokens - static_cast<int64_t>(result.tokens.size());
    const bool cancel = callbacks.cancelled && callbacks.cancelled();
    if (stopped || more == 0 || cancel) {
      steps.AddLast(id);
      return reply.Finish(more == 0 ? EndReason::kMaxTokens : EndReason::kCancelled);
    }
    try {
      after = steps.Add(id, more);
    } catch (const Error& error) {
      // While the draft model was catching up.
      if (error.kind() != ErrorKind::kCancelled) throw;
      steps.AddLast(id);
      return reply.Finish(EndReason::kCancelled);
    }
    result.drafted = steps.drafted();
    result.accepted = steps.accepted();
    result.steps = steps.steps();
    result.draft_s = steps.draft_seconds();
  }
}

}  // namespace

std::string_view EndReasonName(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::kEndOfTurn: return "end_of_turn";
    case EndReason::kStopString: return "stop_string";
    case EndReason::kMaxTokens: return "max_tokens";
    case EndReason::kContextFull: return "context_full";
    case EndReason::kCancelled: return "cancelled";
  }
  return "unknown";
}

double GenerationResult::DecodeTokensPerSecond() const noexcept {
  if (tokens.size() < 2 || decode_s <= 0) return 0;
  return static_cast<double>(tokens.size() - 1) / decode_s;
}

double GenerationResult::PromptTokensPerSecond() const noexcept {
  return time_to_first_token_s > 0 ? static_cast<double>(prompt_tokens) / time_to_first_token_s : 0;
}

GenerationOptions DefaultGenerationOptions(const Model& model) {
  return AtBorder([&] {
    GenerationOptions options;
    options.sampling.temperature = model.defaults().temperature;
    options.sampling.top_k = model.defaults().top_k;
    options.sampling.top_p = model.defaults().top_p;
    return options;
  });
}

GenerationResult Generate(Session& session, std::span<const int32_t> prompt,
                          const GenerationOptions& options, const GenerationCallbacks& callbacks) {
  return AtBorder([&] {
    const GenerationCallbacks wrapped{FromCaller(callbacks.text), FromCaller(callbacks.cancelled),
                                      FromCaller(callbacks.progress)};
    return RunGeneration(session, prompt, options, wrapped);
  });
}

std::vector<int32_t> TokenizeTurn(const Session& session, std::string_view message,
                                  std::string_view system) {
  return AtBorder([&] {
    const ChatFormat& chat = RequireChat(session.model());
    // Generate() keeps the end of a turn out of the session: it opens what comes next.
    if (!session.tokens().empty()) return chat.RenderNextTurn(false, message);
    std::vector<ChatMessage> messages;
    if (!system.empty()) messages.push_back({Role::kSystem, std::string(system)});
    messages.push_back({Role::kUser, std::string(message)});
    return chat.Render(messages);
  });
}

GenerationResult Reply(Session& session, std::string_view message, const GenerationOptions& options,
                       const GenerationCallbacks& callbacks, std::string_view system) {
  const std::vector<int32_t> prompt = TokenizeTurn(session, message, system);
  const auto before = static_cast<int64_t>(session.tokens().size());
  const auto with_prompt = before + static_cast<int64_t>(prompt.size());
  try {
    GenerationResult result = Generate(session, prompt, options, callbacks);
    if (static_cast<int64_t>(session.tokens().size()) < with_prompt) {
      session.Rewind(before);  // stopped before the reply began: half a message must not stay
    } else {
      session.MarkTurn();
    }
    return result;
  } catch (...) {
    session.Rewind(before);
    throw;
  }
}

}  // namespace tandem
