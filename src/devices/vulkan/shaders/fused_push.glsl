// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers of a fused dispatch (fused_product.cc). "4" at the end of a name: a place in the workspace
// in units of four floats.
layout(push_constant) uniform Push {
  // The product, and where the planes of its matrix begin (int8.glsl).
  uint codes_at;
  uint high_at;
  uint scales_at;
  uint supers_at;
  // Of the product, or pairs of rows; of rows' tails: quads from plane to plane; of a matrix by
  // columns: groups of 32 of them.
  uint rows;
  uint scale_stride;  // words of a row; of a matrix by columns: groups of a share
  uint x;             // codes, or floats: in units of 16 bytes
  uint x_groups;      // in units of 16 bytes
  uint y;             // where results go, in floats
  uint pair;          // rows from a gate's to its up's; where gates are cut: spreads of them
  uint other;         // what results meet: per-layer inputs, or gates; in floats
  // The workgroups that the last one waits for, and where they are counted; of those that walk: how
  // many there would be, of which each does its share. Where gates are made or cut: their spreads, in
  // units of four floats.
  uint arrivals;
  uint counter;
  // The tail.
  uint y4;
  uint a4;
  uint b4;
  uint h4;
  uint streams4;
  uint predictions4;
  uint n4;
  uint codes;   // in words
  uint groups;  // in words
  uint post;    // vectors, in units of 16 bytes
  uint router_norm;
  uint router;
  uint coefficients;
  uint next;
  float eps;
  float router_scale;
  float mix_;
} push;
