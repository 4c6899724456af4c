// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/roofline_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace tandem {
namespace {

constexpr double kLabelSize = 11;
constexpr double kLabelHeight = 13;
// Share of the time from which on a mark is named; the table names all.
constexpr double kLabelShare = 0.01;

// An op where it belongs in the plot.
struct Mark {
  const OpLine* op = nullptr;
  size_t phase = 0;
  double share = 0;
  double intensity = 0;
  Point at;
  double radius = 0;
};

struct Range {
  double low = 0;
  double high = 0;
  void Include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

std::vector<Mark> MarksOf(const ProfileResult& profile) {
  std::vector<Mark> marks;
  for (size_t phase = 0; phase < profile.phases.size(); ++phase) {
    for (const OpLine& op : profile.phases[phase].ops) {
      if (op.work.macs() == 0 || op.work.bytes() == 0 || op.seconds <= 0) continue;
      const double intensity =
          static_cast<double>(op.work.macs()) / static_cast<double>(op.work.bytes());
      const double share = op.seconds / profile.phases[phase].seconds;
      marks.push_back({&op, phase, share, intensity, {}, 3.5 + 16 * std::sqrt(share)});
    }
  }
  // Where marks lie on each other, the small ones stay visible; and they get their labels first.
  std::stable_sort(marks.begin(), marks.end(),
                   [](const Mark& a, const Mark& b) { return a.radius > b.radius; });
  return marks;
}

class Plot {
 public:
  Plot(const ProfileResult& profile, const Box& area)
      : roof_(profile.limits), area_(area), marks_(MarksOf(profile)), placer_(area) {
    const double ridge = std::log10(roof_.int8_gmac_s / roof_.read_gb_s);
    x_ = {ridge - 0.5, ridge + 0.5};
    y_ = {std::log10(roof_.float_gmac_s),
          std::log10(std::max(roof_.int8_gmac_s, roof_.float_gmac_s))};
    for (const Mark& mark : marks_) {
      x_.Include(std::log10(mark.intensity));
      y_.Include(std::log10(mark.op->gmac_s()));
    }
    x_ = {x_.low - 0.2, x_.high + 0.35};
    y_ = {y_.low - 0.2, y_.high + 0.15};
    for (Mark& mark : marks_) {
      mark.at = At(std::log10(mark.intensity), std::log10(mark.op->gmac_s()));
      placer_.Avoid(
          {mark.at.x - mark.radius, mark.at.y - mark.radius, 2 * mark.radius, 2 * mark.radius});
    }
  }

  std::string Draw() {
    std::string out = Axes() + Roofs();
    for (const Mark& mark : marks_) {
      out += PhaseMark(mark.at, mark.radius, mark.phase, FamilyOf(mark.op->name), TipOf(mark));
    }
    for (auto mark = marks_.rbegin(); mark != marks_.rend(); ++mark) {
      if (mark->share >= kLabelShare) out += LabelOf(*mark);
    }
    return out;
  }

 private:
  Point At(double log_x, double log_y) const {
    return {area_.x + (log_x - x_.low) / (x_.high - x_.low) * area_.width,
            area_.y + area_.height - (log_y - y_.low) / (y_.high - y_.low) * area_.height};
  }
  double Bottom() const { return area_.y + area_.height; }
  double Right() const { return area_.x + area_.width; }

  // Powers of ten, and 2 and 5 between them where there is room.
  static std::vector<double> Ticks(const Range& range) {
    std::vector<double> ticks;
    const bool fine = range.high - range.low < 3.2;
    for (int power = static_cast<int>(std::floor(range.low)); power <= range.high; ++power) {
      for (const int digit : {1, 2, 5}) {
        const double value = digit * std::pow(10.0, power);
        if (digit > 1 && !fine) break;
        if (std::log10(value) >= range.low && std::log10(value) <= range.high) {
          ticks.push_back(value);
        }
      }
    }
    return ticks;
  }

