// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The plot in the picture of a profile, and what its marks share with the rest of the picture.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/profile.h"
#include "engine/svg.h"

namespace tandem {

/// Three digits that matter, or all of a number above 1000.
std::string ShortNumber(double value);
/// Class of the colour that ops of this name have.
std::string_view FamilyOf(std::string_view op);
/// A mark of phase `phase`: a disc for the first, a ring for the second.
std::string PhaseMark(Point at, double radius, size_t phase, std::string_view family,
                      std::string_view tip = {});

/// Multiply-adds per second against multiply-adds per byte, both logarithmic, inside `area`; what
/// axes say of it is drawn to the left and below.
std::string RooflinePlot(const ProfileResult& profile, const Box& area);

}  // namespace tandem
