// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "formats/npy.h"

namespace tandem {
namespace {

// log of the sum of exponentials: subtracted from a logit it gives the log-probability.
double LogSumExp(std::span<const float> logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - highest);
  return highest + std::log(sum);
}

// Before any is looked up in logits.
void CheckIds(std::span<const int32_t> ids, int64_t vocab) {
  for (const int32_t id : ids) {
    if (id >= 0 && id < vocab) continue;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("token id {} is outside the vocabulary of {}", id, vocab));
  }
}

std::vector<std::pair<int32_t, double>> Likeliest(std::span<const float> logits, int count,
                                                  double log_sum) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const size_t keep = std::min(ids.size(), static_cast<size_t>(count));
  std::partial_sort(ids.begin(), ids.begin() + static_cast<int64_t>(keep), ids.end(),
                    [&](int32_t a, int32_t b) {
                      const float x = logits[static_cast<size_t>(a)];
                      const float y = logits[static_cast<size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  std::vector<std::pair<int32_t, double>> out;
  for (size_t i = 0; i < keep; ++i) {
    out.emplace_back(ids[i], logits[static_cast<size_t>(ids[i])] - log_sum);
  }
  return out;
}

}  // namespace

double ScoreResult::Perplexity() const {
  return scored == 0 ? 1 : std::exp(-total_log_probability / static_cast<double>(scored));
}

ScoreResult Score(Session& session, std::span<const int32_t> ids, const ScoreOptions& options,
                  std::optional<int32_t> window_start, const CancelCheck& cancelled,
                  const StepProgress& progress) {
  if (ids.empty()) throw Error(ErrorKind::kInvalidArgument, "there are no tokens to score");
  CheckIds(ids, session.model().vocab_rows());
  const auto start = std::chrono::steady_clock::now();
  std::optional<NpyWriter<float>> file;
  if (options.logits_file) {
    const int64_t shape[] = {static_cast<int64_t>(ids.size()), session.model().vocab_rows()};
    file.emplace(*options.logits_file, shape);
  }
  ScoreResult result;
  result.windows = 0;
  // Long texts go in slices, so that a caller can stop them and sees them advance.
  constexpr size_t kSlice = 256;
  const auto total = ids.size();
  while (!ids.empty()) {
    session.Reset();
    if (result.windows++ > 0 && window_start) session.Defer(*window_start);
    const auto room = static_cast<size_t>(session.remaining());
    if (room == 0) throw Error(ErrorKind::kInvalidArgument, "the context has no room to score in");
    std::span<const int32_t> window = ids.first(std::min(ids.size(), room));
    ids = ids.subspan(window.size());
    std::optional<double> next;  // log-probability of the coming token
    while (!window.empty()) {
      const auto slice = window.first(std::min(window.size(), kSlice));
      window = window.subspan(slice.size());
      const auto upcoming = window.empty() ? std::optional<int32_t>() : window.front();
      session.AppendScored(
          slice,
          [&](size_t index, std::span<const float> logits) {
            const double log_sum = LogSumExp(logits);
            if (!std::isfinite(log_sum)) {
              throw Error(ErrorKind::kCorruptFile,
                          fmt::format("{}: its logits are not numbers", session.model().source()),
                          "the model's weights are damaged");
            }
            TokenScore score;
            score.token = slice[index];
            score.log_probability = next;
            if (next) {
              result.total_log_probability += *next;
              ++result.scored;
            }
            if (options.top > 0) score.top = Likeliest(logits, options.top, log_sum);
            result.tokens.push_back(std::move(score));
            const auto after =
                index + 1 < slice.size() ? std::optional(slice[index + 1]) : upcoming;
            next.reset();
            if (after) next = logits[static_cast<size_t>(*after)] - log_sum;
            if (file) file->Write(logits);
          },
          cancelled);
      if (progress) {
        progress(static_cast<int64_t>(result.tokens.size()), static_cast<int64_t>(total));
      }
    }
  }
  if (file) file->Finish();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace tandem
