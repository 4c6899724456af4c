// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights in the layout that kernels read: whole rows of 16-byte loads, scales apart from them.
// Every stored value is kept exactly:
//
//   F32                   as it is              F16, BF16              as it is, 16 bits
//   Q4_0 Q4_1 Q4_K        4-bit codes           Q2_K Q3_K              4-bit codes
//   Q5_0 Q5_1 Q5_K Q6_K   6-bit codes           Q8_0 IQ4_NL IQ4_XS     8-bit codes
//
// with a half (two with a minimum) for each 32 columns, or, for the K types and IQ4_XS, halves for
// each 256 columns and bytes for each 32 or 16. shaders/weights.glsl says where codes lie.
//
// A matrix is bound in parts of whole rows, each within what a binding reaches: descriptors with
// 32-bit offsets cost kernels less than 64-bit addresses (RADV: 146 against 180 vector instructions
// in a product of four rows), and parts are independent dispatches.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "core/thread_team.h"
#include "devices/vulkan/memory.h"
#include "formats/weight_view.h"
#include "program/program.h"

namespace tandem::vulkan {

/// How a type is kept. The numbers are the kernels' specialisation constants.
struct Layout {
  bool quantized = false;
  uint32_t float_type = 0;  ///< 0 float, 1 half, 2 bfloat16; of weights that are not quantised
  uint32_t bits = 0;        ///< Of a code: 4, 6 or 8.
  uint32_t group = 32;      ///< Columns with one scale.
  int32_t minus = 0;        ///< weight = scale * (code - minus) + min
  uint32_t scales = 0;      ///< 0 halves, 1 with min, 2 super-blocks, 3 with min

  bool operator==(const Layout&) const = default;
};
Layout LayoutOf(DType type);

/// Bytes that a row of each plane takes.
struct RowSizes {
  uint64_t codes = 0;  ///< Of weights that are not quantised: the row itself.
  uint64_t high = 0;   ///< The upper bits of 6.
  uint64_t scales = 0;
  uint64_t supers = 0;
  uint64_t total() const { return codes + high + scales + supers; }
};
RowSizes RowSizesOf(DType type, int64_t cols);

/// Where PackRow writes one row.
struct PackedRow {
  std::byte* codes = nullptr;
  std::byte* high = nullptr;
  std::byte* scales = nullptr;
  std::byte* supers = nullptr;
};
/// Row `row` of `w`, every byte of `to` written once, from front to back of each plane.
void PackRow(const WeightView& w, int64_t row, const PackedRow& to);

/// What of a matrix lies together, and where: for bindings, and for kernels that take addresses.
struct WeightPlane : Tensor {
  uint64_t address = 0;
  uint64_t buffer_bytes = 0;  ///< Of the whole buffer that it is a part of.
};

/// A matrix on the device.
struct DeviceMatrix {
  Layout layout;
  RowSizes sizes;
  int64_t rows = 0;
  int64_t cols = 0;
  WeightPlane codes, high, scales, supers;

  /// Whether `next` lies where this one's rows end, in every plane: together they are one matrix.
  bool GoesOnWith(const DeviceMatrix& next) const;
};

/// A matrix a second time, by columns: for products with activations that are mostly zero. By tiles
/// of `tile_rows` rows and groups of 32 columns: of the codes, the rows of a column lie together, 4
/// or 8 bits each, the first of a word in its lowest; of the scales, a half for each row.
struct DeviceColumns {
  Layout layout;
  uint32_t tile_rows = 0;
  WeightPlane codes, scales;
};
/// Whether `view` can be kept so.
bool HasColumns(const WeightView& view, uint32_t tile_rows);

/// The weights of a device, each matrix once however often it is used. Owns them.
class Weights {
 public:
  /// Told after each matrix how many bytes of the model that was.
  using Progress = std::function<void(uint64_t bytes)>;

  Weights(Context& context, Memory& memory, int threads)
      : context_(context), memory_(memory), team_(threads) {}

  /// About `bytes` are going to be brought; a binding reaches `binding_bytes` of them.
  void Expect(uint64_t bytes, uint64_t binding_bytes);
  /// Brings it to the device on first use. Throws Error kResource.
  const DeviceMatrix& Matrix(const WeightView& view, const Progress& progress);
  /// Brings matrices to the device one behind the other, so that one dispatch can multiply them
  /// all; those that cannot lie so (DeviceMatrix::GoesOnWith) are brought all the same.
  void Stack(std::span<const WeightView> views, const Progress& progress);
  /// Matrices one after another, those that lie so as one.
  std::vector<DeviceMatrix> Runs(std::span<const WeightView> views);
  /// The matrix by columns, brought on first use. REQUIRES: HasColumns(view, tile_rows).
  const DeviceColumns& ByColumns(const WeightView& view, uint32_t tile_rows,
                                 const Progress& progress);
  bool Has(const WeightView& view) const { return matrices_.contains(KeyOf(view)); }
  /// A vector of floats of `program`, likewise.
  Tensor Vector(const Program& program, std::span<const float> values);
  /// Where all vectors of `program` lie. REQUIRES: Reserve() was called for it.
  Tensor Vectors(const Program& program) const;
  /// Makes room for the vectors of `program` as a whole.
  void Reserve(const Program& program);
  /// Threads that pack, for other work on the host.
  ThreadTeam& team() { return team_; }

 private:
  using Key = std::tuple<const std::byte*, DType, int64_t, int64_t, size_t>;
  static Key KeyOf(const WeightView& view) {
    return {view.data, view.type, view.rows, view.cols, view.row_stride};
  }

  // Vectors of a program, one after another.
  struct Arena {
    Slice slice;
    uint64_t used = 0;
    std::map<std::pair<const float*, size_t>, uint64_t> offsets;
  };
  // Slices of the planes of a matrix or a stack of them.
  struct Storage {
    Slice codes, high, scales, supers;
  };
  const Storage& Take(const RowSizes& sizes, uint64_t rows);
  void Load(const WeightView& view, const Storage& storage, uint64_t first_row,
            const Progress& progress);

  Context& context_;
  Memory& memory_;
  ThreadTeam team_;
  std::list<Storage> storage_;
  std::map<Key, DeviceMatrix> matrices_;
  std::map<Key, DeviceColumns> columns_;
  std::map<const Program*, Arena> vectors_;
};

}  // namespace tandem::vulkan
