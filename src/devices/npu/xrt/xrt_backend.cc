// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/xrt/xrt_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "devices/npu/probe/npu_probe.h"
#include "devices/npu/xrt/npu_node.h"
#include "devices/npu/xrt/plugin_library.h"
#include "devices/npu/xrt/xclbin_file.h"

namespace tandem::npu {
namespace {

/// An opened device; buffers and contexts keep it open.
struct XrtDevice {
  const TandemXrtApi& api;
  NpuNode node;
  void* device = nullptr;
  TandemXrtInfo info{};
  std::string given_up;  ///< Why, once it is.

  explicit XrtDevice(const TandemXrtApi& library) : api(library) {}
  ~XrtDevice() {
    if (device != nullptr) api.close_device(device);
  }
  XrtDevice(const XrtDevice&) = delete;
  XrtDevice& operator=(const XrtDevice&) = delete;

  void CheckUsable() const {
    if (given_up.empty()) return;
    throw Error(ErrorKind::kDeviceLost, "the NPU was given up: " + given_up,
                "start anew; if it stays so, sudo dmesg | grep amdxdna");
  }
};

std::string TextOf(const TandemXrtError& error) {
  std::string text = Printable(error.text, 400);
  while (text.ends_with('.') || text.ends_with(' ')) text.pop_back();
  switch (error.kind) {
    case kTandemXrtTimeout: return "it does not answer";
    case kTandemXrtCommand:
      return fmt::format("a run ended in state {} ({})", error.state,
                         error.state == 8   ? "timeout"
                         : error.state == 6 ? "aborted"
                         : error.state == 5 ? "error"
                                            : "unexpected");
    default: return text;
  }
}

[[noreturn]] void Throw(const std::string& what, const TandemXrtError& error) {
  const std::string text = fmt::format("{}: {}", what, TextOf(error));
  switch (error.kind) {
    case kTandemXrtDenied:
      throw Error(ErrorKind::kIo, text, "sudo usermod -aG render $USER, then log in anew");
    case kTandemXrtNoMemory: {
      const uint64_t limit = LockableBytes();
      throw Error(ErrorKind::kResource, text,
                  limit == UINT64_MAX
                      ? std::string("a smaller --npu-budget")
                      : fmt::format("this process may pin {} MB (ulimit -l): raise memlock in "
                                    "/etc/security/limits.d, or use a smaller --npu-budget",
                                    limit >> 20));
    }
    default:
      throw Error(ErrorKind::kDeviceLost, text,
                  "XRT, the driver and its firmware must fit: xrt-smi examine, sudo dmesg | grep "
                  "amdxdna");
  }
}

class XrtBuffer : public ArrayBuffer {
 public:
  static std::unique_ptr<XrtBuffer> Make(std::shared_ptr<XrtDevice> device, void* context,
                                         TandemXrtBufferKind kind, size_t bytes) {
    TandemXrtError error{};
    void* memory = nullptr;
    void* const handle =
        device->api.make_buffer(device->device, context, kind, bytes, &memory, &error);
    if (handle == nullptr) Throw(fmt::format("no buffer of {} bytes for the NPU", bytes), error);
    return std::unique_ptr<XrtBuffer>(new XrtBuffer(
        std::move(device), handle, std::span(static_cast<std::byte*>(memory), bytes)));
  }
  ~XrtBuffer() override { device_->api.destroy_buffer(handle_); }
  XrtBuffer(const XrtBuffer&) = delete;
  XrtBuffer& operator=(const XrtBuffer&) = delete;

  int Export() override {
    TandemXrtError error{};
    int descriptor = -1;
    if (device_->api.export_buffer(handle_, &descriptor, &error) != 0) {
      Throw("a buffer of the NPU cannot be shared", error);
    }
    return descriptor;
  }
  void* handle() const { return handle_; }

