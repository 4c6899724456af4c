// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/svg.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/utf8.h"

namespace tandem {
namespace {

// Room that is left between two labels.
constexpr double kGap = 1.5;

}  // namespace

std::string EscapeXml(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  while (!text.empty()) {
    const size_t length = std::max<size_t>(Utf8SequenceLength(text), 1);
    const std::string_view character = text.substr(0, length);
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 1) {
      switch (first) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += first < 0x20 || first >= 0x7f ? kReplacement : character;
      }
    } else if (character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF") {
      out += kReplacement;
    } else {
      out += character;
    }
    text.remove_prefix(length);
  }
  return out;
}

double TextWidth(std::string_view text, double size) {
  const auto characters = std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  });
  return 0.58 * size * static_cast<double>(characters);
}

bool Box::Overlaps(const Box& other) const {
  return x < other.x + other.width && other.x < x + width && y < other.y + other.height &&
         other.y < y + height;
}

bool Box::Contains(const Box& other) const {
  return other.x >= x && other.y >= y && other.x + other.width <= x + width &&
         other.y + other.height <= y + height;
}

Point Box::Nearest(Point point) const {
  return {std::clamp(point.x, x, x + width), std::clamp(point.y, y, y + height)};
}

bool LabelPlacer::IsFree(const Box& box) const {
  const Box padded{box.x - kGap, box.y - kGap, box.width + 2 * kGap, box.height + 2 * kGap};
  return area_.Contains(box) && std::none_of(taken_.begin(), taken_.end(), [&](const Box& other) {
           return padded.Overlaps(other);
         });
}

std::optional<Box> LabelPlacer::Place(Point point, double radius, double width, double height) {
  constexpr int kDirections = 24;
  const double farthest = std::hypot(area_.width, area_.height);
  for (double distance = radius + 3; distance < farthest; distance += 5) {
    // To the right first, then turning away from it on both sides.
    for (int i = 0; i < kDirections; ++i) {
      const int turn = (i + 1) / 2 * (i % 2 == 0 ? 1 : -1);
      const double angle = turn * 2 * std::numbers::pi / kDirections;
      const double dx = std::cos(angle);
      const double dy = std::sin(angle);
      // The box touches the ray's end with the side that faces the point.
      const Box box{point.x + dx * distance + (dx - 1) / 2 * width,
                    point.y + dy * distance + (dy - 1) / 2 * height, width, height};
      if (!IsFree(box)) continue;
      taken_.push_back(box);
      return box;
    }
  }
  return std::nullopt;
}

}  // namespace tandem
