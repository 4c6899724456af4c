// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Times products of many rows on a Vulkan device, tile by tile, by the device's own clock, and
// checks each against the plain kernel first.
//
//   vulkan_bench                                   shapes of E2B, the tiles that compete
//   vulkan_bench --shape 2048x8192 --tokens 512 --type q4_0
//   vulkan_bench --shape 2048x8192 --tokens 512 --coop 128,128,1,2,4,2,1 --dot 128,64,1,2,8,4
//
// A tile is written as in devices/vulkan/gemm.h. Weights are walked through --copies copies, so
// that caches do not hold them. The tile that the engine takes is marked with *.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <list>
#include <random>

#include "support/product_runner.h"

namespace tandem {
namespace {

using testing::ProductRunner;
using vulkan::CooperativeTile;
using vulkan::DotTile;
using vulkan::FloatTile;
using vulkan::Gemm;
using vulkan::Layout;

struct Options {
  VulkanOptions device;
  std::vector<std::string> shapes;
  std::vector<uint64_t> tokens;
  std::vector<std::string> types;
  std::vector<std::string> coop, dot, floats;
  int copies = 4;
  int repeats = 20;
  bool check = true;
};

struct Candidate {
  std::string name;
  Gemm gemm;
};

// `least` to `most` numbers; what is not there is 0.
std::array<uint32_t, 8> Numbers(const std::string& text, size_t least, size_t most) {
  std::array<uint32_t, 8> numbers{};
  size_t at = 0, count = 0;
  for (; count < most && at < text.size(); ++count) {
    size_t used = 0;
    numbers[count] = static_cast<uint32_t>(std::stoul(text.substr(at), &used));
    at += used + (at + used < text.size() ? 1 : 0);
  }
  if (at != text.size() || count < least) throw std::runtime_error(text + " is not a tile");
  return numbers;
}

std::vector<Candidate> Candidates(const Options& options, const Layout& layout,
                                  const vulkan::GemmDevice& device) {
  std::vector<Candidate> list;
  if (!layout.quantized) {
    for (const std::string& text : options.floats) {
      const auto n = Numbers(text, 5, 5);
      list.push_back({"float " + text, GemmOf(FloatTile{n[0], n[1], n[2], n[3], n[4]}, layout)});
    }
    return list;
  }
  for (const std::string& text : options.coop) {
    const auto n = Numbers(text, 7, 8);
    const CooperativeTile tile{n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]};
    if (!device.cooperative ||
        SharedBytes(tile, layout, device.cooperative) > device.shared_bytes) {
      continue;
    }
    const Gemm gemm = GemmOf(tile, layout, device);
    std::string name{vulkan::KernelName(gemm.kernel).substr(5)};
    list.push_back({name + " " + text, gemm});
  }
  for (const std::string& text : options.dot) {
    const auto n = Numbers(text, 6, 6);
    list.push_back(
        {"dot " + text, GemmOf(DotTile{n[0], n[1], n[2], n[3], n[4], n[5]}, layout, device)});
  }
  return list;
}

// Random blocks, with scales of modest size; as many different rows as need be.
std::vector<std::byte> RandomWeights(DType type, int64_t rows, int64_t cols,
                                     std::mt19937_64& random) {
  const size_t row_bytes = RowBytes(type, cols);
  const auto different = static_cast<size_t>(std::min<int64_t>(rows, 64));
  std::vector<std::byte> bytes(static_cast<size_t>(rows) * row_bytes);
  for (size_t i = 0; i < different * row_bytes; ++i) {
    bytes[i] = static_cast<std::byte>(random()) & std::byte{0x37};
  }
  for (size_t r = different; r < static_cast<size_t>(rows); ++r) {
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(r % different * row_bytes), row_bytes,
                bytes.begin() + static_cast<ptrdiff_t>(r * row_bytes));
  }
  return bytes;
}

// The largest difference, as a share of the largest value.
double Difference(const std::vector<float>& got, const std::vector<float>& want) {
  float most = 0, difference = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    most = std::max(most, std::abs(want[i]));
    const float off = std::abs(got[i] - want[i]);
    if (!(off <= difference)) difference = off;
  }
  return static_cast<double>(difference) / static_cast<double>(most);
}

