// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A reply that is stopped: by Ctrl-C, or here after its second sentence. What was said until then
// stays in the session, and the conversation goes on from there.
#include <tandem/tandem.h>

#include <atomic>
#include <csignal>
#include <iostream>

namespace {

std::atomic<bool> stop = false;  // lock-free, so a signal handler may set it

void OnInterrupt(int) { stop = true; }

int Run() {
  const auto model = tandem::Model::LoadEmbedded();
  tandem::EngineOptions engine_options;
  engine_options.chunk = 8;  // a short prompt, and we want to see progress
  tandem::Engine engine(model, engine_options);
  const auto session = engine.NewSession();
  auto options = tandem::DefaultGenerationOptions(*model);
  options.sampling.seed = 7;  // the same story each time

  int sentences = 0;
  tandem::GenerationCallbacks callbacks;
  callbacks.progress = [](int64_t done, int64_t total) {
    std::cerr << "prompt: " << done << " of " << total << " tokens\n";
  };
  callbacks.text = [&](std::string_view piece) {
    std::cout << piece << std::flush;
    for (const char c : piece) sentences += c == '.';
    if (sentences >= 2) stop = true;
  };
  callbacks.cancelled = [] { return stop.load(); };

  std::signal(SIGINT, OnInterrupt);
  const auto reply =
      tandem::Reply(*session, "Tell me a story about a fox named Leo.", options, callbacks);
  std::cout << "\n(" << tandem::EndReasonName(reply.reason) << " after " << reply.tokens.size()
            << " tokens; the session holds " << session->tokens().size() << ")\n";
  return 0;
}

}  // namespace

int main() {
  try {
    return Run();
  } catch (const tandem::Error& error) {
    std::cerr << "error: " << error.message() << "\n";
    return 1;
  }
}
