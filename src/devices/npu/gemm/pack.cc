// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/pack.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {
namespace {

MicroShape MicroOf(const GemmConfig& config) {
  if (config.type == GemmType::kBf16) return kMicroBf16;
  return config.device.generation == Generation::kNpu1 ? kMicroI8Npu1 : kMicroI8Npu2;
}

void CheckSize(size_t got, int64_t want, const char* what) {
  if (got != static_cast<size_t>(want)) {
    throw Error(ErrorKind::kInternal, std::string("packing: wrong size of ") + what);
  }
}

/// Calls visit(place in the tile, row, column) for each element of a tile of [rows, columns] in
/// blocks of [r, c], which go along the rows, or for B down the columns.
template <typename Visit>
void ForTile(int64_t rows, int64_t columns, int r, int c, bool by_column, const Visit& visit) {
  const int64_t blocks = by_column ? rows / r : columns / c;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const int64_t block =
          by_column ? column / c * blocks + row / r : row / r * blocks + column / c;
      visit(block * r * c + row % r * c + column % c, row, column);
    }
  }
}

/// The same as a table, since every tile is laid out alike: [rows, columns] -> place.
std::vector<uint32_t> Places(int64_t rows, int64_t columns, int r, int c, bool by_column) {
  std::vector<uint32_t> places(static_cast<size_t>(rows * columns));
  ForTile(rows, columns, r, c, by_column, [&](int64_t place, int64_t row, int64_t column) {
    places[static_cast<size_t>(row * columns + column)] = static_cast<uint32_t>(place);
  });
  return places;
}

/// Calls copy(place in the tile, column, count) for the first `count` columns of a row, whose
/// places are side by side in each `Run` of them.
template <int Run, typename Copy>
void ForRuns(const uint32_t* place, int64_t count, const Copy& copy) {
  int64_t column = 0;
  for (; column + Run <= count; column += Run) {
    copy(place[column], column, std::integral_constant<size_t, Run>());
  }
  if (column < count) copy(place[column], column, static_cast<size_t>(count - column));
}
template <typename Copy>
void ForRuns(int run, const uint32_t* place, int64_t count, const Copy& copy) {
  // Of blocks' columns there are no other counts.
  run == 8 ? ForRuns<8>(place, count, copy) : ForRuns<4>(place, count, copy);
}

/// Copies the part of a row-major matrix [height, width] that a tile at (top, left) covers, whose
/// blocks have `run` columns.
template <typename T>
void CopyTile(std::span<const T> matrix, int64_t height, int64_t width, int64_t top, int64_t left,
              int64_t rows, int64_t columns, int run, const std::vector<uint32_t>& places,
              T* tile) {
  for (int64_t row = 0; row < std::min(rows, height - top); ++row) {
    const T* const from = matrix.data() + (top + row) * width + left;
    ForRuns(run, places.data() + row * columns, std::min(columns, width - left),
            [&](uint32_t place, int64_t column, auto count) {
              std::memcpy(tile + place, from + column, count * sizeof(T));
            });
  }
}

/// exponents [m, k steps], or none.
template <typename T>
void PackRows(const GemmPlan& plan, std::span<const T> rows, std::span<const int8_t> exponents,
              std::span<std::byte> out) {
  CheckSize(rows.size(), plan.shape.m * plan.shape.k, "A");
  CheckSize(out.size(), plan.a_bytes, "packed A");
  std::fill(out.begin(), out.end(), std::byte{});
  const MicroShape micro = MicroOf(plan.config);
  const auto places = Places(plan.tile.m, plan.tile.k, micro.r, micro.s, false);
  std::byte* tile = out.data();
  for (int64_t core_row = 0; core_row < kCoreRows; ++core_row) {
    for (int64_t m = 0; m < plan.m_blocks; ++m) {
      const int64_t top = (m * kCoreRows + core_row) * plan.tile_rows;
      const int64_t used = std::clamp<int64_t>(plan.shape.m - top, 0, plan.tile_rows);
      for (int64_t k = 0; k < plan.k_steps; k += plan.a_steps) {
        ActivationTileHeader header;
        header.rows = static_cast<uint32_t>(plan.tile_rows);
        header.steps = static_cast<uint32_t>(std::min(plan.a_steps, plan.k_steps - k));
        header.piece_rows = static_cast<uint32_t>(plan.a_rows);
        auto* to = reinterpret_cast<T*>(tile + kActivationHeaderBytes);
        for (int64_t step = 0; step < header.steps; ++step) {
          for (int64_t row = 0; !exponents.empty() && row < used; ++row) {
            header.exponents[step * plan.a_rows + row] =
                exponents[static_cast<size_t>((top + row) * plan.k_steps + k + step)];
          }
          CopyTile(rows, plan.shape.m, plan.shape.k, top, (k + step) * plan.tile.k, plan.tile_rows,
                   plan.tile.k, micro.s, places, to);
          to += plan.a_rows * plan.tile.k;
        }
        std::memcpy(tile, &header, sizeof header);
        tile += TileABytes(plan.config);
      }
    }
  }
}

