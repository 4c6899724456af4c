// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/choices.h"

#include <algorithm>
#include <cstddef>

namespace tandem {
namespace {

// What the target has more of than the draft; nothing where rounding leaves nothing.
Choices Excess(const Choices& target, const Choices& draft) {
  int32_t last = 0;
  for (const Choice& c : target.list) last = std::max(last, c.id);
  std::vector<double> drafted(static_cast<size_t>(last) + 1, 0.0);
  for (const Choice& c : draft.list) {
    if (c.id <= last) drafted[static_cast<size_t>(c.id)] = c.weight / draft.total;
  }
  Choices excess;
  for (const Choice& c : target.list) {
    const double more = c.weight / target.total - drafted[static_cast<size_t>(c.id)];
    if (more <= 0) continue;
    excess.list.push_back({c.id, more});
    excess.total += more;
  }
  return excess;
}

}  // namespace

double Choices::Probability(int32_t id) const {
  const auto it =
      std::find_if(list.begin(), list.end(), [id](const Choice& c) { return c.id == id; });
  return it == list.end() ? 0 : it->weight / total;
}

int32_t Draw(const Choices& choices, double fraction) {
  double target = fraction * choices.total;
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
  const Choices excess = Excess(target, draft);
  return Draw(excess.list.empty() ? target : excess, redraw);
}

}  // namespace tandem
