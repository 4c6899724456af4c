// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "program/op.h"

#include <initializer_list>

namespace tandem {
namespace {

// Matrices that an op reads one row of per token (embedding tables) are not streamed, so they do
// not count as such.
struct UseVisitor {
  OpUse use;

  void Reads(std::initializer_list<ValueId> values) { Append(use.reads, values); }
  void Writes(std::initializer_list<ValueId> values) { Append(use.writes, values); }
  static void Append(std::vector<ValueId>& list, std::initializer_list<ValueId> values) {
    for (const ValueId value : values) {
      if (value != kNoId) list.push_back(value);
    }
  }
  void Streams(const WeightView& matrix) {
    if (!matrix.empty()) use.matrices.push_back(matrix);
  }

  void Vectors(std::initializer_list<std::span<const float>> vectors) {
    for (const std::span<const float> vector : vectors) {
      if (!vector.empty()) use.vectors.push_back(vector);
    }
  }

  void operator()(const EmbedTokens& op) { Writes({op.x}); }
  void operator()(const PleGather& op) { Writes({op.ple}); }
  void operator()(const PleProject& op) {
    Reads({op.x, op.pli});
    Writes({op.pli});
    Vectors({op.norm});
    for (const WeightView& matrix : op.projections) Streams(matrix);
  }
  void operator()(const AltUpExpand& op) {
    Reads({op.x});
    Writes({op.streams});
    for (const WeightView& matrix : op.projections) Streams(matrix);
  }
  void operator()(const AltUpPredict& op) {
    Reads({op.streams});
    Writes({op.predictions});
    Vectors({op.router.norm, op.router.weight, op.coefficients});
  }
  void operator()(const LaurelAndNorm& op) {
    Reads({op.residual});
    Writes({op.normed, op.laurel});
    Vectors({op.norm});
    if (op.laurel == kNoId) return;
    Vectors({op.post_norm});
    Streams(op.left);
    Streams(op.right);
  }
  void operator()(const QkvProject& op) {
    Reads({op.normed});
    Writes({op.q});
    Vectors({op.q_norm, op.k_norm});
    use.cache_written = op.cache;
    if (op.q != kNoId) Streams(op.query);
    if (op.cache == kNoId) return;
    Streams(op.key);
    Streams(op.value);
  }
  void operator()(const Attention& op) {
    Reads({op.q});
    Writes({op.context});
    use.cache_read = op.cache;
  }
  void operator()(const AttentionOut& op) {
    Reads({op.context, op.residual, op.laurel});
    Writes({op.h});
    Vectors({op.post_norm});
    Streams(op.output);
  }
  void operator()(const GatedMlp& op) {
    Reads({op.h});
    Writes({op.out});
    Vectors({op.pre_norm, op.post_norm});
    Streams(op.gate);
    Streams(op.up);
    Streams(op.down);
  }
  void operator()(const AltUpCorrect& op) {
    Reads({op.predictions, op.h});
    Writes({op.streams});
    Vectors({op.router.norm, op.router.weight, op.coefficients});
  }
  void operator()(const PerLayerMix& op) {
    Reads({op.streams, op.pli});
    Writes({op.streams});
    Vectors({op.scale, op.post_norm});
    Streams(op.gate);
    Streams(op.projection);
  }
  void operator()(const AltUpCollapse& op) {
    Reads({op.streams});
    Writes({op.x});
    for (const WeightView& matrix : op.projections) Streams(matrix);
  }
  void operator()(const FinalNorm& op) {
    Reads({op.x});
    Writes({op.y});
    Vectors({op.norm});
  }
  void operator()(const LmHead& op) {
    Reads({op.y});
    Writes({op.logits});
    Streams(op.table);
  }
  void operator()(const SelectRows& op) {
    Reads({op.from});
    Writes({op.to});
  }
};

}  // namespace

namespace {

struct GroupVisitor {
  std::vector<std::vector<WeightView>> groups;

  void Add(const std::vector<WeightView>& group) {
    std::vector<WeightView> there;
    for (const WeightView& matrix : group) {
      if (!matrix.empty()) there.push_back(matrix);
    }
    if (!there.empty()) groups.push_back(std::move(there));
  }
  void operator()(const PleProject& op) { Add(op.projections); }
  void operator()(const AltUpExpand& op) { Add(op.projections); }
  void operator()(const LaurelAndNorm& op) {
    if (op.laurel == kNoId) return;
    Add({op.left});
    Add({op.right});
  }
  void operator()(const QkvProject& op) {
    std::vector<WeightView> group;
    if (op.q != kNoId) group.push_back(op.query);
    if (op.cache != kNoId) group.insert(group.end(), {op.key, op.value});
    Add(group);
  }
  void operator()(const AttentionOut& op) { Add({op.output}); }
  void operator()(const GatedMlp& op) {
    Add({op.gate, op.up});
    Add({op.down});
  }
  void operator()(const PerLayerMix& op) {
    Add({op.gate});
    Add({op.projection});
  }
  void operator()(const AltUpCollapse& op) {
    for (const WeightView& matrix : op.projections) Add({matrix});  // a stream each
  }
  template <typename Other>
  void operator()(const Other&) {}
};

}  // namespace

std::vector<std::vector<WeightView>> ProductGroups(const OpBody& body) {
  GroupVisitor visitor;
  std::visit(visitor, body);
  return std::move(visitor.groups);
}

std::string_view OpName(const OpBody& body) {
  static constexpr std::string_view kNames[] = {
      "EmbedTokens",   "PleGather", "PleProject",   "AltUpExpand", "AltUpPredict", "LaurelAndNorm",
      "QkvProject",    "Attention", "AttentionOut", "GatedMlp",    "AltUpCorrect", "PerLayerMix",
      "AltUpCollapse", "FinalNorm", "LmHead",       "SelectRows"};
  static_assert(std::size(kNames) == std::variant_size_v<OpBody>);
  return kNames[body.index()];
}

OpUse UseOf(const OpBody& body) {
  UseVisitor visitor;
  std::visit(visitor, body);
  return std::move(visitor.use);
}

}  // namespace tandem
