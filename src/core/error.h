// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Errors, as the whole of Tandem throws them: the public type, and how texts from outside get into
// its messages.
#pragma once

#include <string>
#include <string_view>

#include "tandem/error.h"

namespace tandem {

/// `text` made safe to print inside an error or log line: control characters and invalid UTF-8
/// become \xNN, and more than `limit` bytes end in an ellipsis. Use it for every name that comes
/// out of a file or a request.
std::string Printable(std::string_view text, size_t limit = 80);

}  // namespace tandem