  std::string Axes() const {
    std::string out;
    for (const double value : Ticks(x_)) {
      const double x = At(std::log10(value), 0).x;
      out +=
          fmt::format("<path d=\"M{:.1f} {:.1f}V{:.1f}\" class=\"grid\"/>\n", x, area_.y, Bottom());
      out += Text(x, Bottom() + 17, "middle", fmt::format("{:g}", value));
    }
    for (const double value : Ticks(y_)) {
      const double y = At(0, std::log10(value)).y;
      out +=
          fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\" class=\"grid\"/>\n", area_.x, y, Right());
      out += Text(area_.x - 8, y + 4, "end", fmt::format("{:g}", value));
    }
    out += fmt::format("<path d=\"M{:.1f} {:.1f}V{:.1f}H{:.1f}\" class=\"axis\" fill=\"none\"/>\n",
                       area_.x, area_.y, Bottom(), Right());
    out += Text(area_.x + area_.width / 2, Bottom() + 36, "middle strong",
                "multiply-adds per byte moved");
    return out + Text(area_.x - 36, area_.y - 10, "strong", "GMAC/s");
  }

  std::string Roofs() {
    // Memory rises by a decade per decade, from the left or lower edge up to the highest peak.
    const double peak = std::log10(std::max(roof_.int8_gmac_s, roof_.float_gmac_s));
    const double slope = std::log10(roof_.read_gb_s);
    const double left = std::max(x_.low, y_.low - slope);
    const Point low = At(left, left + slope);
    const Point ridge = At(peak - slope, peak);
    std::string out =
        fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}H{:.1f}\" class=\"roof\"/>\n", low.x,
                    low.y, ridge.x, ridge.y, Right());
    const double low_peak = std::log10(std::min(roof_.int8_gmac_s, roof_.float_gmac_s));
    const Point bend = At(low_peak - slope, low_peak);
    out += fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\" class=\"roof dash\"/>\n", bend.x, bend.y,
                       Right());
    AvoidLine(low, ridge);
    AvoidLine(ridge, {Right(), ridge.y});
    AvoidLine(bend, {Right(), bend.y});
    out += PeakLabel(roof_.int8_gmac_s, "bytes");
    out += PeakLabel(roof_.float_gmac_s, "floats");
    return out + SlopeLabel(low, ridge);
  }

  std::string PeakLabel(double peak, std::string_view what) {
    const std::string text = fmt::format("{}: {} GMAC/s", what, ShortNumber(peak));
    const double y = At(0, std::log10(peak)).y - 6;
    const double width = TextWidth(text, 12);
    placer_.Avoid({Right() - width - 4, y - 12, width + 4, 16});
    return Text(Right() - 4, y, "strong end", text);
  }

  std::string SlopeLabel(Point low, Point ridge) {
    const std::string text = fmt::format("memory: {} GB/s", ShortNumber(roof_.read_gb_s));
    const double angle = std::atan2(ridge.y - low.y, ridge.x - low.x);
    const auto squares = [&](double where) {
      std::vector<Box> boxes;
      for (double along = 0; along < TextWidth(text, 12); along += 6) {
        boxes.push_back(
            {low.x + (ridge.x - low.x) * where + std::cos(angle) * along + std::sin(angle) * 11 - 6,
             low.y + (ridge.y - low.y) * where + std::sin(angle) * along - std::cos(angle) * 11 - 6,
             12, 12});
      }
      return boxes;
    };
    // The first place along the line where no mark lies, from the middle on.
    double where = 0.42;
    for (const double place : {0.42, 0.55, 0.3, 0.65, 0.2, 0.1}) {
      const std::vector<Box> boxes = squares(place);
      if (std::all_of(boxes.begin(), boxes.end(), [&](const Box& box) { return IsBare(box); })) {
        where = place;
        break;
      }
    }
    for (const Box& box : squares(where)) placer_.Avoid(box);
    return fmt::format(
        "<text transform=\"translate({:.1f} {:.1f}) rotate({:.2f})\" y=\"-7\" "
        "class=\"strong\">{}</text>\n",
        low.x + (ridge.x - low.x) * where, low.y + (ridge.y - low.y) * where,
        angle * 180 / std::numbers::pi, EscapeXml(text));
  }

  bool IsBare(const Box& box) const {
    return std::none_of(marks_.begin(), marks_.end(), [&](const Mark& mark) {
      const Point near = box.Nearest(mark.at);
      return std::hypot(near.x - mark.at.x, near.y - mark.at.y) < mark.radius + 2;
    });
  }

  void AvoidLine(Point a, Point b) {
    const int steps = 1 + static_cast<int>(std::hypot(b.x - a.x, b.y - a.y) / 4);
    for (int i = 0; i <= steps; ++i) {
      const double t = static_cast<double>(i) / steps;
      placer_.Avoid({a.x + (b.x - a.x) * t - 2, a.y + (b.y - a.y) * t - 2, 4, 4});
    }
  }

  std::string LabelOf(const Mark& mark) {
    const std::string text = mark.op->label();
    const auto box = placer_.Place(mark.at, mark.radius, TextWidth(text, kLabelSize), kLabelHeight);
    if (!box) return {};
    std::string out;
    const Point near = box->Nearest(mark.at);
    const double dx = near.x - mark.at.x;
    const double dy = near.y - mark.at.y;
    const double distance = std::hypot(dx, dy);
    if (distance > mark.radius + 6) {
      out = fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" class=\"lead\"/>\n",
                        mark.at.x + dx * mark.radius / distance,
                        mark.at.y + dy * mark.radius / distance, near.x, near.y);
    }
    // Text is narrower than its box: it keeps to the side of its mark.
    const bool on_the_left = box->x + box->width / 2 < mark.at.x;
    return out + Text(on_the_left ? box->x + box->width : box->x, box->y + 10,
                      on_the_left ? "small end" : "small", text);
  }

  static std::string Text(double x, double y, std::string_view classes, std::string_view text) {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>\n", x, y, classes,
                       EscapeXml(text));
  }
  std::string TipOf(const Mark& mark) const {
    return fmt::format("{}: {:.1f} % of the time, {} GB/s, {} GMAC/s ({:.0f} % of the peak)",
                       mark.op->label(), mark.share * 100, ShortNumber(mark.op->gb_s()),
                       ShortNumber(mark.op->gmac_s()), mark.op->peak_share(roof_) * 100);
  }

  const MachineLimits& roof_;
  Box area_;
  std::vector<Mark> marks_;
  LabelPlacer placer_;
  Range x_;
  Range y_;
};

}  // namespace

