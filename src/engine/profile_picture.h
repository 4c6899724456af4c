// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A profile as a picture: a roofline plot (what each op reaches against how much it multiplies per
// byte, below what the machine can do), the time of the ops as bars, and their numbers. Plain SVG
// without scripts or anything from elsewhere, for light and dark surroundings.
#pragma once

#include <filesystem>
#include <string>

#include "engine/profile.h"

namespace tandem {

std::string ProfileSvg(const ProfileResult& profile);
/// The same inside a page.
std::string ProfileHtml(const ProfileResult& profile);

/// Whether WriteProfilePicture knows the extension: .svg, .html or .htm.
bool IsPictureName(const std::filesystem::path& path);
/// Writes one or the other, by the extension; the name shows the whole file or what was there
/// before. Throws Error kIo. REQUIRES: IsPictureName(path).
void WriteProfilePicture(const ProfileResult& profile, const std::filesystem::path& path);

}  // namespace tandem
