// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Files that are cut by somebody else while the program has them mapped: one line that names the
// file, the exit code of a failed read, and nothing half-written.
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "cli/process.h"
#include "cli/terminal.h"
#include "support/sanitizers.h"

namespace tandem::test {
namespace {

constexpr const char* kWhat = ": cut short, or not readable any more, while it was in use";

class FileLoss : public testing::Test {
 protected:
  FileLoss() : model_(folder_ / "model.gguf") {}
  void SetUp() override {
    ASSERT_EQ(Tandem({"convert", "-q", "-o", model_, "--type", "q8_0"}).code, 0);
  }
  void Cut() const { std::filesystem::resize_file(model_, 4096); }

  TemporaryFolder folder_;
  std::string model_;
};

TEST_F(FileLoss, EndsAChatWithOneLine) {
  Terminal terminal({"run", "-q", "--temp", "0", "-m", model_},
                    {{"TANDEM_HISTORY", ""}, {"NO_COLOR", "1"}});
  ASSERT_FALSE(terminal.WaitFor("> ").empty()) << terminal.screen();
  Cut();
  terminal.Type("What is 27 + 45?\n");
  EXPECT_FALSE(terminal.WaitFor("\nerror: " + model_ + kWhat).empty()) << terminal.screen();
  EXPECT_EQ(terminal.Wait(), 4) << terminal.screen();
  EXPECT_NE(terminal.screen().find("\nhint: "), std::string::npos) << terminal.screen();
}

// The conversion waits with a full standard error, so that the cut comes in the middle of it.
TEST_F(FileLoss, LeavesNoHalfConvertedModel) {
  const Finished run = Shell("cd " + folder_.path().string() + R"(
    mkfifo pipe; exec 3<>pipe
    head -c 65536 /dev/zero >&3
    "$TANDEM" convert model.gguf -o out.gguf --type f32 2>&3 3>&- & pid=$!
    until grep -q model.gguf /proc/$pid/maps; do kill -0 $pid || exit 99; done
    truncate -s 4096 model.gguf
    dd bs=65536 count=1 iflag=fullblock <&3 >/dev/null 2>&1
    wait $pid; code=$?
    dd bs=65536 count=1 iflag=nonblock <&3 2>/dev/null
    rm pipe
    exit $code)");
  EXPECT_EQ(run.code, 4) << run.out << run.err;
  EXPECT_NE(run.out.find(std::string("error: model.gguf") + kWhat), std::string::npos) << run.out;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().filename(), "model.gguf");
  }
}

// One that somebody sends ends the program as it ends any other, once the handler is there.
TEST(FileLossHandler, LeavesOtherSignalsAlone) {
#if TANDEM_ADDRESS_SANITIZER
  GTEST_SKIP() << "AddressSanitizer has a handler from the start: ours cannot be waited for";
#endif
  const TemporaryFolder folder;
  const Finished run = Shell("cd " + folder.path().string() + R"(
    mkfifo pipe; exec 3<>pipe
    "$TANDEM" run <&3 & pid=$!
    until (( 0x0$(sed -n 's/^SigCgt:[[:space:]]*//p' /proc/$pid/status) & 1 << 6 )); do
      kill -0 $pid || exit 99
    done
    kill -BUS $pid; wait $pid)");
  EXPECT_EQ(run.code, 128 + SIGBUS) << run.out << run.err;
}

}  // namespace
}  // namespace tandem::test