std::string ShortNumber(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return fmt::format("{:.1f}", value);
  if (value >= 0.0995 || value == 0) return fmt::format("{:.2f}", value);
  return fmt::format("{:.2g}", value);
}

std::string_view FamilyOf(std::string_view op) {
  if (op == "GatedMlp") return "ff";
  if (op == "QkvProject" || op == "Attention" || op == "AttentionOut") return "at";
  if (op.starts_with("AltUp")) return "al";
  if (op.starts_with("Ple") || op == "PerLayerMix") return "pl";
  if (op == "LaurelAndNorm") return "la";
  if (op == "FinalNorm" || op == "LmHead") return "he";
  if (op == "EmbedTokens" || op == "SelectRows") return "em";
  return "be";
}

std::string PhaseMark(Point at, double radius, size_t phase, std::string_view family,
                      std::string_view tip) {
  const std::string classes = phase == 0 ? std::string(family) : fmt::format("ring s{}", family);
  const std::string title =
      tip.empty() ? std::string() : fmt::format("<title>{}</title>", EscapeXml(tip));
  return fmt::format(
      "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" class=\"{}\" fill-opacity=\"{}\">{}"
      "</circle>\n",
      at.x, at.y, radius, classes, phase == 0 ? "0.8" : "0.35", title);
}

std::string RooflinePlot(const ProfileResult& profile, const Box& area) {
  return Plot(profile, area).Draw();
}

}  // namespace tandem