// `all_copies` keeps the weights: the runner knows them by their address.
void RunShape(const Options& options, ProductRunner& runner,
              std::list<std::vector<std::vector<std::byte>>>& all_copies, DType type, int64_t rows,
              int64_t cols) {
  std::mt19937_64 random(1);
  std::vector<std::vector<std::byte>>& copies =
      all_copies.emplace_back(static_cast<size_t>(options.copies));
  std::vector<WeightView> views;
  for (auto& copy : copies) {
    copy = copies[0].empty() ? RandomWeights(type, rows, cols, random) : copies[0];
    views.push_back({type, rows, cols, RowBytes(type, cols), copy.data()});
  }
  runner.SetWeights(views);
  const Layout layout = vulkan::LayoutOf(type);
  for (const uint64_t tokens : options.tokens) {
    std::normal_distribution<float> normal;
    std::vector<float> x(tokens * static_cast<uint64_t>(cols));
    for (float& value : x) value = normal(random);
    runner.SetActivations(x, tokens);
    std::vector<Candidate> candidates = Candidates(options, layout, runner.device());
    const Gemm chosen = ChooseGemm(layout, static_cast<uint64_t>(rows), tokens, runner.device());
    const auto is_chosen = [&](const Gemm& gemm) {
      return gemm.kernel == chosen.kernel && gemm.constants == chosen.constants;
    };
    if (std::none_of(candidates.begin(), candidates.end(),
                     [&](const Candidate& candidate) { return is_chosen(candidate.gemm); })) {
      candidates.push_back({"chosen", chosen});
    }
    const std::vector<float> want = options.check ? runner.Plain() : std::vector<float>();
    for (const Candidate& candidate : candidates) {
      // Twice the tokens is padding that says nothing.
      if (candidate.gemm.tokens >= 2 * tokens && candidate.gemm.tokens > 16) continue;
      std::string checked = "not checked";
      if (options.check) {
        const double off = Difference(runner.Run(candidate.gemm), want);
        checked = fmt::format("{} {:.1e}", off < 1e-5 ? "ok" : "WRONG", off);
      }
      runner.Time(candidate.gemm, options.repeats);
      double seconds = 1e9;
      for (int i = 0; i < 3; ++i) {
        seconds = std::min(seconds, runner.Time(candidate.gemm, options.repeats));
      }
      const double work =
          2.0 * static_cast<double>(rows) * static_cast<double>(cols) * static_cast<double>(tokens);
      const double bytes =
          static_cast<double>(vulkan::RowSizesOf(type, cols).total()) * static_cast<double>(rows);
      fmt::print("{:5} {:>6}x{:<6}{:>5} {}{:28} {:9.1f} us {:8.2f} TFLOP/s {:7.0f} GB/s  {}\n",
                 DTypeName(type), rows, cols, tokens, is_chosen(candidate.gemm) ? '*' : ' ',
                 candidate.name, seconds * 1e6, work / seconds * 1e-12, bytes / seconds * 1e-9,
                 checked);
      std::fflush(stdout);
    }
  }
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Products of many rows on a Vulkan device");
  app.add_option("--gpu", options.device.gpu, "number of the device");
  app.add_option("--shape", options.shapes, "ROWSxCOLS of the weights")->delimiter(',');
  app.add_option("--tokens", options.tokens, "rows of activations")->delimiter(',');
  app.add_option("--type", options.types, "of the weights")->delimiter(',');
  app.add_option("--coop", options.coop,
                 "rows,tokens,steps,buffers,row/token/block subgroups of a tile[,scaling]");
  app.add_option("--dot", options.dot, "rows,tokens,steps,buffers,rows and tokens of a thread");
  app.add_option("--float", options.floats, "rows,tokens,depth,rows and tokens of a thread");
  app.add_option("--copies", options.copies, "of the weights, walked in turn");
  app.add_option("--repeats", options.repeats, "of a product in a measurement");
  app.add_flag("!--no-check", options.check, "do not compare with the plain kernel");
  CLI11_PARSE(app, argc, argv);
  options.device.cooperative = VulkanOptions::Cooperative::kAlways;
  const bool own = !options.coop.empty() || !options.dot.empty() || !options.floats.empty();
  if (options.shapes.empty()) {
    options.shapes = {"16384x2048", "2048x8192", "2048x2048"};
  }
  if (options.tokens.empty()) options.tokens = {32, 512};
  if (options.types.empty()) options.types = {"q4_0"};
  if (!own) {
    options.coop = {
        "64,32,4,1,4,1,2",     "64,32,4,1,4,1,2,1",  "64,32,4,1,4,1,2,2",   "64,64,4,1,4,1,2",
        "64,64,4,1,4,1,2,1",   "64,64,4,1,2,2,2",    "64,64,4,1,2,2,2,1",   "64,64,2,2,4,1,1",
        "64,64,2,1,2,2,1",     "64,64,4,1,2,1,4",    "128,64,2,1,4,1,2",    "128,64,2,1,4,1,2,1",
        "128,64,2,2,4,1,2,1",  "128,64,2,1,4,2,1",   "128,64,2,1,4,2,1,1",  "128,128,2,1,4,2,1",
        "128,128,2,1,4,2,1,1", "128,128,1,2,2,2,1",  "128,128,1,2,2,2,1,1", "128,64,1,2,2,2,1,1",
        "64,128,2,1,2,2,2,1",  "64,128,1,2,2,2,1,1", "128,32,2,1,4,1,2",    "128,32,2,1,8,1,1",
        "64,32,8,1,4,1,4",     "64,32,4,1,2,1,4,1",  "32,32,8,1,2,1,4",     "32,32,8,1,2,1,4,1",
        "32,32,8,1,1,1,8",     "16,32,8,1,1,1,8",    "16,32,16,1,1,1,16",   "32,32,16,1,2,1,8",
        "32,16,8,1,2,1,4"};
    options.dot = {"64,32,2,1,4,4"};
    options.floats = {"128,128,16,8,8", "128,64,16,8,4", "64,64,16,4,4", "64,32,16,4,4"};
  }
  ProductRunner runner(options.device);
  std::list<std::vector<std::vector<std::byte>>> copies;
  fmt::print("{}\n", runner.name());
  for (const std::string& type_name : options.types) {
    const auto types = AllDTypes();
    const auto type = std::find_if(types.begin(), types.end(), [&](DType candidate) {
      return DTypeName(candidate) == type_name;
    });
    if (type == types.end()) throw std::runtime_error("no type " + type_name);
    for (const std::string& shape : options.shapes) {
      const size_t x = shape.find('x');
      if (x == std::string::npos) throw std::runtime_error(shape + " is not ROWSxCOLS");
      RunShape(options, runner, copies, *type, std::stoll(shape.substr(0, x)),
               std::stoll(shape.substr(x + 1)));
    }
  }
  return 0;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  try {
    return tandem::Main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "vulkan_bench: {}\n", error.what());
    return 1;
  }
}
