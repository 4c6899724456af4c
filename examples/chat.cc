// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// One question, and the reply as it is made.
#include <tandem/tandem.h>

#include <iostream>

int main() {
  try {
    const auto model = tandem::Model::LoadEmbedded();  // or Load("gemma-3n-E2B-it-Q4_K_M.gguf")
    tandem::Engine engine(model);
    const auto session = engine.NewSession();

    auto options = tandem::DefaultGenerationOptions(*model);
    options.sampling.temperature = 0;  // always the likeliest token
    tandem::GenerationCallbacks callbacks;
    callbacks.text = [](std::string_view piece) { std::cout << piece << std::flush; };

    tandem::Reply(*session, "What is the capital of Brazil?", options, callbacks);
    std::cout << "\n";
  } catch (const tandem::Error& error) {
    std::cerr << "error: " << error.message() << "\n" << error.hint() << "\n";
    return 1;
  }
}