/// Calls visit(tile's bytes, first row, first column) for each tile of B, with its header written.
template <typename Visit>
void ForTilesOfB(const GemmPlan& plan, int shift, std::span<std::byte> out, const Visit& visit) {
  CheckSize(out.size(), plan.b_bytes, "packed B");
  std::fill(out.begin(), out.end(), std::byte{});
  const int64_t columns = plan.config.device.columns;
  std::byte* tile = out.data();
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t n = 0; n < plan.n_blocks; ++n) {
      for (int64_t k = 0; k < plan.k_steps; ++k) {
        WeightTileHeader header;
        header.flags = (k == 0 ? kFirstOfSum : 0) | (k + 1 == plan.k_steps ? kLastOfSum : 0);
        header.shift = shift;
        std::memcpy(tile, &header, sizeof header);
        visit(tile, k * plan.tile.k, (n * columns + column) * plan.tile.n);
        tile += TileBBytes(plan.config);
      }
    }
  }
}

template <typename T>
void PackColumns(const GemmPlan& plan, std::span<const T> rows, int shift,
                 std::span<std::byte> out) {
  CheckSize(rows.size(), plan.shape.k * plan.shape.n, "B");
  const MicroShape micro = MicroOf(plan.config);
  const auto places = Places(plan.tile.k, plan.tile.n, micro.s, micro.t, true);
  ForTilesOfB(plan, shift, out, [&](std::byte* tile, int64_t k, int64_t n) {
    CopyTile(rows, plan.shape.k, plan.shape.n, k, n, plan.tile.k, plan.tile.n, micro.t, places,
             reinterpret_cast<T*>(tile + kTileHeaderBytes));
  });
}

constexpr int kMostRatio = 127;

/// A column's ratios of its scales to the largest, `stride` apart both; returns that one's share,
/// or a larger one of bfloat16, to which the ratios are then.
float ColumnRatios(const float* scales, int64_t blocks, int64_t stride, int8_t* ratios,
                   bool round_scale = false) {
  float most = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const float scale = std::abs(scales[block * stride]);
    if (std::isfinite(scale)) most = std::max(most, scale);
  }
  if (round_scale) {
    most = RoundScaleUp(most * (1 << kI4Shift) / kMostRatio) * kMostRatio / (1 << kI4Shift);
  }
  for (int64_t block = 0; block < blocks && most > 0; ++block) {
    const float scale = std::isfinite(scales[block * stride]) ? scales[block * stride] : 0;
    ratios[block * stride] = static_cast<int8_t>(std::nearbyint(scale / most * kMostRatio));
  }
  return most * (1 << kI4Shift) / kMostRatio;
}

/// Ratios [blocks, n] of the scales to the largest of their column, whose share is column_scales.
std::vector<int8_t> RatiosOf(const GemmShape& shape, std::span<const float> scales,
                             std::span<float> column_scales) {
  const int64_t blocks = CeilDivide(shape.k, kI4Block);
  CheckSize(scales.size(), blocks * shape.n, "scales");
  CheckSize(column_scales.size(), shape.n, "column scales");
  std::vector<int8_t> ratios(scales.size());
  for (int64_t n = 0; n < shape.n; ++n) {
    column_scales[static_cast<size_t>(n)] =
        ColumnRatios(scales.data() + n, blocks, shape.n, ratios.data() + n);
  }
  return ratios;
}

}  // namespace

void PackA(const GemmPlan& plan, std::span<const int8_t> rows, std::span<std::byte> out) {
  PackRows(plan, rows, {}, out);
}
void PackA(const GemmPlan& plan, std::span<const uint16_t> rows, std::span<std::byte> out) {
  PackRows(plan, rows, {}, out);
}
void PackScaledA(const GemmPlan& plan, std::span<const int8_t> rows,
                 std::span<const int8_t> exponents, std::span<std::byte> out) {
  CheckSize(exponents.size(), plan.shape.m * plan.k_steps, "exponents");
  PackRows(plan, rows, exponents, out);
}
void PackB(const GemmPlan& plan, std::span<const int8_t> rows, int shift,
           std::span<std::byte> out) {
  PackColumns(plan, rows, shift, out);
}
void PackB(const GemmPlan& plan, std::span<const uint16_t> rows, int shift,
           std::span<std::byte> out) {
  PackColumns(plan, rows, shift, out);
}

