// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What ops share: products, norms, parts of values.
#include "devices/vulkan/lowering.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem::vulkan {
namespace {

constexpr uint32_t kRowThreads = 256;
constexpr uint32_t kQuantizeThreads = 128;  // a quad each
constexpr uint32_t kProductThreads = 128;   // at least: a subgroup may be as large as 64

// Scratch of 8-bit activations; ops use numbers from 2 on.
constexpr size_t kCodesScratch = 0;
constexpr size_t kGroupsScratch = 1;

// Rows that a subgroup makes, and activation rows that it makes them for. Few rows a subgroup keep
// many workgroups in flight, which short matrices need more than reuse of activations.
struct Tile {
  uint32_t rows, columns;
};
Tile TileFor(uint64_t weight_rows, uint64_t count) {
  if (count == 1) return {weight_rows >= 16384 ? 4U : weight_rows >= 4096 ? 2U : 1U, 1};
  return {2, count >= 4 ? 4U : 2U};
}

// Whole rows of every plane that a binding reaches, by 64 so that each part begins where a binding
// may.
int64_t PartRows(const DeviceMatrix& w, uint64_t binding_bytes) {
  const RowSizes& sizes = w.sizes;
  const uint64_t widest = std::max({sizes.codes, sizes.high, sizes.scales, sizes.supers});
  const auto most = static_cast<int64_t>(binding_bytes / widest);
  return most >= w.rows ? w.rows : most / 64 * 64;
}

Tensor RowsOf(const WeightPlane& plane, uint64_t row_bytes, int64_t first, int64_t count) {
  if (plane.buffer == VK_NULL_HANDLE) return {};
  return {plane.buffer, plane.offset + static_cast<uint64_t>(first) * row_bytes,
          static_cast<uint64_t>(count) * row_bytes};
}

Support No(std::string reason) { return {false, std::move(reason)}; }

}  // namespace

Support SupportsOp(const Program& program, const Op& op, uint64_t binding_bytes) {
  if (const auto* qkv = std::get_if<QkvProject>(&op.body)) {
    if (qkv->head_dim > kMaxHeadDims) {
      return No(fmt::format("a head dimension of {}, at most {}", qkv->head_dim, kMaxHeadDims));
    }
  }
  if (const auto* attention = std::get_if<Attention>(&op.body)) {
    const int dims = program.caches[static_cast<size_t>(attention->cache)].head_dim;
    if (dims > kMaxHeadDims || dims % 2 != 0) {
      return No(fmt::format("a head dimension of {}, at most {}, even", dims, kMaxHeadDims));
    }
  }
  const bool altup = std::holds_alternative<AltUpPredict>(op.body) ||
                     std::holds_alternative<AltUpCorrect>(op.body);
  for (const ValueId id : UseOf(op.body).writes) {
    const int64_t planes = program.values[static_cast<size_t>(id)].planes;
    if (altup && planes > kMaxStreams) {
      return No(fmt::format("{} AltUp streams, at most {}", planes, kMaxStreams));
    }
  }
  for (const WeightView& matrix : UseOf(op.body).matrices) {
    const RowSizes sizes = RowSizesOf(matrix.type, matrix.cols);
    const uint64_t widest = std::max({sizes.codes, sizes.high, sizes.scales, sizes.supers});
    if (64 * widest > binding_bytes) {
      return No(fmt::format("matrix rows of {} bytes", widest));
    }
  }
  return {};
}

void Lowering::Run(const Op& op) {
  set_ = op.rows;
  if (rows() == 0) return;
  std::visit([this](const auto& body) { Lower(body); }, op.body);
}

void Lowering::MatMul(const WeightView& w, const Part& x, const Part& y, float cap) {
  MatMul(weights_.Matrix(w, {}), x, y, cap);
}

