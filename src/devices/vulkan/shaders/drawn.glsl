// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What comes of drawing: for the host, and for the next step.
layout(binding = 4) writeonly buffer Result {
  uint token;
  uint kept;
  uint whole;
  uint unused;
  uvec2 weight;
  uint ids[kMaxDrawn];
  float values[kMaxDrawn];
};
layout(binding = 5) writeonly buffer Next { uint next; };

void Answer(uint drawn, uint count_kept, bool is_whole, uvec2 total) {
  token = drawn;
  kept = count_kept;
  whole = is_whole ? 1 : 0;
  unused = 0;
  weight = total;
  next = drawn;
}