 private:
  XrtBuffer(std::shared_ptr<XrtDevice> device, void* handle, std::span<std::byte> bytes)
      : ArrayBuffer(bytes), device_(std::move(device)), handle_(handle) {}

  void Sync(bool to_array, size_t first, size_t count) override {
    constexpr size_t kLine = 64;
    const size_t begin = first / kLine * kLine;
    const size_t end = std::min(bytes().size(), (first + count + kLine - 1) / kLine * kLine);
    if (end <= begin) return;
    TandemXrtError error{};
    if (device_->api.sync_buffer(handle_, to_array ? 1 : 0, begin, end - begin, &error) != 0) {
      Throw("the NPU's memory", error);
    }
  }

  std::shared_ptr<XrtDevice> device_;
  void* handle_;
};

struct XrtProgram : ArrayProgram {
  std::vector<uint32_t> words;
  uint64_t context = 0;  ///< The context that instructions were made for.
  std::unique_ptr<XrtBuffer> instructions;
};

class XrtContext : public ArrayContext {
 public:
  XrtContext(std::shared_ptr<XrtDevice> device, std::vector<std::byte> xclbin, std::string kernel,
             std::string name, uint32_t gops)
      : device_(std::move(device)),
        xclbin_(std::move(xclbin)),
        kernel_(std::move(kernel)),
        name_(std::move(name)),
        gops_(gops) {
    Build();
  }
  ~XrtContext() override { Destroy(); }
  XrtContext(const XrtContext&) = delete;
  XrtContext& operator=(const XrtContext&) = delete;

  std::unique_ptr<ArrayProgram> Load(const Stream& stream) override {
    device_->CheckUsable();
    auto program = std::make_unique<XrtProgram>();
    program->words = WriteStream(stream);
    Instructions(*program);
    return program;
  }

  void Run(std::span<const ArrayRun> runs, std::chrono::milliseconds timeout) override {
    device_->CheckUsable();
    TandemXrtError error{};
    if (RunOnce(runs, timeout, error)) return;
    const std::string first = TextOf(error);
    log::Warning("npu: {}; its context is built anew and the work repeated", first);
    try {
      Destroy();
      Build();
      if (RunOnce(runs, timeout, error)) return;
    } catch (const Error& rebuild) {
      GiveUp(fmt::format("{}, and then: {}", first, rebuild.message()));
    }
    GiveUp(fmt::format("{}, and again: {}", first, TextOf(error)));
  }

 private:
  void Build() {
    device_->CheckUsable();
    TandemXrtError error{};
    context_ = device_->api.make_context(device_->device, xclbin_.data(), xclbin_.size(),
                                         kernel_.c_str(), gops_, &error);
    if (context_ == nullptr) Throw(fmt::format("{} cannot be loaded", name_), error);
    ++number_;
  }
  void Destroy() {
    if (context_ != nullptr) device_->api.destroy_context(std::exchange(context_, nullptr));
  }

  [[noreturn]] void GiveUp(const std::string& why) {
    Destroy();
    device_->given_up = why;
    throw Error(ErrorKind::kDeviceLost, "the NPU was given up: " + why,
                "start anew; if it stays so, sudo dmesg | grep amdxdna");
  }

  /// The words of a program in memory of the present context.
  XrtBuffer& Instructions(XrtProgram& program) {
    if (program.instructions == nullptr || program.context != number_) {
      program.instructions =
          XrtBuffer::Make(device_, context_, kTandemXrtInstructions, 4 * program.words.size());
      std::memcpy(program.instructions->bytes().data(), program.words.data(),
                  4 * program.words.size());
      program.instructions->ToArray();
      program.context = number_;
    }
    return *program.instructions;
  }

