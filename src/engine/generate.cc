// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "engine/stop_matcher.h"
#include "tokenizer/stream_decoder.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void CheckOptions(const GenerationOptions& options, const Tokenizer* tokenizer) {
  if (options.max_tokens < -1) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a reply of {} tokens was asked for", options.max_tokens));
  }
  for (const std::string& stop : options.stop) {
    if (stop.empty()) throw Error(ErrorKind::kInvalidArgument, "a stop string is empty");
  }
  if (!options.stop.empty() && tokenizer == nullptr) {
    throw Error(ErrorKind::kUnsupported, "stop strings need a model with a tokenizer");
  }
}

// One reply while it grows.
class Reply {
 public:
  Reply(const GenerationOptions& options, const Tokenizer* tokenizer, const TextSink& sink)
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
        "reply "
        "tokens at {:.1f} tokens/s, {}",
        result_.prompt_tokens, result_.PromptTokensPerSecond(), result_.time_to_first_token_s * 1e3,
        result_.tokens.size(), result_.DecodeTokensPerSecond(), EndReasonName(result_.reason));
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
  const TextSink& sink_;
  std::optional<StreamDecoder> decoder_;
  GenerationResult result_;
};

}  // namespace

std::string_view EndReasonName(EndReason reason) {
  switch (reason) {
    case EndReason::kEndOfTurn: return "end_of_turn";
    case EndReason::kStopString: return "stop_string";
    case EndReason::kMaxTokens: return "max_tokens";
    case EndReason::kContextFull: return "context_full";
    case EndReason::kCancelled: return "cancelled";
  }
  return "unknown";
}

double GenerationResult::DecodeTokensPerSecond() const {
  if (tokens.size() < 2 || decode_s <= 0) return 0;
  return static_cast<double>(tokens.size() - 1) / decode_s;
}

double GenerationResult::PromptTokensPerSecond() const {
  return time_to_first_token_s > 0 ? static_cast<double>(prompt_tokens) / time_to_first_token_s : 0;
}

GenerationOptions DefaultGenerationOptions(const Model& model) {
  GenerationOptions options;
  options.sampling.temperature = model.defaults().temperature;
  options.sampling.top_k = model.defaults().top_k;
  options.sampling.top_p = model.defaults().top_p;
  return options;
}

GenerationResult Generate(Session& session, std::span<const int32_t> prompt,
                          const GenerationOptions& options, const TextSink& sink,
                          const CancelCheck& cancelled, const StepProgress& progress) {
  const Model& model = session.engine().model();
  CheckOptions(options, model.tokenizer());
  Sampler sampler(options.sampling, [&model](int32_t id) { return model.IsBanned(id); });
  const auto is_end = [&](int32_t id) {
    const auto in = [id](const std::vector<int32_t>& list) {
      return std::find(list.begin(), list.end(), id) != list.end();
    };
    return in(model.end_tokens()) || in(options.stop_tokens);
  };
  Reply reply(options, model.tokenizer(), sink);
  reply.result().prompt_tokens = static_cast<int64_t>(prompt.size());
  const auto start = Clock::now();
  std::span<const float> logits;
  try {
    logits = session.Append(prompt, cancelled, progress);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCancelled) throw;
    return reply.Finish(EndReason::kCancelled);
  }
  if (options.max_tokens == 0) return reply.Finish(EndReason::kMaxTokens);
  Clock::time_point first_token;
  for (;;) {
    const int32_t id = sampler.Sample(logits, session.tokens());
    GenerationResult& result = reply.result();
    if (result.tokens.empty()) {
      first_token = Clock::now();
      result.time_to_first_token_s = SecondsSince(start);
    }
    result.decode_s = SecondsSince(first_token);
    if (is_end(id)) return reply.Finish(EndReason::kEndOfTurn);
    if (session.remaining() == 0) return reply.Finish(EndReason::kContextFull);
    const bool stopped = reply.Push(id);
    const bool full =
        options.max_tokens >= 0 && static_cast<int64_t>(result.tokens.size()) >= options.max_tokens;
    const bool cancel = cancelled && cancelled();
    if (stopped || full || cancel) {
      session.Defer(id);
      return reply.Finish(full ? EndReason::kMaxTokens : EndReason::kCancelled);
    }
    logits = session.Append({&id, 1});
  }
}

}  // namespace tandem
