// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string_view>

#include "core/error.h"
#include "program/program.h"

namespace tandem {
namespace {

class Verifier {
 public:
  explicit Verifier(const Program& program)
      : program_(program),
        written_(program.values.size(), false),
        cache_written_(program.caches.size(), false) {}

  void Run() {
    for (index_ = 0; index_ < program_.ops.size(); ++index_) {
      const Op& op = program_.ops[index_];
      const OpUse use = UseOf(op.body);
      const auto* select = std::get_if<SelectRows>(&op.body);
      for (const ValueId id : use.reads) {
        CheckId(id);
        Require(written_[static_cast<size_t>(id)], "reads a value that nothing wrote");
        Require(select != nullptr || At(id).rows == op.rows, "reads a value of the other row set");
      }
      if (use.cache_read != kNoId) {
        CheckCache(use.cache_read);
        Require(cache_written_[static_cast<size_t>(use.cache_read)], "reads an empty cache");
      }
      for (const ValueId id : use.writes) {
        CheckId(id);
        Require(At(id).rows == op.rows, "writes a value of the other row set");
      }
      if (use.cache_written != kNoId) CheckCache(use.cache_written);
      std::visit([this](const auto& body) { CheckShapes(body); }, op.body);
      for (const ValueId id : use.writes) written_[static_cast<size_t>(id)] = true;
      if (use.cache_written != kNoId) cache_written_[static_cast<size_t>(use.cache_written)] = true;
    }
    index_ = program_.ops.size();
    CheckId(program_.logits);
    Shape(program_.logits, 1, program_.vocab_rows);
    Require(written_[static_cast<size_t>(program_.logits)], "logits are never written");
  }

 private:
  void Require(bool condition, std::string_view what) const {
    if (condition) return;
    const std::string where =
        index_ < program_.ops.size()
            ? fmt::format("op {} ({}, layer {})", index_, OpName(program_.ops[index_].body),
                          program_.ops[index_].layer)
            : std::string("the end");
    throw Error(ErrorKind::kInternal,
                fmt::format("program {}: {}: {}", program_.name, where, what));
  }
  void CheckId(ValueId id) const {
    Require(id >= 0 && static_cast<size_t>(id) < program_.values.size(), "no such value");
  }
  void CheckCache(CacheId id) const {
    Require(id >= 0 && static_cast<size_t>(id) < program_.caches.size(), "no such cache");
  }
  const Value& At(ValueId id) const { return program_.values[static_cast<size_t>(id)]; }
  int64_t Width(ValueId id) const { return At(id).width; }

  void Shape(ValueId id, int64_t planes, int64_t width) const {
    Require(At(id).planes == planes && At(id).width == width, "value has another shape");
  }
  void Matrix(const WeightView& matrix, int64_t rows, int64_t cols) const {
    Require(!matrix.empty() && matrix.rows == rows && matrix.cols == cols,
            "matrix has another shape");
  }
  void Vector(std::span<const float> vector, int64_t size) const {
    Require(static_cast<int64_t>(vector.size()) == size, "vector has another length");
  }
  void Plane(ValueId id, int plane) const {
    Require(plane >= 0 && plane < At(id).planes, "no such plane");
  }
  void Projections(const std::vector<WeightView>& list, ValueId streams) const {
    const Value& value = At(streams);
    Require(static_cast<int64_t>(list.size()) == value.planes - 1, "wrong number of projections");
    for (const WeightView& matrix : list) Matrix(matrix, value.width, value.width);
  }
  void Router(const AltUpRouter& router, ValueId streams) const {
    const Value& value = At(streams);
    Vector(router.norm, value.width);
    Vector(router.weight, value.planes * value.width);
  }

