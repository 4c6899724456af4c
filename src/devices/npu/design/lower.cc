// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/design/lower.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <string>

#include "core/error.h"

namespace tandem::npu {
namespace {

[[noreturn]] void Fail(std::string_view where, const std::string& problem, std::string hint = {}) {
  throw Error(ErrorKind::kInvalidArgument, fmt::format("{}: {}", where, problem), std::move(hint));
}

/// Sizes and strides beyond this are nonsense, and cannot overflow below it.
constexpr int64_t kMost = int64_t{1} << 40;

/// Up to four dimensions, innermost first.
struct Shape {
  std::array<int64_t, 4> size{1, 1, 1, 1};
  std::array<int64_t, 4> stride{0, 0, 0, 0};
  std::array<Padding, 4> padding{};
  size_t rank = 0;
  bool padded = false;
};

Shape ShapeOf(const Transfer& transfer, std::string_view where) {
  Shape shape;
  shape.rank = transfer.sizes.size();
  if (transfer.strides.size() != shape.rank || shape.rank > 4 || transfer.padding.size() > 4) {
    Fail(where, "sizes and strides are as many as each other, at most 4");
  }
  for (size_t i = 0; i < shape.rank; ++i) {
    const size_t d = shape.rank - 1 - i;
    shape.size[d] = transfer.sizes[i];
    shape.stride[d] = transfer.strides[i];
    if (shape.size[d] < 1 || shape.size[d] > kMost) {
      Fail(where, fmt::format("size {} of dimension {}: 1 or more", shape.size[d], d));
    }
    if (shape.stride[d] < 0 || shape.stride[d] > kMost) {
      Fail(where, fmt::format("stride {} of dimension {}: 0 or more", shape.stride[d], d));
    }
  }
  for (size_t i = 0; i < transfer.padding.size(); ++i) {
    const Padding& padding = transfer.padding[i];
    shape.padding[transfer.padding.size() - 1 - i] = padding;
    // The widest field has six bits, for words of four elements.
    if (padding.before < 0 || padding.after < 0 || padding.before > 252 || padding.after > 252) {
      Fail(where, "padding is 0 to 63 words or rows");
    }
    shape.padded = shape.padded || padding.before != 0 || padding.after != 0;
  }
  return shape;
}

int64_t Words(int64_t elements, int64_t bytes, std::string_view where, std::string_view what) {
  if (elements < 0 || elements > kMost) Fail(where, fmt::format("{} of {}", what, elements));
  if (elements * bytes % 4 != 0) {
    Fail(where, fmt::format("{} of {} elements of {} bytes is not a whole number of 32-bit words",
                            what, elements, bytes));
  }
  return elements * bytes / 4;
}

/// The step field of a stride.
int64_t Step(int64_t stride, int64_t bytes, size_t dimension, std::string_view where) {
  const auto what = fmt::format("stride of dimension {}", dimension);
  const int64_t words = Words(stride, bytes, where, what);
  if (words == 0) {
    Fail(where, fmt::format("{} is 0: a BD cannot stand still", what),
         "repeat the transfer through the outermost dimension");
  }
  return words - 1;
}

/// D0 moves words: elements below 32 bits must lie side by side.
int64_t InnerStep(const Shape& shape, int64_t bytes, std::string_view where) {
  if (shape.size[0] == 1 && bytes == 4 && shape.stride[0] == 0) return 0;
  if (shape.stride[0] == 1) return 0;
  if (bytes < 4) {
    Fail(where, fmt::format("inner stride {} of elements of {} bytes: a DMA moves 32-bit words, "
                            "so these must lie side by side",
                            shape.stride[0], bytes));
  }
  return Step(shape.stride[0], bytes, 0, where);
}

void SetWrap(TileKind kind, int64_t value, bool bounded_by_length, size_t dimension,
             std::string_view where, int64_t& field) {
  const int64_t most = kind == TileKind::kCore ? 255 : 1023;
  if (value > most && !bounded_by_length) {
    Fail(where,
         fmt::format("{} words or rows in dimension {}: a {} counts to {}", value, dimension,
                     TileKindName(kind), most),
         "split the dimension in two");
  }
  // The outermost one needs none: the length ends it.
  field = value > most ? 0 : value;
}

void SetIteration(int64_t count, int64_t stride, int64_t current, int64_t bytes,
                  std::string_view where, Descriptor& bd) {
  if (count < 1 || count > 64) {
    Fail(where, fmt::format("an iteration of {}: 64 is the largest", count));
  }
  if (current < 0 || current >= 64) Fail(where, fmt::format("iteration at {}: 0 to 63", current));
  bd.iteration_wrap = count - 1;
  bd.iteration_step = Step(stride, bytes, 3, where);
  bd.iteration_current = current;
}

void SetPadding(TileKind kind, const Shape& shape, int64_t bytes, std::string_view where,
                Descriptor& bd) {
  if (!shape.padded) return;
  if (kind != TileKind::kMemory) Fail(where, "only memory tiles pad");
  if (shape.padding[3].before != 0 || shape.padding[3].after != 0) {
    Fail(where, "padding of the fourth dimension: three have it");
  }
  bd.d0_before = Words(shape.padding[0].before, bytes, where, "padding");
  bd.d0_after = Words(shape.padding[0].after, bytes, where, "padding");
  bd.d1_before = shape.padding[1].before;
  bd.d1_after = shape.padding[1].after;
  bd.d2_before = shape.padding[2].before;
  bd.d2_after = shape.padding[2].after;
}

/// Elements of the lowest three dimensions, without padding.
int64_t Volume(const Shape& shape, std::string_view where) {
  int64_t volume = 1;
  for (size_t d = 0; d < 3; ++d) {
    if (volume > kMost / shape.size[d]) Fail(where, "a transfer too large to be one");
    volume *= shape.size[d];
  }
  return volume;
}

/// A stride of 0 above dimension 0 is a repetition: it moves to the free outermost dimension, where
/// the queue does it.
void MoveRepetitions(Shape& shape) {
  if (shape.size[3] != 1) return;
  for (const size_t d : {size_t{2}, size_t{1}}) {
    if (shape.size[d] == 1) continue;
    if (shape.stride[d] != 0) return;
    shape.size[3] = shape.size[d];
    shape.stride[3] = 0;
    shape.size[d] = 1;
    return;
  }
}

}  // namespace

int64_t LowerRuntimeShape(TileKind kind, const Transfer& transfer, Repeats repeats,
                          std::string_view where, Descriptor& bd) {
  const int64_t bytes = ElementBytes(transfer.type);
  Shape shape = ShapeOf(transfer, where);
  if (shape.rank == 0) {
    if (shape.padded) Fail(where, "padding needs sizes and strides");
    bd.length = Words(transfer.length, bytes, where, "a transfer");
    return 1;
  }
  if (const int64_t volume = Volume(shape, where); volume != transfer.length) {
    Fail(where, fmt::format("length {}: the lowest three dimensions are {} elements",
                            transfer.length, volume));
  }
  if (repeats == Repeats::kByQueue) MoveRepetitions(shape);
  const int64_t volume = Volume(shape, where);
  const bool row_major = shape.stride[0] == 1 &&
                         (shape.size[1] == 1 || shape.stride[1] == shape.size[0]) &&
                         (shape.size[2] == 1 || shape.stride[2] == shape.size[0] * shape.size[1]);
  const bool flat = shape.stride[0] == 1 && shape.size[1] == 1 && shape.size[2] == 1;
  const bool linear = !shape.padded && (kind == TileKind::kShim ? row_major : flat);
  const int64_t row = Words(shape.size[0], bytes, where, "a row");
  bd.length = Words(volume, bytes, where, "a transfer");
  if (!linear) {
    const bool plane = shape.size[2] > 1;
    bd.d0_step = InnerStep(shape, bytes, where);
    SetWrap(kind, row, shape.size[1] == 1 && !plane && !shape.padded, 0, where, bd.d0_wrap);
    SetWrap(kind, shape.size[1], !plane && !shape.padded, 1, where, bd.d1_wrap);
    if (shape.size[1] > 1) bd.d1_step = Step(shape.stride[1], bytes, 1, where);
    if (plane) bd.d2_step = Step(shape.stride[2], bytes, 2, where);
    const bool planes_padded = shape.padding[2].before != 0 || shape.padding[2].after != 0;
    if (kind == TileKind::kMemory && (plane || planes_padded)) {
      SetWrap(kind, shape.size[2], !shape.padded, 2, where, bd.d2_wrap);
    }
  }
  SetPadding(kind, shape, bytes, where, bd);
  if (shape.padded) {
    // What goes out on the stream counts.
    bd.length = (row + bd.d0_before + bd.d0_after) * (shape.size[1] + bd.d1_before + bd.d1_after) *
                (shape.size[2] + bd.d2_before + bd.d2_after);
  }
  if (shape.size[3] > 1 && shape.stride[3] > 0) {
    SetIteration(shape.size[3], shape.stride[3], 0, bytes, where, bd);
  }
  return shape.size[3];
}

void LowerStaticShape(TileKind kind, const Transfer& transfer, std::string_view where,
                      Descriptor& bd) {
  const int64_t bytes = ElementBytes(transfer.type);
  const Shape shape = ShapeOf(transfer, where);
  const size_t most = kind == TileKind::kMemory ? 4 : 3;
  if (shape.rank > most) {
    Fail(where, fmt::format("{} dimensions: a {} has {}", shape.rank, TileKindName(kind), most));
  }
  bd.length = Words(transfer.length, bytes, where, "a transfer");
  if (shape.rank > 0) {
    bd.d0_step = InnerStep(shape, bytes, where);
    SetWrap(kind, Words(shape.size[0], bytes, where, "a row"), shape.rank == 1 && !shape.padded, 0,
            where, bd.d0_wrap);
  }
  int64_t* const steps[] = {&bd.d0_step, &bd.d1_step, &bd.d2_step, &bd.d3_step};
  for (size_t d = 1; d < shape.rank; ++d) {
    const bool still = shape.size[d] == 1 && shape.stride[d] == 0;
    *steps[d] = still ? 0 : Step(shape.stride[d], bytes, d, where);
    const bool outermost = shape.rank == d + 1 && !shape.padded;
    if (d == 1) SetWrap(kind, shape.size[d], outermost, d, where, bd.d1_wrap);
    if (d == 2 && kind == TileKind::kMemory) {
      SetWrap(kind, shape.size[d], outermost, d, where, bd.d2_wrap);
    }
  }
  SetPadding(kind, shape, bytes, where, bd);
  if (transfer.iteration) {
    SetIteration(transfer.iteration->count, transfer.iteration->stride, transfer.iteration->current,
                 bytes, where, bd);
  }
}

void LowerControl(Tile tile, const Transfer& transfer, std::string_view where, Descriptor& bd) {
  bd.valid = 1;
  if (transfer.packet) {
    bd.enable_packet = 1;
    bd.packet_id = transfer.packet->id;
    bd.packet_type = transfer.packet->type;
  }
  const TileKind kind = KindOf(tile);
  const auto lock_id = [&](Tile at, int id) -> int64_t {
    if (id < 0 || id >= ResourcesOf(kind).locks) {
      Fail(where, fmt::format("lock {}: a {} has locks 0 to {}", id, TileKindName(kind),
                              ResourcesOf(kind).locks - 1));
    }
    const int away = at.column - tile.column;
    if (at.row != tile.row || std::abs(away) > 1 || (kind != TileKind::kMemory && away != 0)) {
      Fail(where, fmt::format("a lock of {} is out of reach", TileText(at)));
    }
    return kind == TileKind::kMemory ? LockWindow(away) + id : id;
  };
  if (transfer.acquire) {
    const LockAcquire& acquire = *transfer.acquire;
    bd.acquire_enable = 1;
    bd.acquire_id = lock_id(acquire.tile, acquire.id);
    bd.acquire_value = acquire.at_least ? -acquire.value : acquire.value;
  }
  if (transfer.release) {
    bd.release_id = lock_id(transfer.release->tile, transfer.release->id);
    bd.release_value = transfer.release->value;
  }
}

int64_t TileAddress(Tile tile, const Buffer& buffer, const Transfer& transfer,
                    std::string_view where) {
  const TileKind kind = KindOf(tile);
  if (!buffer.tile) Fail(where, fmt::format("buffer {} is in no tile", Printable(buffer.name)));
  const int away = buffer.tile->column - tile.column;
  if (buffer.tile->row != tile.row || std::abs(away) > 1 ||
      (kind != TileKind::kMemory && away != 0)) {
    Fail(where, fmt::format("buffer {} in {} is out of reach", Printable(buffer.name),
                            TileText(*buffer.tile)));
  }
  const int64_t bytes = buffer.address + transfer.offset * ElementBytes(transfer.type);
  if (bytes % 4 != 0) Fail(where, fmt::format("starts at byte {}, inside a 32-bit word", bytes));
  return (bytes + (kind == TileKind::kMemory ? MemoryWindow(away) : 0)) / 4;
}

void CheckInside(const Transfer& transfer, int64_t elements, std::string_view where) {
  const Shape shape = ShapeOf(transfer, where);
  if (transfer.offset < 0 || transfer.offset > kMost) {
    Fail(where, fmt::format("offset {}", transfer.offset));
  }
  int64_t last = transfer.offset + (shape.rank == 0 ? transfer.length - 1 : 0);
  for (size_t d = 0; d < shape.rank; ++d) {
    if (shape.size[d] > 1 && shape.stride[d] > (kMost - 1) / (shape.size[d] - 1)) {
      last = kMost;
    } else {
      last += (shape.size[d] - 1) * shape.stride[d];
    }
  }
  if (last >= elements) {
    Fail(where, fmt::format("reaches element {} of a buffer of {}", last, elements));
  }
}

}  // namespace tandem::npu
