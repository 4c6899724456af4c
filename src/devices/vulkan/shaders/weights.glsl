// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The device's own layout of quantised weights (weights.h). Codes go by 32 columns: 4 bits in a
// uvec4 whose word j holds columns 4 j to 4 j + 3 in the low and 16 + 4 j on in the high halves of
// its bytes; 8 bits in two uvec4; 6 bits as 4, and the upper two in a uvec2 whose word j holds
// columns 16 j + 4 k + byte at bits 2 k of each byte.
layout(constant_id = 1) const uint kBits = 4;
layout(constant_id = 2) const uint kGroup = 32;  // columns with one scale, 32 or 16
layout(constant_id = 3) const int kMinus = 0;    // weight = scale * (code - kMinus) + min
// 0: a half for each group; 1: two, scale and min; 2: halves d, dmin for 256 columns and a signed
// byte for each group, scale = d * byte; 3: the same with two bytes, min = -dmin * second
layout(constant_id = 4) const uint kScales = 0;
