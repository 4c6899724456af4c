// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a conversation is made of.
#pragma once

#include <string>

namespace tandem {

enum class Role {
  kSystem,
  kUser,
  kModel
};

/// One turn of a conversation. `text` is UTF-8 and only ever text: what looks like a control token
/// in it is not one.
struct ChatMessage {
  Role role;
  std::string text;
};

}  // namespace tandem