void Lowering::MatMulAll(std::span<const WeightView> views, const Part& x, const Part& y) {
  // Of one token, what lies together is one product.
  if (rows() == 1) {
    const std::vector<DeviceMatrix> runs = weights_.Runs(views);
    uint64_t first = y.first;
    for (const DeviceMatrix& run : runs) {
      const auto count = static_cast<uint64_t>(run.rows);
      MatMul(run, x, {y.tensor, first, count}, 0);
      first += count;
    }
    return;
  }
  for (size_t i = 0; i < views.size(); ++i) {
    const uint64_t each = y.count / views.size();
    MatMul(views[i], x, {y.tensor, y.first + i * each, each});
  }
}

void Lowering::MatMul(const DeviceMatrix& w, const Part& x, const Part& y, float cap) {
  if (w.layout.quantized) {
    const Activation codes = Quantized(x, static_cast<uint64_t>(w.cols));
    MatMulInt8(w, codes.codes, codes.groups, y, cap);
  } else {
    MatMulFloat(w, x, y, cap);
  }
  Forget(y);
}

void Lowering::Forget(const Part& y) {
  const auto begin = [](const Part& part) {
    return part.tensor.offset + part.first * sizeof(float);
  };
  const auto end = [&](const Part& part) { return begin(part) + part.count * sizeof(float); };
  if (quantized_.tensor.buffer == y.tensor.buffer && begin(quantized_) < end(y) &&
      begin(y) < end(quantized_)) {
    quantized_ = {};
  }
}

Lowering::Activation Lowering::CodesOf(const Part& x) {
  quantized_ = x;
  return {{}, Scratch(kCodesScratch, x.count / 4), Scratch(kGroupsScratch, x.count / 32 * 2)};
}

Lowering::Activation Lowering::Quantized(const Part& x, uint64_t cols) {
  const bool same = quantized_.count == x.count && quantized_.first == x.first &&
                    quantized_.tensor.buffer == x.tensor.buffer &&
                    quantized_.tensor.offset == x.tensor.offset;
  const uint64_t groups = rows() * cols / 32;
  const Activation made{
      {}, Scratch(kCodesScratch, groups * 8), Scratch(kGroupsScratch, groups * 2)};
  if (!same || recorder_.counts_only())
    Quantize({x.tensor, x.first, rows() * cols}, made.codes, made.groups);
  quantized_ = x;
  return made;
}

void Lowering::Quantize(const Part& x, const Part& codes, const Part& groups) {
  const uint64_t quads = x.count / 4;
  recorder_.Dispatch(Kernel::kQuantize, {kQuantizeThreads}, {In(x), Out(codes), Out(groups)},
                     {x.first, quads}, GridOf((quads + kQuantizeThreads - 1) / kQuantizeThreads));
}

void Lowering::GatedCodes(const Part& a, const Part& b, const Part& codes, const Part& groups) {
  const uint64_t quads = a.count / 4;
  recorder_.Dispatch(Kernel::kGatedCodes, {kQuantizeThreads},
                     {In(a), In(b), Out(codes), Out(groups)}, {quads, b.first / 4},
                     GridOf((quads + kQuantizeThreads - 1) / kQuantizeThreads));
}

void Lowering::Multiply(RowSet set, const WeightView& w, const Activation& x, const Part& y) {
  set_ = set;
  const DeviceMatrix matrix = weights_.Matrix(w, {});
  if (matrix.layout.quantized) {
    MatMulInt8(matrix, x.codes, x.groups, y, 0);
  } else {
    MatMulFloat(matrix, x.floats, y, 0);
  }
}

// Parts write other columns of the same rows.
Access Lowering::OutRows(const Part& y, int64_t first, int64_t count) const {
  const auto at = static_cast<uint64_t>(first);
  return Out({y.tensor, y.first + at, rows() == 1 ? static_cast<uint64_t>(count) : y.count - at});
}

