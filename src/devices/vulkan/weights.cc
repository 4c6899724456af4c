// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/weights.h"

#include <algorithm>

namespace tandem::vulkan {
namespace {

// Any binding may begin there, on every device.
constexpr uint64_t kVectorAlignment = 256;
uint64_t VectorBytes(size_t floats) {
  return (floats * sizeof(float) + kVectorAlignment - 1) / kVectorAlignment * kVectorAlignment;
}

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

bool Follows(const WeightPlane& a, const WeightPlane& b) {
  return a.buffer == b.buffer && (a.bytes == 0 || a.offset + a.bytes == b.offset);
}

// Of a plane of a stack, the rows of one matrix.
WeightPlane PlaneOf(const Slice& slice, uint64_t first, uint64_t rows, uint64_t row_bytes) {
  WeightPlane plane;
  if (row_bytes == 0) return plane;
  plane.buffer = slice.buffer();
  plane.offset = slice.offset() + first * row_bytes;
  plane.bytes = rows * row_bytes;
  plane.address = slice.address() + first * row_bytes;
  plane.buffer_bytes = slice.buffer_bytes();
  return plane;
}

}  // namespace

bool DeviceMatrix::GoesOnWith(const DeviceMatrix& next) const {
  return layout == next.layout && cols == next.cols && Follows(codes, next.codes) &&
         Follows(high, next.high) && Follows(scales, next.scales) && Follows(supers, next.supers);
}

void Weights::Expect(uint64_t bytes, uint64_t binding_bytes) {
  // What every driver takes as one allocation, in whole slices.
  constexpr uint64_t kMost = uint64_t{2} << 30;
  memory_.weights().Expect(bytes, std::min(kMost, binding_bytes) / 256 * 256);
}

const Weights::Storage& Weights::Take(const RowSizes& sizes, uint64_t rows) {
  const auto take = [&](uint64_t row_bytes) {
    return row_bytes == 0 ? Slice() : memory_.weights().Take(rows * row_bytes);
  };
  Storage storage;
  storage.codes = take(sizes.codes);
  storage.high = take(sizes.high);
  storage.scales = take(sizes.scales);
  storage.supers = take(sizes.supers);
  return storage_.emplace_back(std::move(storage));
}

const DeviceMatrix& Weights::Matrix(const WeightView& view, const Progress& progress) {
  Stack({&view, 1}, progress);
  return matrices_.at(KeyOf(view));
}

void Weights::Stack(std::span<const WeightView> views, const Progress& progress) {
  const uint64_t alignment = context_.limits().minStorageBufferOffsetAlignment;
  for (size_t begin = 0; begin < views.size();) {
    if (Has(views[begin])) {
      ++begin;
      continue;
    }
    const Layout layout = LayoutOf(views[begin].type);
    const RowSizes sizes = RowSizesOf(views[begin].type, views[begin].cols);
    // Each matrix must also be bound alone.
    const auto aligned = [&](uint64_t rows) {
      return rows * sizes.codes % alignment == 0 && rows * sizes.high % alignment == 0 &&
             rows * sizes.scales % alignment == 0 && rows * sizes.supers % alignment == 0;
    };
    uint64_t rows = static_cast<uint64_t>(views[begin].rows);
    size_t end = begin + 1;
    while (end < views.size() && !Has(views[end]) && views[end].cols == views[begin].cols &&
           LayoutOf(views[end].type) == layout && aligned(rows)) {
      rows += static_cast<uint64_t>(views[end++].rows);
    }
    const Storage& storage = Take(sizes, rows);
    uint64_t first = 0;
    for (; begin < end; ++begin) {
      Load(views[begin], storage, first, progress);
      first += static_cast<uint64_t>(views[begin].rows);
    }
  }
}

std::vector<DeviceMatrix> Weights::Runs(std::span<const WeightView> views) {
  std::vector<DeviceMatrix> runs;
  for (const WeightView& view : views) {
    const DeviceMatrix& matrix = Matrix(view, {});
    if (runs.empty() || !runs.back().GoesOnWith(matrix)) {
      runs.push_back(matrix);
      continue;
    }
    DeviceMatrix& run = runs.back();
    run.rows += matrix.rows;
    run.codes.bytes += matrix.codes.bytes;
    run.high.bytes += matrix.high.bytes;
    run.scales.bytes += matrix.scales.bytes;
    run.supers.bytes += matrix.supers.bytes;
  }
  return runs;
}

void Weights::Load(const WeightView& view, const Storage& storage, uint64_t first_row,
                   const Progress& progress) {
  if (Has(view)) return;  // twice in a stack
  DeviceMatrix matrix;
  matrix.layout = LayoutOf(view.type);
  matrix.sizes = RowSizesOf(view.type, view.cols);
  matrix.rows = view.rows;
  matrix.cols = view.cols;
  const RowSizes& sizes = matrix.sizes;
  const auto rows = static_cast<uint64_t>(view.rows);
  matrix.codes = PlaneOf(storage.codes, first_row, rows, sizes.codes);
  matrix.high = PlaneOf(storage.high, first_row, rows, sizes.high);
  matrix.scales = PlaneOf(storage.scales, first_row, rows, sizes.scales);
  matrix.supers = PlaneOf(storage.supers, first_row, rows, sizes.supers);

  const bool mapped = storage.codes.mapped() != nullptr;
  const int64_t chunk =
      mapped ? view.rows : std::max<int64_t>(1, static_cast<int64_t>(kChunkBytes / sizes.total()));
  std::vector<std::byte> buffer;
  if (!mapped) buffer.resize(std::min<uint64_t>(rows, chunk) * sizes.total());
  const int64_t grain = static_cast<int64_t>(kPackWork / sizes.total()) + 1;
  const auto own = static_cast<int64_t>(first_row);
  for (int64_t first = 0; first < view.rows; first += chunk) {
    const int64_t count = std::min(chunk, view.rows - first);
    const auto n = static_cast<uint64_t>(count);
    PackedRow base;
    if (mapped) {
      base = RowOf({storage.codes.mapped(), storage.high.mapped(), storage.scales.mapped(),
                    storage.supers.mapped()},
                   own, sizes);
    } else {
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
      memory_.Write(slice, (first_row + static_cast<uint64_t>(first)) * row_bytes,
                    {data, n * row_bytes});
    };
    write(storage.codes, base.codes, sizes.codes);
    write(storage.high, base.high, sizes.high);
    write(storage.scales, base.scales, sizes.scales);
    write(storage.supers, base.supers, sizes.supers);
  }
  if (progress) progress(view.DataBytes());
  matrices_.emplace(KeyOf(view), matrix);
}

void Weights::Reserve(const Program& program) {
  if (vectors_.contains(&program)) return;
  uint64_t bytes = 0;
  for (const Op& op : program.ops) {
    for (const std::span<const float> vector : UseOf(op.body).vectors) {
      bytes += VectorBytes(vector.size());
    }
  }
  Arena arena;
  arena.slice = memory_.device().Take(std::max<uint64_t>(bytes, 16));
  vectors_.emplace(&program, std::move(arena));
}

Tensor Weights::Vectors(const Program& program) const {
  return Tensor::Of(vectors_.at(&program).slice);
}

Tensor Weights::Vector(const Program& program, std::span<const float> values) {
  Arena& arena = vectors_.at(&program);
  const auto [it, is_new] = arena.offsets.try_emplace({values.data(), values.size()}, arena.used);
  if (is_new) {
    memory_.Write(arena.slice, arena.used, std::as_bytes(values));
    arena.used += VectorBytes(values.size());
  }
  return {arena.slice.buffer(), arena.slice.offset() + it->second, values.size_bytes()};
}

}  // namespace tandem::vulkan
