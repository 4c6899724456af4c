// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the host writes for every step.

// A row of one of the step's row sets. source: its number among all rows.
struct Row {
  uint token;
  uint position;
  uint sequence;
  uint source;
};

// Where a sequence's copy of a cache tensor lies, and how many positions it has room for: position
// p is in slot p % capacity. Two uvec4 for each: addresses of keys and of values, then capacity.
struct Cache {
  uvec2 keys;
  uvec2 values;
  uint capacity;
};
