// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The eight 6-bit scales and eight 6-bit minimums that Q4_K and Q5_K pack into 12 bytes. Groups 0
// to 3 lie in the low six bits of bytes 0 to 3 (scales) and 4 to 7 (minimums). Of groups 4 to 7 the
// low nibbles share bytes 8 to 11, and the two high bits fill the tops of bytes 0 to 7.
#pragma once

#include <cstdint>

namespace tandem::quant {

struct KScales {
  uint8_t scale[8];
  uint8_t min[8];
};

inline KScales UnpackKScales(const uint8_t (&packed)[12]) {
  KScales k;
  for (int i = 0; i < 4; ++i) {
    k.scale[i] = packed[i] & 63;
    k.min[i] = packed[i + 4] & 63;
    k.scale[i + 4] = static_cast<uint8_t>((packed[i + 8] & 15) | (packed[i] >> 6) << 4);
    k.min[i + 4] = static_cast<uint8_t>((packed[i + 8] >> 4) | (packed[i + 4] >> 6) << 4);
  }
  return k;
}

inline void PackKScales(const KScales& k, uint8_t (&packed)[12]) {
  for (int i = 0; i < 4; ++i) {
    packed[i] = static_cast<uint8_t>(k.scale[i] | (k.scale[i + 4] >> 4) << 6);
    packed[i + 4] = static_cast<uint8_t>(k.min[i] | (k.min[i + 4] >> 4) << 6);
    packed[i + 8] = static_cast<uint8_t>((k.scale[i + 4] & 15) | (k.min[i + 4] & 15) << 4);
  }
}

}  // namespace tandem::quant
