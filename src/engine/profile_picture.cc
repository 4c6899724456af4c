// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/profile_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "engine/roofline_plot.h"
#include "engine/svg.h"

namespace tandem {
namespace {

constexpr double kWidth = 1040;
constexpr double kMargin = 36;
constexpr double kPlotTop = 92;
constexpr double kPlotHeight = 500;

// Classes instead of variables: not every program that shows SVG knows those.
constexpr std::string_view kStyle =
    "text{font-family:system-ui,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px;fill:#52514e}"
    ".page{fill:#fcfcfb}.head{font-size:19px;font-weight:600;fill:#0b0b0b}.strong{fill:#0b0b0b}"
    ".bold{font-weight:600;fill:#0b0b0b}.small{font-size:11px}.end{text-anchor:end}"
    ".middle{text-anchor:middle}.grid{stroke:#e1e0d9}.axis{stroke:#c3c2b7}"
    ".roof{stroke:#0b0b0b;stroke-width:2;fill:none}.dash{stroke-dasharray:6 4}"
    ".lead{stroke:#898781;stroke-width:.75}.ring{fill:#fcfcfb;stroke-width:2}"
    ".ff{fill:#2a78d6}.at{fill:#eb6834}.al{fill:#1baf7a}.pl{fill:#4a3aa7}.la{fill:#eda100}"
    ".he{fill:#e34948}.em{fill:#e87ba4}.be{fill:#b5b3aa}"
    ".sff{stroke:#2a78d6}.sat{stroke:#eb6834}.sal{stroke:#1baf7a}.spl{stroke:#4a3aa7}"
    ".sla{stroke:#eda100}.she{stroke:#e34948}.sem{stroke:#e87ba4}.sbe{stroke:#b5b3aa}"
    "@media(prefers-color-scheme:dark){text{fill:#c3c2b7}.page{fill:#1a1a19}"
    ".head,.strong,.bold{fill:#fff}.grid{stroke:#2c2c2a}.axis{stroke:#4a4a46}.roof{stroke:#fff}"
    ".ring{fill:#1a1a19}.ff{fill:#3987e5}.at{fill:#d95926}.al{fill:#199e70}.pl{fill:#9085e9}"
    ".la{fill:#c98500}.he{fill:#e66767}.em{fill:#d55181}.be{fill:#6b6a64}"
    ".sff{stroke:#3987e5}.sat{stroke:#d95926}.sal{stroke:#199e70}.spl{stroke:#9085e9}"
    ".sla{stroke:#c98500}.she{stroke:#e66767}.sem{stroke:#d55181}.sbe{stroke:#6b6a64}}";

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kFamilies = {{
    {"ff", "feed-forward"},
    {"at", "attention"},
    {"al", "AltUp"},
    {"pl", "per-layer inputs"},
    {"la", "LAuReL"},
    {"he", "output head"},
    {"em", "look-up, selection"},
    {"be", "between ops"},
}};

size_t FamilyOrder(std::string_view family) {
  const auto* it = std::find_if(kFamilies.begin(), kFamilies.end(),
                                [&](const auto& entry) { return entry.first == family; });
  return static_cast<size_t>(it - kFamilies.begin());
}

std::string TextAt(double x, double y, std::string_view classes, std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>\n", x, y, classes,
                     EscapeXml(text));
}

std::string Heading(const ProfileResult& profile) {
  const MachineLimits& roof = profile.limits;
  return TextAt(kMargin, 36, "head", fmt::format("Where the time goes: {}", profile.model)) +
         TextAt(kMargin, 58, "",
                fmt::format("{}, {}; this machine reads {} GB/s and multiplies {} GMAC/s of bytes, "
                            "{} of floats on {} thread{}",
                            profile.processor, profile.device, ShortNumber(roof.read_gb_s),
                            ShortNumber(roof.int8_gmac_s), ShortNumber(roof.float_gmac_s),
                            roof.threads, roof.threads == 1 ? "" : "s"));
}

// Colours of the families, and what the two kinds of marks mean.
std::string Legend(const ProfileResult& profile, double y) {
  std::string out;
  double x = kMargin;
  for (const auto& [family, name] : kFamilies) {
    out += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"11\" height=\"11\" rx=\"2\" class=\"{}\"/>\n", x,
        y - 10, family);
    out += TextAt(x + 16, y, "", name);
    x += 16 + TextWidth(name, 12) + 18;
  }
  x = kMargin;
  for (size_t i = 0; i < profile.phases.size(); ++i) {
    const std::string text = PhaseTitle(profile.phases[i]);
    out += PhaseMark({x + 5.5, y + 17.5}, 5, i, "be");
    out += TextAt(x + 16, y + 22, "", text);
    x += 16 + TextWidth(text, 12) + 18;
  }
  return out + TextAt(x, y + 22, "",
                      "the area of a mark is its share of the time; above 1 % it has its name");
}

