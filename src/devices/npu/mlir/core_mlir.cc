// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"
#include "devices/npu/design/check.h"
#include "devices/npu/mlir/emitter.h"

namespace tandem::npu {
namespace {

/// What MLIR-AIE's own designs count to instead of for ever.
constexpr int64_t kForever = 4294967295;

void CollectCalls(const Design& design, const std::vector<CoreStep>& steps,
                  std::map<std::string, std::vector<size_t>>& calls) {
  for (const CoreStep& step : steps) {
    if (const auto* call = std::get_if<CallStep>(&step.step)) {
      const auto [known, is_new] = calls.emplace(call->kernel, call->buffers);
      bool same = known->second.size() == call->buffers.size();
      for (size_t i = 0; same && i < call->buffers.size(); ++i) {
        const Buffer& a = design.buffers[known->second[i]];
        const Buffer& b = design.buffers[call->buffers[i]];
        same = a.type == b.type && a.elements == b.elements;
      }
      if (!same) {
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("kernel {} is called with buffers of several sizes",
                                Printable(call->kernel)));
      }
    } else if (const auto* loop = std::get_if<LoopStep>(&step.step)) {
      CollectCalls(design, loop->body, calls);
    } else if (const auto* repeat = std::get_if<RepeatStep>(&step.step)) {
      CollectCalls(design, repeat->body, calls);
    } else if (const auto* when = std::get_if<WhenStep>(&step.step)) {
      CollectCalls(design, when->body, calls);
    }
  }
}

std::vector<std::string> TypesOf(const MlirEmitter& emitter, const std::vector<size_t>& buffers) {
  std::vector<std::string> types;
  types.reserve(buffers.size());
  for (const size_t buffer : buffers) types.push_back(emitter.BufferType(buffer));
  return types;
}

class CoreEmitter {
 public:
  explicit CoreEmitter(MlirEmitter& emitter) : emitter_(emitter), text_(emitter.text) {}

  void Add(const std::vector<CoreStep>& steps) {
    for (const CoreStep& step : steps) std::visit(*this, step.step);
  }

  void operator()(const AcquireStep& step) {
    emitter_.UseLock(step.lock, MlirEmitter::AcquireAction(step.at_least), step.value);
  }
  void operator()(const ReleaseStep& step) {
    emitter_.UseLock(step.lock, MlirEmitter::kReleaseAction, step.value);
  }
  void operator()(const CallStep& step) {
    if (emitter_.options.calls == MlirCalls::kFunction) {
      std::vector<std::string> names;
      for (const size_t buffer : step.buffers) names.push_back(fmt::format("%buffer{}", buffer));
      text_.Line("\"func.call\"({}) <{{callee = @{}}}> : ({}) -> ()", fmt::join(names, ", "),
                 KernelSymbol(step.kernel), fmt::join(TypesOf(emitter_, step.buffers), ", "));
      return;
    }
    std::vector<std::string> values = {text_.NewValue()};
    std::vector<std::string_view> types(step.buffers.size() + 1, "!llvm.ptr");
    text_.Line("{} = \"llvm.mlir.addressof\"() <{{global_name = @{}}}> : () -> !llvm.ptr",
               values.front(), KernelSymbol(step.kernel));
    for (const size_t buffer : step.buffers) values.push_back(PointerTo(buffer));
    text_.Line(
        "\"llvm.call\"({}) <{{op_bundle_sizes = array<i32>, operandSegmentSizes = array<i32: {}, "
        "0>}}> : ({}) -> ()",
        fmt::join(values, ", "), values.size(), fmt::join(types, ", "));
  }
  void operator()(const LoopStep& step) {
    const std::string from = emitter_.Constant(0, "index");
    EmitLoop(from, emitter_.Constant(step.count == 0 ? kForever : step.count, "index"), step.body);
  }
  void operator()(const RepeatStep& step) {
    const std::string from = emitter_.Constant(0, "index");
    const std::string word = LoadWord(step.buffer, step.word);
    const std::string to = text_.NewValue();
    text_.Line("{} = \"arith.index_cast\"({}) : (i32) -> index", to, word);
    EmitLoop(from, to, step.body);
  }
  void operator()(const WhenStep& step) {
    const std::string word = LoadWord(step.buffer, step.word);
    const std::string mask = emitter_.Constant(static_cast<int32_t>(step.mask), "i32");
    const std::string bits = text_.NewValue();
    text_.Line("{} = \"arith.andi\"({}, {}) : (i32, i32) -> i32", bits, word, mask);
    const std::string zero = emitter_.Constant(0, "i32");
    const std::string any = text_.NewValue();
    text_.Line("{} = \"arith.cmpi\"({}, {}) <{{predicate = 1 : i64}}> : (i32, i32) -> i1", any,
               bits, zero);
    text_.Open("\"scf.if\"({}) ({{", any);
    Add(step.body);
    text_.Line("\"scf.yield\"() : () -> ()");
    text_.Close("}}, {{}}) : (i1) -> ()");
  }

