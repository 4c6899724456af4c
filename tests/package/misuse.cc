// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Mistakes with the interface, one for each value of MISUSE, each the line after its #if, whose
// comment is what the error must match. Without MISUSE, correct use. misuse.sh compiles it.
#include <tandem/tandem.h>

#ifndef MISUSE
#define MISUSE 0
#endif

#if MISUSE == 1  // error: core/error.h.*(No such file|not found)
#include <core/error.h>
#endif

namespace {

[[maybe_unused]] void Use(const std::shared_ptr<const tandem::Model>& model) {
  tandem::Engine engine(model);
  const std::unique_ptr<tandem::Session> session = engine.NewSession();
  tandem::EngineOptions engine_options;
  engine_options.kv = tandem::KvType::kF16;
  tandem::GenerationCallbacks callbacks;
  callbacks.cancelled = [] { return false; };
  callbacks.text = [](std::string_view) {};
  const auto options = tandem::DefaultGenerationOptions(*model);
  const auto result = tandem::Reply(*session, "Hello", options, callbacks);

// A conversation is copied by Fork, which says that it costs something.
#if MISUSE == 2  // error: deleted
  tandem::Session copy = *session;
#elif MISUSE == 3   // error: deleted
  tandem::Engine second = engine;
#elif MISUSE == 4   // error: deleted
  tandem::Model other = *model;
#elif MISUSE == 5   // error: nodiscard
  engine.NewSession();
#elif MISUSE == 6   // error: nodiscard
  session->Fork();
// An engine has no conversation of its own.
#elif MISUSE == 7   // error: (invalid initialization|cannot bind)
  tandem::Reply(engine, "Hello", options);
// Options are not numbers.
#elif MISUSE == 8   // error: (cannot convert|invalid conversion|assigning to|incompatible)
  engine_options.kv = 1;
#elif MISUSE == 9   // error: (convert|comparison|invalid operands|no match)
  if (result.reason == 2) return;
// A path is not a model: loading can fail in ways of its own.
#elif MISUSE == 10  // error: no matching (function|constructor)
  tandem::Engine from_path("model.gguf");
// Models are shared between threads, so nobody may change one.
#elif MISUSE == 11  // error: (conversion|convert|no viable)
  std::shared_ptr<tandem::Model> writable = tandem::Model::LoadEmbedded();
// Sessions come from an engine.
#elif MISUSE == 12  // error: no matching (function|constructor)
  tandem::Session loose;
#elif MISUSE == 13  // error: (no match|no viable)
  callbacks.cancelled = [] {};
// Text becomes tokens by a model's vocabulary, never by itself.
#elif MISUSE == 14  // error: (convert|no matching)
  session->Append("Hello");
#elif MISUSE == 15  // error: (private|no matching|inaccessible)
  throw tandem::Error("it failed");
#endif
}

}  // namespace
