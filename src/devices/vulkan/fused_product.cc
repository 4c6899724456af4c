// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products and tails as dispatches.
#include <algorithm>
#include <bit>

#include "devices/vulkan/fused_lowering.h"
#include "devices/vulkan/fused_slots.h"

namespace tandem::vulkan {
namespace {

// A group of this many neurons is what a workgroup of the gated ends makes.
constexpr uint32_t kNeurons = 32;
// Subgroups that share a row: an H200 made 605 tokens a second of E2B with one, and 629, 637 and
// 628 with two, four and eight.
constexpr uint32_t kMostSlices = 4;
// Shares of a product by columns.
constexpr uint32_t kMostShares = 16;

uint32_t Bits(bool on) { return on ? 1U : 0U; }

// Rows [first, first + count) of a plane.
Access RowsOf(const WeightPlane& plane, uint64_t row_bytes, uint64_t first, uint64_t count) {
  if (plane.buffer == VK_NULL_HANDLE) return None();
  return Constant({plane.buffer, plane.offset + first * row_bytes, count * row_bytes});
}

// Where a row begins in its buffer.
uint64_t RowAt(const WeightPlane& plane, uint64_t row_bytes, uint64_t row) {
  return plane.buffer == VK_NULL_HANDLE ? 0 : plane.offset + row * row_bytes;
}

// Whether all planes of a matrix lie in one.
bool OneBuffer(const DeviceMatrix& w) {
  const auto same = [&](const WeightPlane& plane) {
    return plane.buffer == VK_NULL_HANDLE || plane.buffer == w.codes.buffer;
  };
  return same(w.high) && same(w.scales) && same(w.supers);
}

// How the rows of a product are shared out.
struct Tile {
  uint32_t lanes;   // of a row
  uint32_t rows;    // that they make one after another
  uint32_t unroll;  // steps along a row at a time
  uint32_t slices;  // subgroups that share a row
};

// Few rows a subgroup keep many workgroups in flight, which short matrices need; more reuse the
// activations, and ask for more weights before they wait. Of a short matrix with long rows several
// subgroups share each (`shares`: where they can).
Tile TileFor(uint64_t rows, uint64_t blocks, uint32_t subgroup, uint32_t threads, bool neurons,
             bool shares) {
  const uint32_t lanes = std::min<uint32_t>(subgroup, std::bit_ceil(static_cast<uint32_t>(blocks)));
  auto steps = static_cast<uint32_t>((blocks + lanes - 1) / lanes);
  uint32_t each = rows > 16384 ? 4 : rows > 4096 ? 2 : 1;
  // Of neurons, a gate and an up each.
  if (neurons) each = std::clamp(kNeurons * subgroup / threads, 1U, 2U);
  uint32_t slices = 1;
  if (shares && each == 1) {
    const auto fits = [&](uint32_t by) {
      return blocks % (uint64_t{by} * lanes) == 0 && threads / subgroup % by == 0;
    };
    while (slices < kMostSlices && fits(2 * slices)) slices *= 2;
    steps /= slices;
  }
  return {lanes, each, std::clamp(8 / each, 1U, std::bit_floor(steps)), slices};
}

Kernel KernelFor(bool quantized, bool dot, bool tail, bool head) {
  if (!quantized) {
    return head ? Kernel::kFusedFloatHead : tail ? Kernel::kFusedFloatTail : Kernel::kFusedFloat;
  }
  if (head) return dot ? Kernel::kFusedInt8DotHead : Kernel::kFusedInt8Head;
  if (tail) return dot ? Kernel::kFusedInt8DotTail : Kernel::kFusedInt8Tail;
  return dot ? Kernel::kFusedInt8Dot : Kernel::kFusedInt8;
}

}  // namespace

// In the order of shaders/fused_push.glsl.
struct FusedLowering::Push {
  uint32_t codes_at = 0, high_at = 0, scales_at = 0, supers_at = 0;
  uint32_t rows = 0, scale_stride = 0, x = 0, x_groups = 0, y = 0, pair = 0, other = 0;
  uint32_t arrivals = 0, counter = 0;
  uint32_t y4 = 0, a4 = 0, b4 = 0, h4 = 0, streams4 = 0, predictions4 = 0, n4 = 0;
  uint32_t codes = 0, groups = 0;
  uint32_t post = 0, router_norm = 0, router = 0, coefficients = 0, next = 0;
  float eps = 0, router_scale = 0, mix = 0;

