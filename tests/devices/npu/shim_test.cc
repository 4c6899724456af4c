// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The emulated accelerator by its driver's calls alone, with commands as XRT writes them, and as it
// never would.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

#include "core/error.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/shim/accelerator.h"
#include "devices/npu/xclbin/emulated_pdi.h"

namespace tandem::npu::shim {
namespace {

class Client {
 public:
  explicit Client(std::string_view fault = "", Generation generation = Generation::kNpu1) {
    shared_.generation = generation;
    shared_.fault = ParseFault(fault);
    accelerator = std::make_unique<Accelerator>(shared_);
    const Buffer heap = Make(kBoDevHeap, Memory::kHeapBytes);
    EXPECT_NE(heap.memory, nullptr);
    heap_ = heap;
  }
  ~Client() {
    for (const auto& [memory, size] : mapped_) munmap(memory, size);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  struct Buffer {
    uint32_t handle = 0;
    uint64_t address = 0;
    std::byte* memory = nullptr;
    template <typename T>
    void Set(std::span<const T> values) const {
      std::memcpy(memory, values.data(), values.size_bytes());
    }
  };

  Buffer Make(BoType type, uint64_t size) {
    CreateBoArgs create{0, 0, size, type, 0};
    EXPECT_EQ(accelerator->Call(kCreateBo, &create), 0);
    GetBoInfoArgs info{};
    info.handle = create.handle;
    EXPECT_EQ(accelerator->Call(kGetBoInfo, &info), 0);
    Buffer buffer{create.handle, info.xdna_address, nullptr};
    if (type == kBoDev) {
      buffer.memory = reinterpret_cast<std::byte*>(info.vaddr);
    } else {
      void* const at = accelerator->Map(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                                        static_cast<off_t>(info.map_offset));
      EXPECT_NE(at, MAP_FAILED);
      mapped_.emplace_back(at, size);
      buffer.memory = static_cast<std::byte*>(at);
    }
    return buffer;
  }

  uint32_t MakeContext(std::span<const std::byte> pdi, int expected = 0) {
    CreateContextArgs create{};
    create.num_tiles = shared_.generation == Generation::kNpu1 ? 16 : 32;
    EXPECT_EQ(accelerator->Call(kCreateContext, &create), 0);
    const Buffer image = Make(kBoDev, pdi.size());
    image.Set(pdi);
    struct {
      CuConfigHead head{1, {}};
      CuConfig cu{};
    } config;
    config.cu.bo = image.handle;
    ConfigContextArgs args{create.handle, kContextCu, reinterpret_cast<uint64_t>(&config),
                           sizeof(config), 0};
    EXPECT_EQ(accelerator->Call(kConfigContext, &args), expected);
    syncobj = create.syncobj;
    return create.handle;
  }

  int Exec(uint32_t context, const Buffer& command) {
    ExecArgs args{};
    args.context = context;
    args.commands = command.handle;
    args.command_count = 1;
    const int error = accelerator->Call(kExecCommand, &args);
    sequence = args.sequence;
    return error;
  }

  int Wait(std::chrono::nanoseconds timeout) {
    TimelineWaitArgs args{};
    args.handles = reinterpret_cast<uint64_t>(&syncobj);
    args.points = reinterpret_cast<uint64_t>(&sequence);
    args.deadline_ns = (std::chrono::steady_clock::now().time_since_epoch() + timeout) /
                       std::chrono::nanoseconds(1);
    args.count = 1;
    return accelerator->Call(kDrmSyncobjTimelineWait, &args);
  }

  uint32_t syncobj = 0;
  uint64_t sequence = 0;
  std::unique_ptr<Accelerator> accelerator;

 private:
  Shared shared_;
  Buffer heap_;
  std::vector<std::pair<void*, size_t>> mapped_;
};

/// A product of ones in a client's memory, and the command for it.
struct Product {
  explicit Product(Client& client, Generation generation = Generation::kNpu1)
      : config{{generation, MaxColumns(generation)}, GemmType::kI8, GemmOutput::kI32},
        plan(PlanGemm(config, {4, 100, 20})) {
    context = client.MakeContext(WriteEmulatedPdi(MakeGemmDesign(config)));
    const std::vector<uint32_t> words = WriteStream(GemmStream(plan));
    instructions = client.Make(kBoDev, 4 * words.size());
    instructions.Set(std::span(words));
    a = client.Make(kBoShare, static_cast<uint64_t>(plan.a_bytes));
    b = client.Make(kBoShare, static_cast<uint64_t>(plan.b_bytes));
    c = client.Make(kBoShare, static_cast<uint64_t>(plan.c_bytes));
    PackA(plan, std::vector<int8_t>(400, 1), {a.memory, static_cast<size_t>(plan.a_bytes)});
    PackB(plan, std::vector<int8_t>(2000, 1), 0, {b.memory, static_cast<size_t>(plan.b_bytes)});
    // As XRT writes it: type CU, opcode START_CU, 12 words, new.
    command = {0x3000C001, 1, 3, 0};
    const auto add = [&](uint64_t value) {
      command.push_back(static_cast<uint32_t>(value));
      command.push_back(static_cast<uint32_t>(value >> 32));
    };
    add(instructions.address);
    command.push_back(static_cast<uint32_t>(words.size()));
    for (const auto& buffer : {a, b, c}) add(buffer.address);
  }
  bool Right() const {
    std::vector<int32_t> sums(80);
    UnpackC<int32_t>(plan, {c.memory, static_cast<size_t>(plan.c_bytes)}, sums);
    return sums == std::vector<int32_t>(80, 100);
  }