// One bar: the ops by family, so that phases can be compared, and what is left over at the end.
std::string Bar(const PhaseProfile& phase, double y) {
  constexpr double kHeight = 30;
  const double width = kWidth - 2 * kMargin;
  std::string out = TextAt(
      kMargin, y - 8, "bold",
      fmt::format("{}: {} ms, {} tokens/s", PhaseTitle(phase), ShortNumber(phase.seconds * 1e3),
                  ShortNumber(static_cast<double>(phase.tokens) / phase.seconds)));
  std::vector<OpLine> parts = phase.ops;
  std::stable_sort(parts.begin(), parts.end(), [](const OpLine& a, const OpLine& b) {
    return FamilyOrder(FamilyOf(a.name)) < FamilyOrder(FamilyOf(b.name));
  });
  OpLine& rest = parts.emplace_back();
  rest.name = "between ops";
  rest.seconds = phase.between();
  double x = kMargin;
  for (const OpLine& part : parts) {
    const double share = part.seconds / phase.seconds;
    const double length = share * width;
    const std::string label = part.label();
    // Two pixels of the ground between neighbours tell them apart where colours are the same.
    out += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{}\" class=\"{}\"><title>{}: {} "
        "ms, {:.1f} %</title></rect>\n",
        x, y, std::max(length - 2, std::min(length, 0.5)), kHeight, FamilyOf(part.name),
        EscapeXml(label), ShortNumber(part.seconds * 1e3), share * 100);
    if (TextWidth(label, 11) < length - 4) {
      out += TextAt(x, y + kHeight + 14, "small", label);
    }
    x += length;
  }
  return out;
}

constexpr double kRowHeight = 18;

// The numbers, a column of the page.
std::string Table(const PhaseProfile& phase, const MachineLimits& roof, double x, double y,
                  double width) {
  const auto row = [&](double at, const std::array<std::string, 6>& cells,
                       std::string_view classes) {
    // Right ends of the five numbers, from the right end of the table.
    constexpr std::array<double, 5> kEnds = {225, 175, 120, 60, 0};
    std::string out = TextAt(x + 16, at, classes, cells[0]);
    for (size_t i = 0; i < kEnds.size(); ++i) {
      out += TextAt(x + width - kEnds[i], at, fmt::format("{} end", classes), cells[i + 1]);
    }
    return out;
  };
  const auto percent = [](double share) { return fmt::format("{:.1f} %", share * 100); };
  const auto rate = [](double value) { return value > 0 ? ShortNumber(value) : std::string("-"); };
  std::string out =
      row(y, {phase.is_decode ? "decode" : "prefill", "ms", "share", "GB/s", "GMAC/s", "of peak"},
          "bold");
  out += fmt::format("<path d=\"M{:.1f} {:.1f}h{:.1f}\" class=\"axis\"/>\n", x, y + 6, width);
  for (const OpLine& op : phase.ops) {
    y += kRowHeight;
    out += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"10\" height=\"10\" rx=\"2\" class=\"{}\"/>\n", x,
        y - 9.5, FamilyOf(op.name));
    const std::string most = op.work.at_most ? "\xE2\x89\xA4 " : "";
    out += row(y,
               {op.label(), ShortNumber(op.seconds * 1e3), percent(op.seconds / phase.seconds),
                most + rate(op.gb_s()), most + rate(op.gmac_s()),
                op.work.macs() > 0 ? most + percent(op.peak_share(roof)) : "-"},
               "small");
  }
  out += row(y + kRowHeight,
             {"between ops", ShortNumber(phase.between() * 1e3),
              percent(phase.between() / phase.seconds), "-", "-", "-"},
             "small");
  return out;
}

}  // namespace

std::string ProfileSvg(const ProfileResult& profile) {
  size_t lines = 0;
  for (const PhaseProfile& phase : profile.phases) lines = std::max(lines, phase.ops.size());
  const double legend = kPlotTop + kPlotHeight + 62;
  const double bars = legend + 68;
  const double table = bars + 80 * static_cast<double>(profile.phases.size()) + 8;
  const double height = table + kRowHeight * static_cast<double>(lines + 4);

  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1:.0f}\" width=\"{0}\" "
      "height=\"{1:.0f}\" role=\"img\" aria-label=\"Roofline plot and time of the ops\">\n"
      "<style>{2}</style>\n<rect width=\"{0}\" height=\"{1:.0f}\" class=\"page\"/>\n",
      kWidth, height, kStyle);
  out += Heading(profile);
  out += RooflinePlot(profile, {kMargin + 36, kPlotTop, kWidth - 2 * kMargin - 36, kPlotHeight});
  out += Legend(profile, legend);
  const double column = (kWidth - 2 * kMargin - 40) / 2;
  for (size_t i = 0; i < profile.phases.size(); ++i) {
    const auto index = static_cast<double>(i);
    out += Bar(profile.phases[i], bars + 80 * index);
    out += Table(profile.phases[i], profile.limits, kMargin + (column + 40) * index, table, column);
  }
  out += TextAt(kMargin, height - 12, "small",
                "Bytes and multiply-adds are computed from the model. \xE2\x89\xA4: dead neurons "
                "are counted, "
                "and may be left out. Above the line of memory, data came from caches.");
  return out + "</svg>\n";
}

std::string ProfileHtml(const ProfileResult& profile) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>{}</title>\n"
      "<style>body{{margin:0;background:#fcfcfb}}svg{{display:block;margin:auto;max-width:100%;"
      "height:auto}}@media(prefers-color-scheme:dark){{body{{background:#1a1a19}}}}</style>\n"
      "</head>\n<body>\n{}</body>\n</html>\n",
      EscapeXml("Profile of " + profile.model), ProfileSvg(profile));
}

bool IsPictureName(const std::filesystem::path& path) {
  const std::filesystem::path extension = path.extension();
  return extension == ".svg" || extension == ".html" || extension == ".htm";
}

void WriteProfilePicture(const ProfileResult& profile, const std::filesystem::path& path) {
  AtomicFile file(path);
  file.Write(path.extension() == ".svg" ? ProfileSvg(profile) : ProfileHtml(profile));
  file.Commit();
}

}  // namespace tandem
