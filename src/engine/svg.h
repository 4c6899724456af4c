// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Small parts of drawing: text inside XML, boxes, and labels that keep out of each other's way.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

/// `text` as content or attribute value of XML 1.0: markup escaped, and what XML cannot hold
/// (control characters, bytes that are not UTF-8, U+FFFE and U+FFFF) as U+FFFD.
std::string EscapeXml(std::string_view text);

/// Width that `text` takes in a common sans-serif font of `size`, rather too much than too little.
double TextWidth(std::string_view text, double size);

struct Point {
  double x = 0;
  double y = 0;
};

/// From its upper left corner, y downwards.
struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;

  bool Overlaps(const Box& other) const;
  bool Contains(const Box& other) const;
  /// The point of this box that is nearest to `point`.
  Point Nearest(Point point) const;
};

/// Finds room for labels inside an area, near their points.
class LabelPlacer {
 public:
  explicit LabelPlacer(const Box& area) : area_(area) {}

  /// Keeps labels off `box`.
  void Avoid(const Box& box) { taken_.push_back(box); }
  /// The free place of this size nearest to a mark of `radius` around `point`, which is then taken;
  /// nullopt where there is none.
  std::optional<Box> Place(Point point, double radius, double width, double height);

 private:
  bool IsFree(const Box& box) const;

  Box area_;
  std::vector<Box> taken_;
};

}  // namespace tandem
