// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Host code on AMD's XRT over the emulated accelerator. Run by xrt_gate.sh, which sets up the
// process; TANDEM_NPU_SHIM and TANDEM_NPU_SHIM_FAULT say which device there is, and what it does.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/arrays/gemm_configuration.h"
#include "devices/npu/gated_model.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/norm_model.h"
#include "devices/npu/prefill/array_products.h"
#include "devices/npu/xrt/npu_node.h"
#include "devices/npu/xrt/xrt_backend.h"

namespace tandem::npu {
namespace {

Generation Present() {
  const char* const name = std::getenv("TANDEM_NPU_SHIM");
  return name != nullptr && std::string_view(name) == "npu2" ? Generation::kNpu2
                                                             : Generation::kNpu1;
}

/// Products of made-up integers, any number of them at once.
class Products {
 public:
  explicit Products(ArrayBackend& backend, int count) : backend_(backend) {
    const Device device{Present(), MaxColumns(Present())};
    config_ = {device, GemmType::kI8, GemmOutput::kI32};
    context_ = backend.Configure(GemmConfiguration(config_));
    std::mt19937 random(11);
    for (int i = 0; i < count; ++i) Add({1 + i % 9, 64 + 7 * i, 33 + i}, random);
  }

  void Run(std::chrono::milliseconds timeout = kArrayTimeout) {
    std::vector<ArrayRun> runs;
    for (One& one : all_) {
      std::memset(one.c->bytes().data(), 0, one.c->bytes().size());
      one.c->ToArray();
      runs.push_back({one.program.get(), one.arguments, one.marks, 0x80000000});
    }
    context_->Run(runs, timeout);
    for (One& one : all_) one.c->FromArray();
  }

  void Check() const {
    for (const One& one : all_) {
      std::vector<int32_t> c(one.want.size());
      UnpackC<int32_t>(one.plan, one.c->bytes(), c);
      ASSERT_EQ(c, one.want);
    }
  }

 private:
  struct One {
    GemmPlan plan;
    std::unique_ptr<ArrayBuffer> a, b, c;
    std::vector<ArrayArgument> arguments;
    std::vector<size_t> marks;
    std::unique_ptr<ArrayProgram> program;
    std::vector<int32_t> want;
  };

  void Add(const GemmShape& shape, std::mt19937& random) {
    One one;
    one.plan = PlanGemm(config_, shape);
    const auto [m, k, n] = shape;
    std::vector<int8_t> a(static_cast<size_t>(m * k));
    std::vector<int8_t> b(static_cast<size_t>(k * n));
    for (int8_t& value : a) value = static_cast<int8_t>(random());
    for (int8_t& value : b) value = static_cast<int8_t>(random());
    one.want.resize(static_cast<size_t>(m * n));
    for (int64_t i = 0; i < m * n; ++i) {
      int32_t sum = 0;
      for (int64_t j = 0; j < k; ++j) {
        sum += a[static_cast<size_t>(i / n * k + j)] * b[static_cast<size_t>(j * n + i % n)];
      }
      one.want[static_cast<size_t>(i)] = sum;
    }
    one.a = backend_.MakeBuffer(static_cast<size_t>(one.plan.a_bytes));
    one.b = backend_.MakeBuffer(static_cast<size_t>(one.plan.b_bytes));
    one.c = backend_.MakeBuffer(static_cast<size_t>(one.plan.c_bytes));
    PackA(one.plan, a, one.a->bytes());
    PackB(one.plan, b, 0, one.b->bytes());
    for (ArrayBuffer* const buffer : {one.a.get(), one.b.get(), one.c.get()}) {
      buffer->ToArray();
      one.arguments.push_back({buffer, buffer->bytes().size()});
    }
    one.marks = {static_cast<size_t>(one.plan.c_bytes) - 4};
    one.program = context_->Load(GemmStream(one.plan));
    all_.push_back(std::move(one));
  }

