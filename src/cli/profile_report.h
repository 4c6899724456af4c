// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A profile as text and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "engine/profile.h"

namespace tandem::cli {

std::string ProfileText(const ProfileResult& profile);
nlohmann::ordered_json ProfileJson(const ProfileResult& profile);

}  // namespace tandem::cli
