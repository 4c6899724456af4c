// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrices by columns, of rows that were packed as all others are.
#include <cstring>

#include "devices/vulkan/weights.h"

namespace tandem::vulkan {
namespace {

// The codes of 32 columns of a row, a byte each (shaders/weights.glsl says where they lie).
void Unpack(const std::byte* packed, uint32_t bits, uint8_t* codes) {
  if (bits == 8) {
    std::memcpy(codes, packed, 32);
    return;
  }
  for (size_t i = 0; i < 16; ++i) {
    const auto both = static_cast<uint8_t>(packed[i]);
    codes[i] = both & 15;
    codes[16 + i] = both >> 4;
  }
}

}  // namespace

bool HasColumns(const WeightView& view, uint32_t tile_rows) {
  const Layout layout = LayoutOf(view.type);
  return layout.quantized && layout.scales == 0 && layout.group == 32 && layout.bits != 6 &&
         view.cols % 64 == 0 && view.rows % tile_rows == 0;
}

const DeviceColumns& Weights::ByColumns(const WeightView& view, uint32_t tile_rows,
                                        const Progress& progress) {
  const auto known = columns_.find(KeyOf(view));
  if (known != columns_.end()) return known->second;
  const Layout layout = LayoutOf(view.type);
  const RowSizes sizes = RowSizesOf(view.type, view.cols);
  const Storage& storage = Take(sizes, static_cast<uint64_t>(view.rows));
  DeviceColumns columns;
  columns.layout = layout;
  columns.tile_rows = tile_rows;
  const auto plane = [&](const Slice& slice) {
    WeightPlane made;
    made.buffer = slice.buffer();
    made.offset = slice.offset();
    made.bytes = slice.size();
    made.address = slice.address();
    made.buffer_bytes = slice.buffer_bytes();
    return made;
  };
  columns.codes = plane(storage.codes);
  columns.scales = plane(storage.scales);

  const uint64_t tile_codes = tile_rows * sizes.codes, tile_scales = tile_rows * sizes.scales;
  const auto groups = static_cast<size_t>(view.cols / 32);
  const size_t column_bytes = tile_rows * layout.bits / 8;
  const auto bring = [&](int64_t tile, std::byte* codes, std::byte* scales) {
    std::vector<std::byte> row_codes(sizes.codes), row_scales(sizes.scales);
    std::memset(codes, 0, tile_codes);
    for (size_t r = 0; r < tile_rows; ++r) {
      PackRow(view, tile * tile_rows + static_cast<int64_t>(r),
              {row_codes.data(), nullptr, row_scales.data(), nullptr});
      for (size_t g = 0; g < groups; ++g) {
        uint8_t unpacked[32];
        Unpack(row_codes.data() + g * 4 * layout.bits, layout.bits, unpacked);
        std::memcpy(scales + (g * tile_rows + r) * 2, row_scales.data() + g * 2, 2);
        for (size_t c = 0; c < 32; ++c) {
          std::byte* column = codes + (g * 32 + c) * column_bytes;
          if (layout.bits == 8) {
            column[r] = static_cast<std::byte>(unpacked[c]);
          } else {
            column[r / 2] |= static_cast<std::byte>(unpacked[c] << (4 * (r % 2)));
          }
        }
      }
    }
  };
  const int64_t tiles = view.rows / tile_rows;
  if (storage.codes.mapped() != nullptr) {
    team_.ParallelFor(tiles, 1, [&](int64_t begin, int64_t end, int) {
      std::vector<std::byte> codes(tile_codes), scales(tile_scales);
      for (int64_t t = begin; t < end; ++t) {
        bring(t, codes.data(), scales.data());
        const auto at = static_cast<uint64_t>(t);
        std::memcpy(storage.codes.mapped() + at * tile_codes, codes.data(), tile_codes);
        std::memcpy(storage.scales.mapped() + at * tile_scales, scales.data(), tile_scales);
      }
    });
  } else {
    std::vector<std::byte> codes(static_cast<size_t>(tiles) * tile_codes);
    std::vector<std::byte> scales(static_cast<size_t>(tiles) * tile_scales);
    team_.ParallelFor(tiles, 1, [&](int64_t begin, int64_t end, int) {
      for (auto t = static_cast<size_t>(begin); t < static_cast<size_t>(end); ++t) {
        bring(static_cast<int64_t>(t), codes.data() + t * tile_codes,
              scales.data() + t * tile_scales);
      }
    });
    memory_.Write(storage.codes, 0, codes);
    memory_.Write(storage.scales, 0, scales);
  }
  if (progress) progress(view.DataBytes());
  return columns_.emplace(KeyOf(view), columns).first->second;
}

}  // namespace tandem::vulkan
