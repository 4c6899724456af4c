// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/choices.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "devices/token_weights.h"

namespace tandem {
namespace {

double Share(const Choice& choice, const Choices& of) {
  return static_cast<double>(choice.weight) / static_cast<double>(of.total);
}

// Draws from what the target has more of than the draft; from all of it where rounding leaves
// nothing.
int32_t DrawExcess(const Choices& target, const Choices& draft, double fraction) {
  int32_t last = 0;
  for (const Choice& c : target.list) last = std::max(last, c.id);
  std::vector<double> drafted(static_cast<size_t>(last) + 1, 0.0);
  for (const Choice& c : draft.list) {
    if (c.id <= last) drafted[static_cast<size_t>(c.id)] = Share(c, draft);
  }
  std::vector<std::pair<int32_t, double>> excess;
  double total = 0;
  for (const Choice& c : target.list) {
    const double more = Share(c, target) - drafted[static_cast<size_t>(c.id)];
    if (more <= 0) continue;
    excess.emplace_back(c.id, more);
    total += more;
  }
  if (excess.empty()) return Draw(target, fraction);
  double left = fraction * total;
  for (size_t i = 0; i + 1 < excess.size(); ++i) {
    if (left < excess[i].second) return excess[i].first;
    left -= excess[i].second;
  }
  return excess.back().first;
}

}  // namespace

double Choices::Probability(int32_t id) const {
  const auto it =
      std::find_if(list.begin(), list.end(), [id](const Choice& c) { return c.id == id; });
  return it == list.end() ? 0 : Share(*it, *this);
}

int32_t Draw(const Choices& choices, double fraction) {
  uint64_t target = PartOf(ShareOf(fraction), choices.total);
  for (size_t i = 0; i + 1 < choices.list.size(); ++i) {
    if (target < choices.list[i].weight) return choices.list[i].id;
    target -= choices.list[i].weight;
  }
  return choices.list.back().id;
}

int32_t DrawProposed(const Choices& target, const Choices& draft, int32_t proposed, double keep,
                     double redraw) {
  // Without a division: equal distributions must keep everything.
  if (keep * draft.Probability(proposed) < target.Probability(proposed)) return proposed;
  return DrawExcess(target, draft, redraw);
}

}  // namespace tandem