void PackB4(const GemmPlan& plan, std::span<const int8_t> weights, std::span<const float> scales,
            std::span<float> column_scales, std::span<std::byte> out) {
  CheckSize(weights.size(), plan.shape.k * plan.shape.n, "B");
  const std::vector<int8_t> ratios = RatiosOf(plan.shape, scales, column_scales);
  const MicroShape micro = MicroOf(plan.config);
  const auto places = Places(plan.tile.k, plan.tile.n, micro.s, micro.t, true);
  const int64_t blocks = plan.tile.k / kI4Block;
  std::vector<int8_t> wide(static_cast<size_t>(plan.tile.k * plan.tile.n));
  ForTilesOfB(plan, 0, out, [&](std::byte* tile, int64_t k, int64_t n) {
    std::fill(wide.begin(), wide.end(), int8_t{0});
    CopyTile(weights, plan.shape.k, plan.shape.n, k, n, plan.tile.k, plan.tile.n, micro.t, places,
             wide.data());
    std::byte* const nibbles = tile + kTileHeaderBytes;
    for (size_t i = 0; i < wide.size(); i += 2) {
      nibbles[i / 2] = static_cast<std::byte>((wide[i] & 15) | (wide[i + 1] & 15) << 4);
    }
    auto* const ratio = reinterpret_cast<int8_t*>(nibbles + wide.size() / 2);
    for (int64_t block = 0; block < blocks && k + block * kI4Block < plan.shape.k; ++block) {
      for (int64_t i = 0; i < plan.tile.n && n + i < plan.shape.n; ++i) {
        ratio[(i / 8 * blocks + block) * 8 + i % 8] =
            ratios[static_cast<size_t>((k / kI4Block + block) * plan.shape.n + n + i)];
      }
    }
  });
}

std::vector<int8_t> ExpandB4(const GemmShape& shape, std::span<const int8_t> weights,
                             std::span<const float> scales, std::span<float> column_scales) {
  const std::vector<int8_t> ratios = RatiosOf(shape, scales, column_scales);
  std::vector<int8_t> wide(weights.size());
  for (int64_t k = 0; k < shape.k; ++k) {
    for (int64_t n = 0; n < shape.n; ++n) {
      const auto at = static_cast<size_t>(k * shape.n + n);
      const int ratio = ratios[static_cast<size_t>(k / kI4Block * shape.n + n)];
      // Exact in double; ties go to even numbers, as in the kernel.
      wide[at] = static_cast<int8_t>(std::nearbyint(weights[at] * ratio / double{1 << kI4Shift}));
    }
  }
  return wide;
}

float RoundScaleUp(float scale) {
  if (!std::isfinite(scale)) return scale;
  const uint32_t up = (std::bit_cast<uint32_t>(scale) + 0xFFFF) & 0xFFFF0000U;
  return std::bit_cast<float>(up);
}

ColumnPacker::ColumnPacker(const GemmConfig& config, const GemmShape& tile,
                           std::span<std::byte> out)
    : config_(config), tile_(tile), out_(out) {
  const MicroShape micro = MicroOf(config);
  places_ = Places(tile.k, tile.n, micro.s, micro.t, true);
}

ColumnPacker::ColumnPacker(const GemmPlan& plan, int shift, std::span<std::byte> out)
    : ColumnPacker(plan.config, plan.tile, out) {
  plan_ = &plan;
  ForTilesOfB(plan, shift, out, [](std::byte*, int64_t, int64_t) {});
}

int64_t ColumnPacker::TileIndex(int64_t n, int64_t k_step) const {
  const int64_t columns = config_.device.columns;
  const int64_t column = n / tile_.n % columns;
  const int64_t block = n / tile_.n / columns;
  return (column * plan_->n_blocks + block) * plan_->k_steps + k_step;
}

int64_t ColumnPacker::Depth(int64_t /*n*/) const { return plan_->shape.k; }

std::byte* ColumnPacker::TileOf(int64_t n, int64_t k_step) const {
  return out_.data() + TileIndex(n, k_step) * TileBBytes(config_) + kTileHeaderBytes;
}

template <typename T>
void ColumnPacker::SetAny(int64_t n, std::span<const T> column) {
  const int64_t depth = Depth(n);
  CheckSize(column.size(), depth, "a column of B");
  const uint32_t* const places = places_.data() + n % tile_.n;
  for (int64_t k = 0; k < depth; k += tile_.k) {
    auto* const tile = reinterpret_cast<T*>(TileOf(n, k / tile_.k));
    const int64_t count = std::min(tile_.k, depth - k);
    for (int64_t i = 0; i < count; ++i) {
      tile[places[i * tile_.n]] = column[static_cast<size_t>(k + i)];
    }
  }
}

