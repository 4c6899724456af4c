#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A tail (tail.glsl) whose vector no product of the same dispatch has made, for a row a workgroup.
#extension GL_GOOGLE_include_directive : require
#define ROWS
#include "common.glsl"
#include "fused.glsl"
#include "fused_push.glsl"
#include "tail.glsl"

void main() { Tail(); }
