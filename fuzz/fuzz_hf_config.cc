// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// config.json: hyper-parameters that are read are valid ones.
#include <nlohmann/json.hpp>

#include "formats/json_file.h"
#include "fuzz.h"
#include "gemma/hf.h"
#include "gemma3/hf.h"
#include "gemma3n/hf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  Refuses([&] {
    const JsonDocument config = ParseJson(Text(data, size), "config.json");
    gemma::HasTowers(config);
    if (gemma3::IsHfConfig(config)) {
      const gemma3::HyperParams params = gemma3::ReadHfConfig(config, "config.json");
      Check(!Refuses([&] { params.Validate("config.json"); }), "what was read is valid");
    }
    const gemma3n::HyperParams params = gemma3n::ReadHfConfig(config, "config.json");
    Check(!Refuses([&] { params.Validate("config.json"); }), "what was read is valid");
  });
  return 0;
}