  ArrayBackend& backend_;
  GemmConfig config_;
  std::unique_ptr<ArrayContext> context_;
  std::vector<One> all_;
};

std::unique_ptr<ArrayBackend> Backend() { return MakeXrtBackend({Present(), 1000}); }

template <typename Function>
void ExpectError(ErrorKind kind, std::string_view text, const Function& function) {
  try {
    function();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.message();
    EXPECT_NE(error.message().find(text), std::string::npos) << error.message();
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST(Works, DescribesItself) {
  const auto backend = Backend();
  EXPECT_TRUE(backend->emulated());
  EXPECT_NE(backend->description().find("through XRT 2."), std::string::npos);
}

TEST(Works, SingleRunsAndLongLists) {
  const auto backend = Backend();
  Products one(*backend, 1);
  // XRT divides lists behind the 24th run.
  Products many(*backend, 30);
  for (int round = 0; round < 3; ++round) {
    one.Run();
    one.Check();
    many.Run();
    many.Check();
  }
}

TEST(Works, AThousandRunsAndTenContexts) {
  const auto backend = Backend();
  for (int i = 0; i < 10; ++i) {
    Products products(*backend, 1);
    for (int run = 0; run < 100; ++run) products.Run();
    products.Check();
  }
}

TEST(Works, BuffersAreSharedWithOtherDevices) {
  const auto backend = Backend();
  const auto buffer = backend->MakeBuffer(10000);
  const int descriptor = buffer->Export();
  ASSERT_GE(descriptor, 0);
  void* const seen = mmap(nullptr, 10000, PROT_READ, MAP_SHARED, descriptor, 0);
  ASSERT_NE(seen, MAP_FAILED);
  std::memset(buffer->bytes().data(), 0x5A, 10000);
  EXPECT_EQ(std::memcmp(seen, buffer->bytes().data(), 10000), 0);
  munmap(seen, 10000);
  close(descriptor);
}

TEST(Works, TheOtherGenerationIsRefused) {
  const Generation other = Present() == Generation::kNpu1 ? Generation::kNpu2 : Generation::kNpu1;
  ExpectError(ErrorKind::kUnsupported, "was asked for", [&] { MakeXrtBackend({other, 0}); });
}

// A dense MLP, a sparse one and a mix of a prompt's step: all runs of each are one submission
// (xrt_gate.sh counts them), and what comes of them is the emulator's, bit for bit.
TEST(Lists, MlpsAndMixesAreTheEmulators) {
  std::mt19937_64 random(5);
  const Device device{Present(), MaxColumns(Present())};
  ArrayProducts there(device, Backend());
  ArrayProducts here(device, MakeEmulatedBackend(device.generation));
  std::deque<test::GatedModel> models;  // Matrices are known by where they lie.
  for (const auto& [mix, cut] : {std::pair{false, false}, {false, true}, {true, false}}) {
    test::GatedModel& gated = models.emplace_back(mix ? DType::kQ4_0 : DType::kQ8_0, mix, random);
    if (cut) gated.Cut(1.645F);
    there.Add(gated.Plan(device), {});
    here.Add(gated.Plan(device), {});
    std::vector<float> want;
    std::vector<float> got;
    ASSERT_TRUE(here.Gated(gated.Call(want)));
    for (int round = 0; round < 3; ++round) {
      ASSERT_TRUE(there.Gated(gated.Call(got)));
      ASSERT_EQ(got, want);
    }
  }
}

// Four runs of a list: attention's output, the norms behind it, the MLP, which is two, or three
// where it is sparse.
TEST(Lists, NormsAreTheEmulators) {
  std::mt19937_64 random(6);
  const Device device{Present(), MaxColumns(Present())};
  ArrayProducts there(device, Backend());
  ArrayProducts here(device, MakeEmulatedBackend(device.generation));
  std::deque<test::Layer> layers;
  for (const bool sparse : {false, true}) {
    test::Layer& layer = layers.emplace_back(DType::kQ8_0, 40, random);
    if (sparse) layer.Cut(1.645F);
    there.Add(layer.Plan(device), {});
    here.Add(layer.Plan(device), {});
    ASSERT_TRUE(here.OutAndMlp(layer.Call()));
    const std::vector<float> o = layer.o();
    const std::vector<float> y = layer.y();
    for (int round = 0; round < 3; ++round) {
      ASSERT_TRUE(there.OutAndMlp(layer.Call()));
      ASSERT_EQ(layer.o(), o);
      ASSERT_EQ(layer.y(), y);
    }
  }
}

// One command fails, in a list or alone: the work is done all the same.
TEST(FaultOnce, IsRepeated) {
  const auto backend = Backend();
  Products products(*backend, 5);
  products.Run(std::chrono::milliseconds(500));
  products.Check();
  products.Run(std::chrono::milliseconds(500));
  products.Check();
}

// All fail: a typed error in time, and at once from then on.
TEST(FaultAlways, GivesTheDeviceUp) {
  const auto backend = Backend();
  Products products(*backend, 1);
  const auto start = std::chrono::steady_clock::now();
  ExpectError(ErrorKind::kDeviceLost, "given up",
              [&] { products.Run(std::chrono::milliseconds(500)); });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  ExpectError(ErrorKind::kDeviceLost, "given up", [&] { products.Run(); });
  ExpectError(ErrorKind::kDeviceLost, "given up", [&] { backend->MakeBuffer(4); });
}

TEST(Absent, NoNode) {
  ExpectError(ErrorKind::kNotFound, "node: /dev/accel/accel0: the kernel has it",
              [] { Backend(); });
}
TEST(Absent, NoPermission) {
  ExpectError(ErrorKind::kIo, "permission: /dev/accel/accel0: permission denied",
              [] { Backend(); });
}
TEST(Absent, NoMemory) {
  ExpectError(ErrorKind::kResource, "no buffer of 100000 bytes",
              [] { Backend()->MakeBuffer(100000); });
}
TEST(Absent, Memlock) {
  ExpectError(ErrorKind::kResource, "cannot open", [] { Backend(); });
}

}  // namespace
}  // namespace tandem::npu