 private:
  void EmitLoop(const std::string& from, const std::string& to, const std::vector<CoreStep>& body) {
    const std::string by = emitter_.Constant(1, "index");
    text_.Open("\"scf.for\"({}, {}, {}) ({{", from, to, by);
    text_.Label(fmt::format("^bb0({}: index):", text_.NewValue()));
    Add(body);
    text_.Line("\"scf.yield\"() : () -> ()");
    text_.Close("}}) : (index, index, index) -> ()");
  }

  std::string LoadWord(size_t index, int64_t of_word) {
    const Buffer& buffer = emitter_.design.buffers[index];
    if (buffer.type != ElementType::kI32) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("a condition on buffer {}, which is of {}", Printable(buffer.name),
                              ElementTypeName(buffer.type)));
    }
    const std::string at = emitter_.Constant(of_word, "index");
    std::string word = text_.NewValue();
    text_.Line("{} = \"memref.load\"(%buffer{}, {}) : ({}, index) -> i32", word, index, at,
               emitter_.BufferType(index));
    return word;
  }

  std::string PointerTo(size_t buffer) {
    const std::string index = text_.NewValue();
    text_.Line("{} = \"memref.extract_aligned_pointer_as_index\"(%buffer{}) : ({}) -> index", index,
               buffer, emitter_.BufferType(buffer));
    const std::string number = text_.NewValue();
    text_.Line("{} = \"arith.index_cast\"({}) : (index) -> i32", number, index);
    std::string pointer = text_.NewValue();
    text_.Line("{} = \"llvm.inttoptr\"({}) : (i32) -> !llvm.ptr", pointer, number);
    return pointer;
  }

  MlirEmitter& emitter_;
  MlirText& text_;
};

}  // namespace

std::map<std::string, std::vector<size_t>> KernelsOf(const Design& design) {
  std::map<std::string, std::vector<size_t>> calls;
  for (const Core& core : design.cores) CollectCalls(design, core.program, calls);
  return calls;
}

void EmitKernels(MlirEmitter& emitter, bool in_device) {
  const bool functions = emitter.options.calls == MlirCalls::kFunction;
  // A function's address is looked up in the innermost module: for who knows aie.device, that is
  // it, and for others the outer one.
  if (functions && !in_device) return;
  for (const auto& [kernel, buffers] : KernelsOf(emitter.design)) {
    if (functions) {
      emitter.text.Line(
          "\"func.func\"() <{{function_type = ({}) -> (), sym_name = {}, sym_visibility = "
          "\"private\"}}> ({{}}) {{link_with = {}}} : () -> ()",
          fmt::join(TypesOf(emitter, buffers), ", "), MlirString(KernelSymbol(kernel)),
          MlirString(emitter.options.kernel_object));
    } else {
      const std::vector<std::string_view> types(buffers.size(), "ptr");
      emitter.text.Line(
          "\"llvm.func\"() <{{function_type = !llvm.func<void ({})>, linkage = "
          "#llvm.linkage<external>, sym_name = {}}}> ({{}}) : () -> ()",
          fmt::join(types, ", "), MlirString(KernelSymbol(kernel)));
    }
  }
}

void EmitCore(MlirEmitter& emitter, const Core& core) {
  MlirText& text = emitter.text;
  std::string more;
  if (core.program.empty() && !core.elf.empty()) {
    more = fmt::format("elf_file = {}, ", MlirString(core.elf));
  } else if (!core.program.empty() && emitter.options.calls == MlirCalls::kPointer &&
             !emitter.options.kernel_object.empty()) {
    more = fmt::format("link_with = {}, ", MlirString(emitter.options.kernel_object));
  }
  text.Open("%core_{}_{} = \"aie.core\"({}) <{{{}stack_size = {} : i32}}> ({{", core.tile.column,
            core.tile.row, MlirEmitter::NameOf(core.tile), more, kCoreStackBytes);
  CoreEmitter(emitter).Add(core.program);
  text.Line("\"aie.end\"() : () -> ()");
  text.Close("}}) : (index) -> index");
}

}  // namespace tandem::npu