  GemmConfig config;
  GemmPlan plan;
  uint32_t context = 0;
  Client::Buffer instructions, a, b, c;
  std::vector<uint32_t> command;
};

uint32_t StateOf(const Client::Buffer& command) {
  uint32_t head = 0;
  std::memcpy(&head, command.memory, 4);
  return head & 0xF;
}

TEST(NpuShim, RunsCommandsAndChains) {
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    Client client("", generation);
    Product product(client, generation);
    const auto command = client.Make(kBoCommand, 4096);
    command.Set(std::span<const uint32_t>(product.command));
    ASSERT_EQ(client.Exec(product.context, command), 0);
    EXPECT_EQ(StateOf(command), kStateCompleted);
    EXPECT_EQ(client.Wait(std::chrono::seconds(0)), 0);
    EXPECT_TRUE(product.Right());

    std::memset(product.c.memory, 0, static_cast<size_t>(product.plan.c_bytes));
    const auto second = client.Make(kBoCommand, 4096);
    command.Set(std::span<const uint32_t>(product.command));
    second.Set(std::span<const uint32_t>(product.command));
    const auto chain = client.Make(kBoCommand, 4096);
    const uint32_t words[] = {0x0980A001, 2, 0, 0, 0, 0, 0, command.handle, 0, second.handle, 0};
    chain.Set(std::span<const uint32_t>(words));
    ASSERT_EQ(client.Exec(product.context, chain), 0);
    EXPECT_EQ(StateOf(chain), kStateCompleted);
    EXPECT_EQ(StateOf(second), kStateCompleted);
    EXPECT_TRUE(product.Right());
  }
}

TEST(NpuShim, FaultsEndAsTheySay) {
  const std::pair<const char*, uint32_t> faults[] = {{"timeout@2", kStateTimeout},
                                                     {"abort@2+", kStateAbort},
                                                     {"error@2", kStateError},
                                                     {"nothing@2", kStateCompleted},
                                                     {"hang@2", kStateNew}};
  for (const auto& [fault, state] : faults) {
    SCOPED_TRACE(fault);
    Client client(fault);
    Product product(client);
    const auto command = client.Make(kBoCommand, 4096);
    for (const bool second : {false, true}) {
      command.Set(std::span<const uint32_t>(product.command));
      std::memset(product.c.memory, 0, static_cast<size_t>(product.plan.c_bytes));
      ASSERT_EQ(client.Exec(product.context, command), 0);
      EXPECT_EQ(StateOf(command), second ? state : uint32_t{kStateCompleted});
      EXPECT_EQ(product.Right(), !second);
    }
    const bool hangs = state == kStateNew;
    EXPECT_EQ(client.Wait(std::chrono::milliseconds(5)), hangs ? ETIME : 0);
  }
  Client client("gone");
  Product product(client);
  const auto command = client.Make(kBoCommand, 4096);
  command.Set(std::span<const uint32_t>(product.command));
  EXPECT_EQ(client.Exec(product.context, command), ENODEV);
  HandleArgs close{command.handle, 0};
  EXPECT_EQ(client.accelerator->Call(kDrmGemClose, &close), ENODEV);
}

TEST(NpuShim, FaultsAreSpelledRight) {
  EXPECT_TRUE(ParseFault("").Is(FaultKind::kNone));
  EXPECT_TRUE(ParseFault("hang@12+").Meets(13));
  EXPECT_FALSE(ParseFault("hang@12").Meets(13));
  for (const char* const wrong : {"hung", "hang@", "hang@0", "hang@x", "hang@1-"}) {
    EXPECT_THROW(ParseFault(wrong), Error) << wrong;
  }
}

// Every word of a command in turn is something else: it ends in a state, and in no other way.
TEST(NpuShim, WrongCommandsEndInAState) {
  Client client;
  Product product(client);
  const auto command = client.Make(kBoCommand, 4096);
  std::mt19937 random(9);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint32_t> words = product.command;
    uint32_t& word = words[random() % words.size()];
    word = round % 2 == 0 ? static_cast<uint32_t>(random()) : word ^ 1U << random() % 32;
    command.Set(std::span<const uint32_t>(words));
    EXPECT_EQ(client.Exec(product.context, command), 0);
  }
  // A chain of itself would never end.
  const uint32_t itself[] = {0x09808001, 1, 0, 0, 0, 0, 0, command.handle, 0};
  command.Set(std::span<const uint32_t>(itself));
  EXPECT_EQ(client.Exec(product.context, command), 0);
  EXPECT_EQ(StateOf(command), kStateError);
}

TEST(NpuShim, WrongCallsAreRefused) {
  Client client;
  const std::vector<std::byte> noise(4096, std::byte{7});
  client.MakeContext(noise, EINVAL);
  const GemmConfig other{{Generation::kNpu2, 8}, GemmType::kI8, GemmOutput::kI32};
  client.MakeContext(WriteEmulatedPdi(MakeGemmDesign(other)), EINVAL);
  std::array<uint64_t, 16> zeros{};
  for (uint32_t number = 0; number < 256; ++number) {
    if (number == kDrmVersion || number == kDrmSyncobjCreate || number == kSyncBo ||
        number == kGetArray || number == kDrmPrimeFdToHandle) {
      continue;  // Nothing is wrong with zeros there.
    }
    zeros.fill(0);
    EXPECT_NE(client.accelerator->Call(number, zeros.data()), 0) << number;
  }
  CreateBoArgs large{0, 0, Memory::kHeapBytes + 1, kBoDev, 0};
  EXPECT_EQ(client.accelerator->Call(kCreateBo, &large), EAGAIN);
}

TEST(NpuShim, WhatIsClosedIsGone) {
  Client client;
  {
    Product product(client);
    EXPECT_EQ(client.accelerator->open().buffers, 6U);
    for (const uint32_t handle : {product.a.handle, product.b.handle, product.c.handle,
                                  product.instructions.handle, product.instructions.handle - 1}) {
      HandleArgs close{handle, 0};
      EXPECT_EQ(client.accelerator->Call(kDrmGemClose, &close), 0);
      EXPECT_EQ(client.accelerator->Call(kDrmGemClose, &close), EINVAL);
    }
    HandleArgs destroy{product.context, 0};
    EXPECT_EQ(client.accelerator->Call(kDestroyContext, &destroy), 0);
    HandleArgs syncobj{client.syncobj, 0};
    EXPECT_EQ(client.accelerator->Call(kDrmSyncobjDestroy, &syncobj), 0);
  }
  EXPECT_EQ(client.accelerator->open().buffers, 1U);  // The heap.
  EXPECT_EQ(client.accelerator->open().contexts, 0U);
  EXPECT_EQ(client.accelerator->open().syncobjs, 0U);
}

}  // namespace
}  // namespace tandem::npu::shim
