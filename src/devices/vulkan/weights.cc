// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/weights.h"

#include <algorithm>

namespace tandem::vulkan {
namespace {

// Packed rows that are put together before they are staged.
constexpr uint64_t kChunkBytes = uint64_t{32} << 20;
// Bytes of a row's share of work that one thread takes at least.
constexpr uint64_t kPackWork = uint64_t{1} << 16;

std::byte* Plane(std::byte* base, int64_t row, uint64_t row_bytes) {
  return base == nullptr ? nullptr : base + static_cast<uint64_t>(row) * row_bytes;
}

PackedRow RowOf(const PackedRow& base, int64_t row, const RowSizes& sizes) {
  return {Plane(base.codes, row, sizes.codes), Plane(base.high, row, sizes.high),
          Plane(base.scales, row, sizes.scales), Plane(base.supers, row, sizes.supers)};
}

}  // namespace

const DeviceMatrix& Weights::Matrix(const WeightView& view, const Progress& progress) {
  const auto found = matrices_.find(KeyOf(view));
  if (found != matrices_.end()) return found->second;
  DeviceMatrix matrix;
  matrix.layout = LayoutOf(view.type);
  matrix.sizes = RowSizesOf(view.type, view.cols);
  matrix.rows = view.rows;
  matrix.cols = view.cols;
  const RowSizes& sizes = matrix.sizes;
  const auto rows = static_cast<uint64_t>(view.rows);
  const auto take = [&](uint64_t row_bytes) {
    return row_bytes == 0 ? Slice() : memory_.device().Take(rows * row_bytes);
  };
  matrix.codes = take(sizes.codes);
  matrix.high = take(sizes.high);
  matrix.scales = take(sizes.scales);
  matrix.supers = take(sizes.supers);

  const bool mapped = matrix.codes.mapped() != nullptr;
  const int64_t chunk =
      mapped ? view.rows : std::max<int64_t>(1, static_cast<int64_t>(kChunkBytes / sizes.total()));
  std::vector<std::byte> buffer;
  if (!mapped) buffer.resize(std::min<uint64_t>(rows, chunk) * sizes.total());
  const int64_t grain = static_cast<int64_t>(kPackWork / sizes.total()) + 1;
  for (int64_t first = 0; first < view.rows; first += chunk) {
    const int64_t count = std::min(chunk, view.rows - first);
    const auto n = static_cast<uint64_t>(count);
    PackedRow base{matrix.codes.mapped(), matrix.high.mapped(), matrix.scales.mapped(),
                   matrix.supers.mapped()};
    if (!mapped) {
      base.codes = buffer.data();
      base.high = base.codes + n * sizes.codes;
      base.scales = base.high + n * sizes.high;
      base.supers = base.scales + n * sizes.scales;
    }
    team_.ParallelFor(count, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) PackRow(view, first + r, RowOf(base, r, sizes));
    });
    if (mapped) continue;
    const auto write = [&](const Slice& slice, const std::byte* data, uint64_t row_bytes) {
      if (row_bytes == 0) return;
      memory_.Write(slice, static_cast<uint64_t>(first) * row_bytes, {data, n * row_bytes});
    };
    write(matrix.codes, base.codes, sizes.codes);
    write(matrix.high, base.high, sizes.high);
    write(matrix.scales, base.scales, sizes.scales);
    write(matrix.supers, base.supers, sizes.supers);
  }
  if (progress) progress(view.DataBytes());
  return matrices_.emplace(KeyOf(view), std::move(matrix)).first->second;
}

const Slice& Weights::Vector(std::span<const float> values) {
  const std::pair key{values.data(), values.size()};
  const auto found = vectors_.find(key);
  if (found != vectors_.end()) return found->second;
  Slice slice = memory_.device().Take(values.size_bytes());
  memory_.Write(slice, 0, std::as_bytes(values));
  return vectors_.emplace(key, std::move(slice)).first->second;
}

}  // namespace tandem::vulkan