  std::vector<Word> Words() const {
    return {codes_at,     high_at, scales_at,   supers_at, rows,         scale_stride, x,
            x_groups,     y,       pair,        other,     arrivals,     counter,      y4,
            a4,           b4,      h4,          streams4,  predictions4, n4,           codes,
            groups,       post,    router_norm, router,    coefficients, next,         eps,
            router_scale, mix};
  }
};

uint32_t FusedLowering::At(const Part& part) const {
  if (part.empty()) return 0;
  const uint64_t bytes = part.tensor.offset - plan_.Workspace().offset;
  return static_cast<uint32_t>(bytes / sizeof(float) + part.first);
}

uint32_t FusedLowering::VectorAt(std::span<const float> values) {
  if (values.empty()) return 0;
  const Tensor vector = weights_.Vector(program_, values);
  return static_cast<uint32_t>((vector.offset - weights_.Vectors(program_).offset) / 16);
}

uint32_t FusedLowering::NextCounter(uint32_t count) {
  if (counter_ + count > kFusedCounters) counter_ = 0;
  counter_ += count;
  return counter_ - count;
}

void FusedLowering::Describe(const Tail& tail, std::vector<uint32_t>& constants, Push& push,
                             Accesses& accesses) {
  const bool cut = tail.cut.has_value();
  const bool streams = tail.streams != kNoId;
  const uint64_t planes = streams ? Planes(tail.streams) : 1;
  const Activation& out = tail.out;
  // Constants 9 to 22 (shaders/tail.glsl).
  const uint32_t numbers[] = {Bits(cut),
                              Bits(!tail.post.empty()),
                              Bits(!tail.a.empty()),
                              Bits(!tail.b.empty()),
                              Bits(!tail.h.empty()),
                              Bits(tail.add_streams),
                              static_cast<uint32_t>(tail.altup),
                              static_cast<uint32_t>(tail.next),
                              Bits(!out.floats.empty()),
                              Bits(!out.codes.empty()),
                              static_cast<uint32_t>(planes),
                              tail.active,
                              static_cast<uint32_t>(tail.width / 4),
                              Bits(!tail.next_weight.empty())};
  constants.insert(constants.end(), std::begin(numbers), std::end(numbers));
  push.y4 = Quad(tail.y);
  push.a4 = Quad(tail.a);
  push.b4 = Quad(tail.b);
  push.h4 = Quad(tail.h);
  push.n4 = Quad(out.floats);
  push.codes = At(out.codes);
  push.groups = At(out.groups);
  push.post = VectorAt(tail.post);
  push.next = VectorAt(tail.next_weight);
  push.eps = tail.eps;
  push.mix = cut ? *tail.cut : tail.match ? *tail.match : tail.mix;
  // Else it may be what the product's own results meet.
  if (!tail.other.empty()) push.other = Quad(tail.other);
  for (const Part& part : {tail.y, tail.a, tail.b, tail.other}) {
    if (!part.empty()) accesses.push_back(In(part));
  }
  for (const Part& part : {tail.h, out.floats, out.codes, out.groups}) {
    if (!part.empty()) accesses.push_back(Out(part));
  }
  if (!streams) return;
  if (!tail.others.empty()) {
    // The first stream, which is y, lies elsewhere.
    push.streams4 = Quad(tail.others) - static_cast<uint32_t>(rows() * tail.width / 4);
    accesses.push_back(In(tail.others));
    return;
  }
  push.streams4 = Quad(All(tail.streams));
  const bool correct = tail.altup == Tail::AltUp::kCorrect;
  const bool mixed = tail.altup == Tail::AltUp::kPredictMixed;
  const bool predict = mixed || tail.altup == Tail::AltUp::kPredict;
  const bool stores = correct || tail.match || (tail.add_streams && tail.store_streams);
  accesses.push_back(stores ? Out(All(tail.streams)) : In(All(tail.streams)));
  if (!correct && !predict) return;
  push.predictions4 = Quad(All(tail.predictions));
  accesses.push_back(predict ? Out(All(tail.predictions)) : In(All(tail.predictions)));
  if (mixed) {
    push.router_norm = At(tail.mixes);
    accesses.push_back(In(tail.mixes));
    return;
  }
  push.router_norm = VectorAt(tail.router->norm);
  push.router = VectorAt(tail.router->weight);
  push.coefficients = VectorAt(tail.coefficients);
  push.router_scale = tail.router->scale;
}

std::vector<uint32_t> FusedLowering::WithSubgroup(std::vector<uint32_t> constants) const {
  constants.resize(26, 1);
  constants.push_back(context_.subgroup());
  return constants;
}

void FusedLowering::RunTail(const Tail& tail) {
  std::vector<uint32_t> constants{context_.fused_threads(), 0, 0, 0, 0, 0, 0, 0, 0};
  Push push;
  Accesses accesses;
  Describe(tail, constants, push, accesses);
  push.rows = static_cast<uint32_t>(rows() * tail.width / 4);
  constants = WithSubgroup(std::move(constants));
  constants.resize(34, 1);
  constants.push_back(Bits(tail.match.has_value()));
  recorder_.Dispatch(Kernel::kFusedTail, constants, CommonBindings({}), push.Words(),
                     GridOf(rows()), accesses);
}

std::vector<Access> FusedLowering::CommonBindings(const Tensor& weights) {
  // Kernels without weights bind what the last one had: then nothing changes.
  if (weights.buffer != VK_NULL_HANDLE) bound_weights_ = weights;
  const Access w = bound_weights_.buffer == VK_NULL_HANDLE ? None() : Constant(bound_weights_);
  const Access workspace = Constant(plan_.Workspace());
  return {w,
          w,
          w,
          w,
          workspace,
          workspace,
          Constant(weights_.Vectors(program_)),
          Constant(counters_),
          workspace,
          Constant(plan_.Uploads())};
}

void FusedLowering::Multiply(const Product& product, const Tail* head) {
  const bool neurons = product.end == End::kGated || product.end == End::kGatedAlive;
  const uint32_t subgroup = context_.subgroup(), threads = context_.fused_threads();
  const std::vector<DeviceMatrix> runs = weights_.Runs(product.views);

  // Dispatches of whole rows within what a binding reaches.
  struct Piece {
    const DeviceMatrix* matrix;
    uint64_t first, rows;  // of the matrix
    uint64_t at;           // of the results
    Tile tile;
    uint32_t groups;  // workgroups
  };
  std::vector<Piece> pieces;
  uint64_t at = 0;
  uint32_t arrivals = 0;
  for (const DeviceMatrix& run : runs) {
    const uint64_t blocks =
        run.layout.quantized ? static_cast<uint64_t>(run.cols) / 32 : run.sizes.codes / 16;
    const auto all = static_cast<uint64_t>(run.rows);
    const uint64_t widest =
        std::max({run.sizes.codes, run.sizes.high, run.sizes.scales, run.sizes.supers});
    const uint64_t reach = std::max<uint64_t>(binding_bytes_ / widest / 64 * 64, 64);
    const uint64_t most = all * widest <= binding_bytes_ ? all : reach;
    for (uint64_t first = 0; first < all; first += most) {
      const uint64_t rows = std::min(most, all - first);
      // A head's workgroups walk, which those that share a row do not; and the spread is that of
      // the first lanes of rows that are not shared.
      const bool shares =
          product.end == End::kStore && head == nullptr && product.spread == nullptr;
      const Tile tile = TileFor(rows, blocks, subgroup, threads, neurons, shares);
      const uint64_t made = neurons ? kNeurons
                                    : uint64_t{threads / subgroup} * (subgroup / tile.lanes) *
                                          tile.rows / tile.slices;
      const uint64_t results = product.end == End::kGated ? rows / 2 : rows;
      const auto groups = static_cast<uint32_t>((results + made - 1) / made);
      pieces.push_back({&run, first, rows, at + first, tile, groups});
      const Grid grid = GridOf(groups);
      arrivals += grid.x * grid.z;
    }
    at += all;
  }

  const uint32_t counter = product.tail ? NextCounter() : 0;
  const bool cuts = product.end == End::kGatedAlive, walks = head != nullptr || cuts;
  Spread* const spread = cuts ? nullptr : product.spread;
  if (spread != nullptr) {
    spread->parts = Scratch(kSpreadSlot, uint64_t{4} * arrivals);
    spread->count = 0;
  }
  const bool ahead = head != nullptr && product.ahead != nullptr && pieces.size() == 1 &&
                     pieces.front().groups < HeadGroups() && CanMixAhead(*head, *product.ahead);
  mixed_ = ahead ? product.ahead : nullptr;
  for (const Piece& piece : pieces) {
    const DeviceMatrix& w = *piece.matrix;
    const Layout& layout = w.layout;
    const Tile& tile = piece.tile;
    const uint64_t blocks =
        layout.quantized ? static_cast<uint64_t>(w.cols) / 32 : w.sizes.codes / 16;
    const bool make_codes = head == nullptr && layout.quantized && product.x.codes.empty();
    const auto rows = static_cast<uint32_t>(piece.rows);
    Push push;
    Accesses accesses;
    std::vector<uint32_t> constants{threads,
                                    layout.quantized ? layout.bits : layout.float_type,
                                    layout.group,
                                    static_cast<uint32_t>(layout.minus),
                                    layout.scales,
                                    tile.rows,
                                    tile.lanes,
                                    head != nullptr ? 2U : Bits(make_codes),
                                    static_cast<uint32_t>(product.end)};
    if (head == nullptr) {
      const Part& x = layout.quantized && !make_codes ? product.x.codes : product.x.floats;
      accesses.push_back(In(x));
      push.x = Quad(x);
      if (layout.quantized && !make_codes) {
        accesses.push_back(In(product.x.groups));
        push.x_groups = Quad(product.x.groups);
      }
    }
    if (!product.other.empty()) {
      accesses.push_back(In(product.other));
      // Of rows a value each; gates are not multiplied in pieces.
      push.other =
          At(product.other) + static_cast<uint32_t>(product.end == End::kGeluTimes ? piece.at : 0);
    }
    push.rows = rows;
    push.scale_stride = static_cast<uint32_t>(w.sizes.scales / 4);
    push.pair = product.end == End::kGated ? rows / 2 : 0;
    push.arrivals = walks ? piece.groups : arrivals;
    push.counter = counter;
    if (head != nullptr) {
      // Of several pieces one stores what others read later.
      Accesses all;
      Describe(*head, constants, push, all);
      for (const Access& access : all) {
        if (&piece == &pieces.front() || !access.writes) accesses.push_back(access);
      }
    } else if (product.tail) {
      // Pieces wait for each other at the tail alone: its accesses are the first one's.
      Accesses first;
      Describe(*product.tail, constants, push, first);
      if (&piece == &pieces.front()) {
        accesses.insert(accesses.end(), first.begin(), first.end());
        accesses.push_back({counters_, counter * 4, 4, true, false});
      }
    } else {
      constants.insert(constants.end(), 14, 0U);
      constants[19] = 1;  // streams: the size of an array
      constants[21] = 1;  // quads, likewise
    }
    constants.push_back(Bits(neurons && !product.out.codes.empty()));
    constants.push_back(static_cast<uint32_t>(blocks));
    constants.push_back(tile.unroll);
    constants = WithSubgroup(std::move(constants));
    const bool stores = head == nullptr || &piece == &pieces.front();
    const uint32_t kept =
        head == nullptr || layout.quantized ? 1 : static_cast<uint32_t>(w.cols / 4);
    constants.insert(constants.end(),
                     {1, Bits(stores), Bits(head == nullptr || head->store_streams), kept,
                      Bits(ahead), Bits(spread != nullptr), tile.slices});
    if (neurons) {
      push.y = At(product.out.floats);
      push.codes = At(product.out.codes);
      push.groups = At(product.out.groups);
      for (const Part& part : {product.out.floats, product.out.codes, product.out.groups}) {
        if (!part.empty()) accesses.push_back(Out(part));
      }
    } else {
      const Part y{product.y.tensor, product.y.first + piece.at, piece.rows};
      push.y = At(y);
      accesses.push_back(Out(y));
    }
    const Kernel kernel = KernelFor(layout.quantized, context_.integer_dot(),
                                    product.tail.has_value(), head != nullptr);
    // The whole buffer where a binding reaches that, with places in it; else the rows alone.
    std::vector<Access> bindings;
    if (w.codes.buffer_bytes <= binding_bytes_ && OneBuffer(w)) {
      bindings = CommonBindings({w.codes.buffer, 0, w.codes.buffer_bytes});
      push.codes_at = static_cast<uint32_t>(RowAt(w.codes, w.sizes.codes, piece.first) / 16);
      push.high_at = static_cast<uint32_t>(RowAt(w.high, w.sizes.high, piece.first) / 8);
      push.scales_at = static_cast<uint32_t>(RowAt(w.scales, w.sizes.scales, piece.first) / 4);
      push.supers_at = static_cast<uint32_t>(RowAt(w.supers, w.sizes.supers, piece.first) / 4);
    } else {
      bindings = CommonBindings({});
      bindings[0] = RowsOf(w.codes, w.sizes.codes, piece.first, piece.rows);
      bindings[1] = RowsOf(w.high, w.sizes.high, piece.first, piece.rows);
      bindings[2] = RowsOf(w.scales, w.sizes.scales, piece.first, piece.rows);
      bindings[3] = RowsOf(w.supers, w.sizes.supers, piece.first, piece.rows);
    }
    if (ahead) {
      push.x = VectorAt(product.ahead->router.norm);
      push.x_groups = VectorAt(product.ahead->router.weight);
      push.pair = VectorAt(product.ahead->coefficients);
      push.counter = At(product.mixes);
      accesses.push_back(Out(product.mixes));
    }
    const uint32_t workgroups =
        (walks ? std::min(piece.groups, HeadGroups()) : piece.groups) + (ahead ? 1 : 0);
    if (spread != nullptr) {
      const Part own{spread->parts.tensor, uint64_t{4} * spread->count, uint64_t{4} * workgroups};
      push.counter = Quad(own);
      accesses.push_back(Out(own));
      spread->count += workgroups;
    }
    if (cuts) {
      push.counter = Quad(product.spread->parts);
      push.pair = product.spread->count;
      push.mix = product.multiplier;
      accesses.push_back(In(product.spread->parts));
    }
    recorder_.Dispatch(kernel, constants, bindings, push.Words(), GridOf(workgroups), accesses);
  }
}

void FusedLowering::MultiplySparse(const Product& product) {
  const WeightView& view = product.views.front();
  const uint32_t threads = context_.fused_threads(), tile_rows = ColumnTileRows(context_);
  const DeviceColumns& w = weights_.ByColumns(view, tile_rows, {});
  const auto groups = static_cast<uint32_t>(view.cols / 32);
  const auto tiles = static_cast<uint32_t>(view.rows / tile_rows);
  // A group for each subgroup of a share, and no more shares than a tail adds quickly.
  const uint32_t together = threads / context_.subgroup();
  const uint32_t shares = std::clamp(groups / together, 1U, kMostShares);
  const Part y = Scratch(kSharesSlot, shares * static_cast<uint64_t>(view.rows));
  Tail tail = *product.tail;
  tail.y = {y.tensor, 0, static_cast<uint64_t>(view.rows)};
  std::vector<uint32_t> constants{
      threads, w.layout.bits, static_cast<uint32_t>(w.layout.minus), tile_rows / 8, 0, 0, 0, 0, 0};
  Push push;
  Accesses accesses{In(product.x.codes), In(product.x.groups), Out(y)};
  Describe(tail, constants, push, accesses);
  constants = WithSubgroup(std::move(constants));
  constants.push_back(shares);
  const Grid grid = GridOf(uint64_t{tiles} * shares);
  push.rows = groups;
  push.scale_stride = (groups + shares - 1) / shares;
  push.x = Quad(product.x.codes);
  push.x_groups = Quad(product.x.groups);
  push.arrivals = grid.x * grid.z;
  push.counter = NextCounter();
  accesses.push_back({counters_, push.counter * 4, 4, true, false});
  std::vector<Access> bindings;
  if (w.codes.buffer_bytes <= binding_bytes_ && w.codes.buffer == w.scales.buffer) {
    bindings = CommonBindings({w.codes.buffer, 0, w.codes.buffer_bytes});
    push.codes_at = static_cast<uint32_t>(w.codes.offset / 4);
    push.scales_at = static_cast<uint32_t>(w.scales.offset / 16);
  } else {
    bindings = CommonBindings({});
    bindings[0] = Constant(w.codes);
    bindings[2] = Constant(w.scales);
  }
  recorder_.Dispatch(Kernel::kFusedSparse, constants, bindings, push.Words(), grid, accesses);
}

}  // namespace tandem::vulkan