  void CheckShapes(const EmbedTokens& op) const {
    Shape(op.x, 1, op.table.cols);
    Matrix(op.table, program_.vocab_rows, Width(op.x));
  }
  void CheckShapes(const PleGather& op) const {
    Shape(op.ple, static_cast<int64_t>(op.columns.size()), op.width);
    Require(op.vocab >= 1 && op.vocab <= op.table.rows, "vocabulary exceeds the table");
    for (const int64_t column : op.columns) {
      Require(column >= 0 && column + op.width <= op.table.cols &&
                  column % BlockElements(op.table.type) == 0 &&
                  op.width % BlockElements(op.table.type) == 0,
              "columns outside the table or across blocks");
    }
  }
  void CheckShapes(const PleProject& op) const {
    const Value& pli = At(op.pli);
    Shape(op.pli, static_cast<int64_t>(op.projections.size()), pli.width);
    Vector(op.norm, pli.width);
    for (const WeightView& matrix : op.projections) Matrix(matrix, pli.width, Width(op.x));
  }
  void CheckShapes(const AltUpExpand& op) const {
    Require(Width(op.x) == Width(op.streams), "width differs");
    Projections(op.projections, op.streams);
  }
  void CheckShapes(const AltUpPredict& op) const {
    const Value& streams = At(op.streams);
    Shape(op.predictions, streams.planes, streams.width);
    Router(op.router, op.streams);
    Vector(op.coefficients, streams.planes * streams.planes * streams.planes);
    Plane(op.streams, op.active);
  }
  void CheckShapes(const LaurelAndNorm& op) const {
    const int64_t width = Width(op.residual);
    Plane(op.residual, op.plane);
    Vector(op.norm, width);
    Shape(op.normed, 1, width);
    if (op.laurel == kNoId) return;
    Shape(op.laurel, 1, width);
    Matrix(op.left, op.left.rows, width);
    Matrix(op.right, width, op.left.rows);
    Vector(op.post_norm, width);
  }
  void CheckShapes(const QkvProject& op) const {
    const int64_t width = Width(op.normed);
    Require(op.heads > 0 && op.kv_heads > 0 && op.heads % op.kv_heads == 0, "heads do not divide");
    Require(op.head_dim > 0 && op.head_dim % 2 == 0, "odd head dimension");
    Require(op.rope_theta > 0 && op.rope_factor > 0, "RoPE base or factor is not positive");
    if (op.q != kNoId) {
      Matrix(op.query, static_cast<int64_t>(op.heads) * op.head_dim, width);
      Shape(op.q, 1, op.query.rows);
      Vector(op.q_norm, op.head_dim);
    }
    if (op.cache == kNoId) return;
    const CacheTensor& cache = program_.caches[static_cast<size_t>(op.cache)];
    Require(cache.kv_heads == op.kv_heads && cache.head_dim == op.head_dim, "cache shape differs");
    Matrix(op.key, cache.width(), width);
    Matrix(op.value, cache.width(), width);
    Vector(op.k_norm, op.head_dim);
  }
  void CheckShapes(const Attention& op) const {
    const CacheTensor& cache = program_.caches[static_cast<size_t>(op.cache)];
    Require(op.window == cache.window, "window differs from the cache's");
    Require(op.heads % cache.kv_heads == 0, "heads do not divide");
    Shape(op.q, 1, static_cast<int64_t>(op.heads) * cache.head_dim);
    Shape(op.context, 1, Width(op.q));
  }
  void CheckShapes(const AttentionOut& op) const {
    const int64_t width = Width(op.h);
    Plane(op.residual, op.plane);
    Require(Width(op.residual) == width, "width differs");
    if (op.laurel != kNoId) Shape(op.laurel, 1, width);
    Matrix(op.output, width, Width(op.context));
    Vector(op.post_norm, width);
  }
  void CheckShapes(const GatedMlp& op) const {
    const int64_t width = Width(op.h);
    Shape(op.out, 1, width);
    Matrix(op.gate, op.gate.rows, width);
    Matrix(op.up, op.gate.rows, width);
    Matrix(op.down, width, op.gate.rows);
    Vector(op.pre_norm, width);
    Vector(op.post_norm, width);
  }
  void CheckShapes(const AltUpCorrect& op) const {
    const Value& streams = At(op.streams);
    Shape(op.predictions, streams.planes, streams.width);
    Shape(op.h, 1, streams.width);
    Router(op.router, op.streams);
    Vector(op.coefficients, streams.planes * streams.planes);
    Plane(op.streams, op.active);
  }
  void CheckShapes(const PerLayerMix& op) const {
    const int64_t width = Width(op.streams);
    Plane(op.streams, op.active);
    Plane(op.pli, op.plane);
    Matrix(op.gate, Width(op.pli), width);
    Matrix(op.projection, width, Width(op.pli));
    Vector(op.post_norm, width);
    if (!op.scale.empty()) Vector(op.scale, width);
  }
  void CheckShapes(const AltUpCollapse& op) const {
    Shape(op.x, 1, Width(op.streams));
    Projections(op.projections, op.streams);
  }
  void CheckShapes(const FinalNorm& op) const {
    Shape(op.y, 1, Width(op.x));
    Vector(op.norm, Width(op.x));
  }
  void CheckShapes(const LmHead& op) const {
    Matrix(op.table, program_.vocab_rows, Width(op.y));
    Shape(op.logits, 1, program_.vocab_rows);
  }
  void CheckShapes(const SelectRows& op) const {
    Require(At(op.from).rows == RowSet::kAll && At(op.to).rows == RowSet::kWanted,
            "selects between the wrong row sets");
    Shape(op.to, At(op.from).planes, Width(op.from));
  }

  const Program& program_;
  std::vector<bool> written_;
  std::vector<bool> cache_written_;
  size_t index_ = 0;
};

}  // namespace

void Verify(const Program& program) { Verifier(program).Run(); }

}  // namespace tandem
