// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Faults while a model is converted: the output is whole, or as it was before.
#include "engine/convert.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "faults/small_model.h"
#include "faults/torture.h"
#include "support/model_test.h"

namespace tandem::test {
namespace {

std::string Contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ConvertScenario : public Scenario {
 public:
  /// Writes to `options.output` in a folder of its own. `replaces`: there is a file already.
  ConvertScenario(ConvertOptions options, bool replaces)
      : options_(std::move(options)), replaces_(replaces) {
    options_.output = folder_ / "out.gguf";
    options_.threads = 3;
    plain_ = Convert(options_);
    bytes_ = Contents(options_.output);
    std::filesystem::remove(options_.output);
  }

  void Prepare() override {
    if (replaces_) std::ofstream(options_.output) << kOld;
  }
  void Run() override { summary_ = Convert(options_); }
  void CheckDone() override {
    EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"out.gguf"}));
    EXPECT_TRUE(Contents(options_.output) == bytes_);
    EXPECT_EQ(summary_.bytes, bytes_.size());
    EXPECT_EQ(summary_.tensors, plain_.tensors);
    EXPECT_EQ(summary_.notes, plain_.notes);
    EXPECT_EQ(summary_.fallbacks, plain_.fallbacks);
  }
  void CheckFailed() override {
    if (replaces_) {
      EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"out.gguf"}));
      EXPECT_TRUE(Contents(options_.output) == kOld);
    } else {
      EXPECT_TRUE(folder_.Names().empty());
    }
  }
  void Clear() override {
    std::filesystem::remove(options_.output);
    summary_ = {};
  }
  bool IsPublic() const override { return false; }
  // The folder is synced where that can be done, and the quota of processors need not be known.
  bool MayIgnore(const Fault& fault, uint64_t count) const override {
    return fault.call == Call::kRead ||
           ((fault.call == Call::kOpen || fault.call == Call::kSync) && fault.nth == count);
  }

 private:
  static constexpr const char* kOld = "what was here before";

  ConvertOptions options_;
  bool replaces_;
  TemporaryFolder folder_;
  std::string bytes_;
  ConvertSummary plain_;
  ConvertSummary summary_;
};

TEST(ConvertFaults, FolderToQuantisedFile) {
  const TemporaryFolder folder;
  WriteSmallFolder(folder / "model", false);
  ConvertOptions options;
  options.source = folder / "model";
  options.type = "q8_0";
  ConvertScenario scenario(options, true);
  Torture("convert a folder to Q8_0", scenario,
          {Call::kAllocation, Call::kThread, Call::kOpen, Call::kStat, Call::kList, Call::kLink,
           Call::kMap, Call::kRead, Call::kWrite, Call::kSync, Call::kRename, Call::kMode});
}

TEST(ConvertFaults, Slice) {
  const TemporaryFolder folder;
  WriteSmallGguf(folder / "model.gguf");
  ConvertOptions options;
  options.source = folder / "model.gguf";
  options.type = "q4_0";
  options.slice_skip = "2-3";
  options.slice_ffn = "32";
  ConvertScenario scenario(options, false);
  Torture("slice a file", scenario,
          {Call::kAllocation, Call::kThread, Call::kOpen, Call::kStat, Call::kMap, Call::kRead,
           Call::kWrite, Call::kSync, Call::kRename});
}

}  // namespace
}  // namespace tandem::test
