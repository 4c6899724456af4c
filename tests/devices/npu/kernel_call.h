// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of kernels as core programs make them.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/kernels/registry.h"

namespace tandem::npu::test {

template <typename T>
std::byte* BytesOf(const T* buffer) {
  return const_cast<std::byte*>(reinterpret_cast<const std::byte*>(buffer));
}

inline void CallKernel(const std::string& name, const std::vector<std::byte*>& buffers) {
  const Kernel* const kernel = FindKernel(name);
  ASSERT_NE(kernel, nullptr) << name;
  ASSERT_EQ(kernel->buffer_bytes.size(), buffers.size()) << name;
  kernel->run(buffers.data());
}

/// One that takes the tile of B at hand: the second of a core's two, which the first must not
/// matter to.
inline void CallWithB(const std::string& name, std::vector<std::byte*> front, std::byte* b,
                      const std::vector<std::byte*>& behind) {
  std::vector<std::byte> other(kTileBBytes, std::byte{0x5A});
  TileTurn turn;
  turn.second = 0;
  CallKernel("next_b", {other.data(), b, BytesOf(&turn)});
  front.insert(front.end(), {other.data(), b, BytesOf(&turn)});
  front.insert(front.end(), behind.begin(), behind.end());
  CallKernel(name, front);
}

}  // namespace tandem::npu::test
