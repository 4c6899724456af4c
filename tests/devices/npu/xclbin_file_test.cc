// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which xclbins the NPU behind XRT gets: those of this version of Tandem, by the manifest beside
// them.
#include "devices/npu/xrt/xclbin_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "devices/npu/arrays/gemm_configuration.h"
#include "devices/npu/built/fingerprint.h"
#include "devices/npu/workbench/design_list.h"
#include "devices/npu/xclbin/xclbin.h"

namespace tandem::npu {
namespace {

namespace fs = std::filesystem;

ArrayConfiguration Products(GemmType type) {
  return GemmConfiguration({{Generation::kNpu1, 4}, type, GemmOutput::kI32});
}

class NpuXclbinFiles : public testing::Test {
 protected:
  NpuXclbinFiles() {
    folder_ = fs::temp_directory_path() / ("tandem-xclbins-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    ::setenv("TANDEM_NPU_KERNELS", folder_.c_str(), 1);
    for (const GemmType type : {GemmType::kI8, GemmType::kI4}) {
      const ArrayConfiguration configuration = Products(type);
      WriteBytes(configuration.name, MakeEmulatedXclbin(configuration));
    }
  }
  ~NpuXclbinFiles() override {
    ::unsetenv("TANDEM_NPU_KERNELS");
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void WriteBytes(const std::string& name, const std::vector<std::byte>& bytes) const {
    std::ofstream(folder_ / (name + ".xclbin"), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  void WriteManifest(const std::string& name, const std::string& fingerprint) const {
    std::ofstream(folder_ / "manifest.json")
        << R"({"tandem_npu_kernels": 1, "mlir_aie": "1.3.4", "designs": [{"name": ")" + name +
               R"(", "generation": "npu1", "fingerprint": ")" + fingerprint + R"(", "xclbin": ")" +
               name + R"(.xclbin"}]})";
  }
  /// What stands on stderr after `files` was asked for a configuration.
  static std::string Said(XclbinFiles& files, const ArrayConfiguration& configuration) {
    testing::internal::CaptureStderr();
    EXPECT_FALSE(files.Find(configuration).bytes.empty());
    return testing::internal::GetCapturedStderr();
  }
  static Error Refused(XclbinFiles& files, const ArrayConfiguration& configuration) {
    try {
      files.Find(configuration);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "it was taken";
    return Error(ErrorKind::kInternal, "");
  }

  fs::path folder_;
};

TEST_F(NpuXclbinFiles, OfThisVersionAreTakenWithoutAWord) {
  const ArrayConfiguration configuration = Products(GemmType::kI8);
  WriteManifest(configuration.name, DesignFingerprint(configuration.design));
  XclbinFiles files(/*emulated=*/true);
  EXPECT_EQ(Said(files, configuration), "");
}

TEST_F(NpuXclbinFiles, OfAnotherVersionAreRefusedWithTheCommandThatMendsIt) {
  const ArrayConfiguration configuration = Products(GemmType::kI8);
  WriteManifest(configuration.name, "0123456789abcdef");
  XclbinFiles files(/*emulated=*/true);
  const Error error = Refused(files, configuration);
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  const std::string file = (folder_ / "gemm-i8-i32-npu1.xclbin").string();
  EXPECT_TRUE(error.message().starts_with(file + ": of another version of Tandem"))
      << error.message();
  EXPECT_EQ(error.hint(), "make npu-kernels GENERATION=npu1");
}

TEST_F(NpuXclbinFiles, NobodyKnowsOfWhichAreTakenWithOneWarning) {
  XclbinFiles files(/*emulated=*/true);
  const std::string said = Said(files, Products(GemmType::kI8));
  EXPECT_NE(said.find("gemm-i8-i32-npu1.xclbin is taken as it is: there is no manifest.json"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("make npu-kernels GENERATION=npu1"), std::string::npos) << said;
  EXPECT_EQ(Said(files, Products(GemmType::kI4)), "");

  WriteManifest("gemm-i4-i32-npu1", DesignFingerprint(Products(GemmType::kI4).design));
  XclbinFiles again(/*emulated=*/true);
  EXPECT_EQ(Said(again, Products(GemmType::kI4)), "");
  EXPECT_NE(Said(again, Products(GemmType::kI8)).find("manifest.json does not list it"),
            std::string::npos);
}

TEST_F(NpuXclbinFiles, BesideABrokenManifestAreRefused) {
  std::ofstream(folder_ / "manifest.json") << "{";
  XclbinFiles files(/*emulated=*/true);
  EXPECT_EQ(Refused(files, Products(GemmType::kI8)).kind(), ErrorKind::kCorruptFile);
}

// Machine code, as far as Tandem sees.
TEST_F(NpuXclbinFiles, ForHardwareAreCheckedAsWell) {
  const ArrayConfiguration configuration = Products(GemmType::kI8);
  Xclbin xclbin;
  xclbin.buffers = 3;
  xclbin.columns = 4;
  xclbin.start_columns = {1};
  xclbin.pdi.assign(64, std::byte{1});
  WriteBytes(configuration.name, WriteXclbin(xclbin));
  WriteManifest(configuration.name, "0");
  XclbinFiles files(/*emulated=*/false);
  EXPECT_EQ(Refused(files, configuration).hint(), "make npu-kernels GENERATION=npu1");
  WriteManifest(configuration.name, DesignFingerprint(configuration.design));
  XclbinFiles anew(/*emulated=*/false);
  EXPECT_EQ(Said(anew, configuration), "");
}

// What the engine configures is what the list, and by it the manifest, has under that name.
TEST(NpuFingerprints, AreThoseOfTheListAndAllDiffer) {
  std::vector<std::string> seen;
  for (const NamedDesign& named : AllDesigns()) {
    seen.push_back(DesignFingerprint(named.make()));
    EXPECT_EQ(seen.back().size(), 16U);
  }
  const ArrayConfiguration configuration = Products(GemmType::kI8);
  EXPECT_EQ(DesignFingerprint(configuration.design),
            DesignFingerprint(FindDesign(configuration.name).make()));
  Design other = configuration.design;
  other.locks.front().init += 1;
  EXPECT_NE(DesignFingerprint(other), DesignFingerprint(configuration.design));
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
}

}  // namespace
}  // namespace tandem::npu
