// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tandem/tandem.h"

namespace tandem {

std::string_view Version() noexcept { return TANDEM_VERSION; }

}  // namespace tandem
