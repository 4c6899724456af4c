// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Tandem's C++ interface, whole:
//
//   auto model = tandem::Model::Load("gemma-3n-E2B-it-Q4_K_M.gguf");
//   tandem::Engine engine(model);
//   auto session = engine.NewSession();
//   auto reply = tandem::Reply(*session, "Why is the sky blue?",
//                              tandem::DefaultGenerationOptions(*model));
//
// Failures are thrown as tandem::Error and as nothing else; what a callback of yours throws comes
// out as it is. A program that limits its file sizes (RLIMIT_FSIZE) should ignore SIGXFSZ. Sizes
// are bytes or tokens, as the name says; times are seconds. Texts are UTF-8.
#pragma once

#include <string_view>

#include "tandem/chat.h"
#include "tandem/engine.h"
#include "tandem/error.h"
#include "tandem/export.h"
#include "tandem/generation.h"
#include "tandem/model.h"
#include "tandem/session.h"

namespace tandem {

/// Version of the library at run time, "0.1.0".
TANDEM_API std::string_view Version() noexcept;

}  // namespace tandem