void Lowering::MatMulInt8(const DeviceMatrix& w, const Part& codes, const Part& groups,
                          const Part& y, float cap) {
  const Layout& layout = w.layout;
  const Tile tile = TileFor(static_cast<uint64_t>(w.rows), rows());
  const uint64_t together = kProductThreads / context_.subgroup() * tile.rows;
  const int64_t part_rows = PartRows(w, binding_bytes_);
  for (int64_t first = 0; first < w.rows; first += part_rows) {
    const int64_t count = std::min(part_rows, w.rows - first);
    const auto part = [&](const WeightPlane& plane, uint64_t row_bytes) {
      return Constant(RowsOf(plane, row_bytes, first, count));
    };
    const auto dispatch = [&](Kernel kernel, std::span<const uint32_t> constants, Grid grid) {
      recorder_.Dispatch(
          kernel, constants,
          {part(w.codes, w.sizes.codes), part(w.high, w.sizes.high), part(w.scales, w.sizes.scales),
           part(w.supers, w.sizes.supers), In(codes), In(groups), OutRows(y, first, count)},
          {w.cols / 32, count, w.sizes.scales / 4, rows(), y.first + static_cast<uint64_t>(first),
           w.rows, cap},
          grid);
    };
    const auto weight_rows = static_cast<uint64_t>(count);
    if (rows() >= kGemmRows) {
      const Gemm gemm = gemms_.Choose(layout, weight_rows, rows());
      dispatch(gemm.kernel, gemm.constants, gemm.GridFor(weight_rows, rows()));
      continue;
    }
    const uint32_t constants[] = {
        kProductThreads, layout.bits, layout.group, static_cast<uint32_t>(layout.minus),
        layout.scales,   tile.rows,   tile.columns};
    dispatch(context_.integer_dot() ? Kernel::kMatMulInt8Dot : Kernel::kMatMulInt8, constants,
             GridOf((weight_rows + together - 1) / together,
                    static_cast<uint32_t>((rows() + tile.columns - 1) / tile.columns)));
  }
}

void Lowering::MatMulFloat(const DeviceMatrix& w, const Part& x, const Part& y, float cap) {
  const Tile tile = TileFor(static_cast<uint64_t>(w.rows), rows());
  const uint64_t together = kProductThreads / context_.subgroup() * tile.rows;
  const int64_t part_rows = PartRows(w, binding_bytes_);
  for (int64_t first = 0; first < w.rows; first += part_rows) {
    const int64_t count = std::min(part_rows, w.rows - first);
    const auto dispatch = [&](Kernel kernel, std::span<const uint32_t> constants, Grid grid) {
      recorder_.Dispatch(
          kernel, constants,
          {Constant(RowsOf(w.codes, w.sizes.codes, first, count)), In(x), OutRows(y, first, count)},
          {w.cols, count, w.sizes.codes / 16, rows(), x.first,
           y.first + static_cast<uint64_t>(first), w.rows, cap},
          grid);
    };
    const auto weight_rows = static_cast<uint64_t>(count);
    if (rows() >= kGemmRows) {
      const Gemm gemm = gemms_.Choose(w.layout, weight_rows, rows());
      dispatch(gemm.kernel, gemm.constants, gemm.GridFor(weight_rows, rows()));
      continue;
    }
    const uint32_t constants[] = {kProductThreads, w.layout.float_type, 0, 0, 0,
                                  tile.rows,       tile.columns};
    dispatch(Kernel::kMatMulFloat, constants,
             GridOf((weight_rows + together - 1) / together,
                    static_cast<uint32_t>((rows() + tile.columns - 1) / tile.columns)));
  }
}

void Lowering::Norm(const NormArgs& args) {
  const auto flag = [](bool on) { return on ? 1U : 0U; };
  const uint64_t plane = args.rows * args.width;
  recorder_.Dispatch(Kernel::kNorm,
                     {kRowThreads, flag(args.norm), flag(!args.weight.empty()),
                      flag(args.a != nullptr), flag(args.b != nullptr), flag(args.add_planes > 0)},
                     {In(args.x), args.weight.empty() ? None() : Vector(args.weight),
                      args.a == nullptr ? None() : In(*args.a),
                      args.b == nullptr ? None() : In(*args.b), Out(args.y)},
                     {args.width, args.x.first, args.a == nullptr ? uint64_t{0} : args.a->first,
                      args.b == nullptr ? uint64_t{0} : args.b->first, args.y.first,
                      args.add_planes, plane, args.eps, args.in_scale, args.mix},
                     GridOf(args.rows));
  Forget(args.y);
}

}  // namespace tandem::vulkan
