// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The dot product of four signed bytes packed into a word each.
#ifdef INTEGER_DOT
#extension GL_EXT_spirv_intrinsics : require
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018],
                  id = 4450)
int PackedDot(uint a, uint b, spirv_literal int packed_format);
int Dot4(uint a, uint b) { return PackedDot(a, b, 0); }
#else
int Dot4(uint a, uint b) {
  const ivec4 shift = ivec4(24, 16, 8, 0);
  const ivec4 x = (ivec4(int(a)) << shift) >> 24;
  const ivec4 y = (ivec4(int(b)) << shift) >> 24;
  return x.x * y.x + x.y * y.y + x.z * y.z + x.w * y.w;
}
#endif
