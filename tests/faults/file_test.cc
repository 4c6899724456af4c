// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Faults while a file of several buffers is written through a link.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "core/atomic_file.h"
#include "faults/torture.h"
#include "support/model_test.h"

namespace tandem::test {
namespace {

class WriteScenario : public Scenario {
 public:
  WriteScenario() {
    std::filesystem::create_directory(folder_ / "real");
    std::filesystem::create_symlink("real/file", folder_ / "link");
    for (size_t i = 0; i < text_.size(); ++i) text_[i] = static_cast<char>(i * i >> 9);
  }

  void Prepare() override { std::ofstream(folder_ / "real/file") << kOld; }
  // In part gathered in the buffer, in part larger than it.
  void Run() override {
    AtomicFile file(folder_ / "link");
    size_t at = 0;
    for (const size_t size :
         {size_t{1}, size_t{700'000}, size_t{700'000}, size_t{5}, size_t{1'048'576}, size_t{99}}) {
      file.Write(std::string_view(text_).substr(at, size));
      at += size;
    }
    file.PadTo(64);
    file.Commit();
  }
  void CheckDone() override {
    EXPECT_TRUE(Contents().starts_with(text_)) << Contents().size();
    EXPECT_EQ(Contents().size() % 64, 0u);
    CheckNames();
  }
  void CheckFailed() override {
    EXPECT_TRUE(Contents() == kOld);
    CheckNames();
  }
  bool IsPublic() const override { return false; }
  // The folder is synced where that can be done.
  bool MayIgnore(const Fault& fault, uint64_t count) const override {
    return (fault.call == Call::kOpen || fault.call == Call::kSync) && fault.nth == count;
  }

 private:
  static constexpr const char* kOld = "what was here before";

  std::string Contents() const {
    std::ifstream in(folder_ / "real/file", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void CheckNames() const {
    EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"link", "real"}));
    EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "link"));
    const std::filesystem::directory_iterator entries(folder_ / "real");
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
  }

  TemporaryFolder folder_;
  std::string text_ = std::string(2'448'681, ' ');
};

TEST(FileFaults, Write) {
  WriteScenario scenario;
  Torture("write a file through a link", scenario,
          {Call::kAllocation, Call::kOpen, Call::kStat, Call::kLink, Call::kWrite, Call::kSync,
           Call::kRename, Call::kMode});
}

}  // namespace
}  // namespace tandem::test