void ColumnPacker::Set(int64_t n, std::span<const int8_t> column) { SetAny(n, column); }
void ColumnPacker::Set(int64_t n, std::span<const uint16_t> column) { SetAny(n, column); }

float ColumnPacker::Set4(int64_t n, std::span<const int8_t> column, std::span<const float> scales,
                         bool round_scale) {
  const int64_t blocks = CeilDivide(Depth(n), kI4Block);
  CheckSize(scales.size(), blocks, "scales");
  std::vector<int8_t> ratios(scales.size());
  const float scale = ColumnRatios(scales.data(), blocks, 1, ratios.data(), round_scale);
  SetNibbles(n, column, ratios);
  return scale;
}

void ColumnPacker::SetNibbles(int64_t n, std::span<const int8_t> column,
                              std::span<const int8_t> ratios) {
  const int64_t depth = Depth(n);
  CheckSize(column.size(), depth, "a column of B");
  CheckSize(ratios.size(), CeilDivide(depth, kI4Block), "ratios");
  const int64_t left = n % tile_.n;
  const uint32_t* const places = places_.data() + left;
  const int64_t tile_blocks = tile_.k / kI4Block;
  for (int64_t k = 0; k < depth; k += tile_.k) {
    std::byte* const tile = TileOf(n, k / tile_.k);
    const int64_t count = std::min(tile_.k, depth - k);
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t place = places[i * tile_.n];
      const auto nibble = static_cast<uint8_t>(column[static_cast<size_t>(k + i)] & 15);
      tile[place / 2] |= static_cast<std::byte>(nibble << place % 2 * 4);
    }
    auto* const to = reinterpret_cast<int8_t*>(tile + tile_.k * tile_.n / 2);
    for (int64_t block = 0; block * kI4Block < count; ++block) {
      to[(left / 8 * tile_blocks + block) * 8 + left % 8] =
          ratios[static_cast<size_t>(k / kI4Block + block)];
    }
  }
}

void ColumnPacker::SetScale(int64_t n, float scale) {
  const int64_t in_tile = n % tile_.n;
  std::byte* const header =
      TileOf(n, in_tile / kScalesOfPart) - static_cast<int64_t>(kTileHeaderBytes);
  const uint16_t bits = FloatToBf16(scale);
  std::memcpy(header + offsetof(WeightTileHeader, scales) + in_tile % kScalesOfPart * 2, &bits,
              sizeof bits);
}

template <typename T>
void UnpackC(const GemmPlan& plan, std::span<const std::byte> packed, std::span<T> rows) {
  CheckSize(packed.size(), plan.c_bytes, "packed C");
  CheckSize(rows.size(), plan.shape.m * plan.shape.n, "C");
  CheckSize(sizeof(T), OutputBytes(plan.config.output), "an element of C");
  const MicroShape micro = MicroOf(plan.config);
  const auto places = Places(plan.tile.m, plan.tile.n, micro.r, micro.t, false);
  const int64_t columns = plan.config.device.columns;
  const auto* tile = reinterpret_cast<const T*>(packed.data());
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t m = 0; m < plan.m_blocks; ++m) {
      for (int64_t n = 0; n < plan.n_blocks; ++n) {
        for (int64_t core_row = 0; core_row < kCoreRows; ++core_row) {
          const int64_t top = (m * kCoreRows + core_row) * plan.tile_rows;
          const int64_t left = (n * columns + column) * plan.tile.n;
          for (int64_t row = 0; row < plan.tile_rows && top + row < plan.shape.m; ++row) {
            T* const to = rows.data() + (top + row) * plan.shape.n + left;
            ForRuns(micro.t, places.data() + row * plan.tile.n,
                    std::min(plan.tile.n, plan.shape.n - left),
                    [&](uint32_t place, int64_t at, auto count) {
                      std::memcpy(to + at, tile + place, count * sizeof(T));
                    });
          }
          tile += plan.tile.m * plan.tile.n;
        }
      }
    }
  }
}

template void UnpackC(const GemmPlan&, std::span<const std::byte>, std::span<int8_t>);
template void UnpackC(const GemmPlan&, std::span<const std::byte>, std::span<int16_t>);
template void UnpackC(const GemmPlan&, std::span<const std::byte>, std::span<uint16_t>);
template void UnpackC(const GemmPlan&, std::span<const std::byte>, std::span<int32_t>);
template void UnpackC(const GemmPlan&, std::span<const std::byte>, std::span<float>);

}  // namespace tandem::npu