  bool RunOnce(std::span<const ArrayRun> runs, std::chrono::milliseconds timeout,
               TandemXrtError& error) {
    std::vector<TandemXrtRun> list;
    std::vector<void*> buffers;
    buffers.reserve(runs.size() * kMostArrayArguments);
    for (const ArrayRun& run : runs) {
      auto& program = dynamic_cast<XrtProgram&>(*run.program);
      const size_t first = buffers.size();
      for (const ArrayArgument& argument : run.arguments) {
        buffers.push_back(dynamic_cast<XrtBuffer&>(*argument.buffer).handle());
      }
      if (run.arguments.size() > kMostArrayArguments) {
        throw Error(ErrorKind::kInternal, "a run of more buffers than the driver translates");
      }
      list.push_back({Instructions(program).handle(), static_cast<uint32_t>(program.words.size()),
                      static_cast<uint32_t>(run.arguments.size()), buffers.data() + first});
    }
    for (const ArrayRun& run : runs) {
      if (run.marks.empty()) continue;
      SetMarks(run);
      ArrayBuffer& results = *run.arguments.back().buffer;
      for (const size_t mark : run.marks) results.ToArray(mark, sizeof(run.mark));
    }
    if (device_->api.run(context_, list.data(), static_cast<uint32_t>(list.size()),
                         static_cast<uint32_t>(timeout.count()), &error) != 0) {
      return false;
    }
    for (const ArrayRun& run : runs) {
      if (run.marks.empty()) continue;
      ArrayBuffer& results = *run.arguments.back().buffer;
      for (const size_t mark : run.marks) results.FromArray(mark, sizeof(run.mark));
      if (MarksAreGone(run)) continue;
      error = {};
      std::snprintf(error.text, sizeof(error.text), "it said that it was done, and did not work");
      return false;
    }
    return true;
  }

  std::shared_ptr<XrtDevice> device_;
  std::vector<std::byte> xclbin_;
  std::string kernel_;
  std::string name_;
  uint32_t gops_;
  void* context_ = nullptr;
  uint64_t number_ = 0;
};

class XrtBackend : public ArrayBackend {
 public:
  XrtBackend(std::shared_ptr<XrtDevice> device, XrtOptions options)
      : device_(std::move(device)), options_(std::move(options)) {}

  std::string description() const override {
    return fmt::format("{} through XRT {} ({} at {})", GenerationName(options_.generation),
                       device_->info.version, device_->info.name, device_->info.address);
  }
  bool emulated() const override { return emulated_; }
  std::unique_ptr<ArrayBuffer> MakeBuffer(size_t bytes) override {
    device_->CheckUsable();
    return XrtBuffer::Make(device_, nullptr, kTandemXrtData, std::max<size_t>(bytes, 4));
  }
  std::unique_ptr<ArrayContext> Configure(const ArrayConfiguration& configuration) override {
    device_->CheckUsable();
    XclbinBytes xclbin = files_.Find(configuration);
    return std::make_unique<XrtContext>(device_, std::move(xclbin.bytes), std::move(xclbin.kernel),
                                        configuration.name + ".xclbin", options_.gops);
  }

 private:
  std::shared_ptr<XrtDevice> device_;
  XrtOptions options_;
  bool emulated_ = NpuIsEmulated();
  XclbinFiles files_{emulated_};
};

}  // namespace

std::unique_ptr<ArrayBackend> MakeXrtBackend(const XrtOptions& options) {
  const NpuNode node = FindNpuNode();
  if (node.generation != options.generation) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("the NPU at {} is {}, and {} was asked for", node.address,
                            GenerationName(node.generation), GenerationName(options.generation)),
                fmt::format("--generation {0}; of a model's run --npu-generation {0}",
                            GenerationName(node.generation)));
  }
  auto device = std::make_shared<XrtDevice>(XrtPlugin());
  device->node = node;
  TandemXrtError error{};
  device->device = device->api.open_device(0, &error);
  if (device->device == nullptr) Throw("XRT cannot open the NPU", error);
  if (device->api.get_info(device->device, &device->info, &error) != 0) {
    Throw("XRT says nothing of the NPU", error);
  }
  return std::make_unique<XrtBackend>(std::move(device), options);
}

}  // namespace tandem::npu
