// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded.h"

// The assembler includes the file as it is: no generated source, and the pages are mapped from the
// program like those of any model. TANDEM_EMBEDDED_MODEL is its path, from CMake.
__asm__(
    ".section .rodata\n"
    ".balign 64\n"
    ".global tandem_embedded_model_begin\n"
    ".global tandem_embedded_model_end\n"
    "tandem_embedded_model_begin:\n"
    ".incbin \"" TANDEM_EMBEDDED_MODEL
    "\"\n"
    "tandem_embedded_model_end:\n"
    ".previous\n");

extern "C" {
extern const std::byte tandem_embedded_model_begin[];
extern const std::byte tandem_embedded_model_end[];
}

namespace tandem {

std::span<const std::byte> EmbeddedModel() {
  return {tandem_embedded_model_begin, tandem_embedded_model_end};
}

}  // namespace tandem
