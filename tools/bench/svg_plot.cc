#include "tools/bench/svg_plot.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace gantry::bench {
namespace {

constexpr int kLeft = 60;
constexpr int kTop = 40;
constexpr int kWidth = 640;
constexpr int kHeight = 400;
constexpr int kLegendLine = 18;
// Of the widest letters in this size: nobody's font is known here.
constexpr int kLetterWidth = 8;
// A curve with more steps looks the same and is a larger file.
constexpr size_t kMaxSteps = 400;

// Okabe and Ito's, which people who see fewer colours tell apart too; each set
// of eight has dashes of its own.
constexpr const char* kColours[] = {"#000000", "#e69f00", "#56b4e9", "#009e73",
                                    "#cc79a7", "#0072b2", "#d55e00", "#999999"};
constexpr const char* kDashes[] = {"", "6 3", "2 2", "8 3 2 3"};

std::string StyleOf(size_t number) {
  const char* dashes =
      kDashes[number / std::size(kColours) % std::size(kDashes)];
  return absl::StrCat("stroke=\"", kColours[number % std::size(kColours)], "\"",
                      *dashes == '\0' ? "" : " stroke-dasharray=\"", dashes,
                      *dashes == '\0' ? "" : "\"");
}

// Control characters may not stand in XML at all.
std::string Escaped(absl::string_view text) {
  std::string clean(text);
  std::replace_if(
      clean.begin(), clean.end(),
      [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return absl::StrReplaceAll(
      clean, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

std::string Text(double x, double y, absl::string_view anchor,
                 absl::string_view text) {
  return absl::StrFormat(
      "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s"
      "</text>\n",
      x, y, anchor, Escaped(text));
}

std::string Line(double x1, double y1, double x2, double y2,
                 absl::string_view style) {
  return absl::StrFormat(
      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1,
      x2, y2, style);
}

// "10 ms" for the decade 7 of nanoseconds.
std::string DecadeName(int decade) {
  constexpr const char* kUnits[] = {"ns", "µs", "ms", "s"};
  const int unit = std::clamp(decade / 3, 0, 3);
  return absl::StrFormat("%.0f %s", std::pow(10, decade - 3 * unit),
                         kUnits[unit]);
}

// From decade to decade, so that each plot's grid has labels at both ends.
struct Axis {
  int first = 3;
  int last = 9;

  explicit Axis(const std::vector<Curve>& curves) {
    int64_t least = 0;
    int64_t most = 0;
    for (const Curve& curve : curves) {
      const int64_t low = std::max<int64_t>(curve.nanos.front(), 1);
      least = least == 0 ? low : std::min(least, low);
      most = std::max(most, curve.nanos.back());
    }
    if (least == 0) return;
    first = static_cast<int>(std::floor(std::log10(least)));
    last = std::max(first + 1, static_cast<int>(std::ceil(std::log10(most))));
  }
  double X(double nanos) const {
    const double decades = std::log10(std::max(nanos, 1.0)) - first;
    return kLeft + kWidth * decades / (last - first);
  }
};

double Y(double part) { return kTop + kHeight * (1 - part); }

std::string Grid(const Axis& axis) {
  std::string out;
  for (int percent = 0; percent <= 100; percent += 25) {
    const double y = Y(percent / 100.0);
    absl::StrAppend(&out,
                    Line(kLeft, y, kLeft + kWidth, y, "stroke=\"#cccccc\""),
                    Text(kLeft - 6, y + 4, "end", absl::StrCat(percent, " %")));
  }
  for (int decade = axis.first; decade <= axis.last; ++decade) {
    const double begin = std::pow(10, decade);
    absl::StrAppend(
        &out,
        Line(axis.X(begin), kTop, axis.X(begin), kTop + kHeight,
             "stroke=\"#cccccc\""),
        Text(axis.X(begin), kTop + kHeight + 18, "middle", DecadeName(decade)));
    for (int step = 2; step < 10 && decade < axis.last; ++step) {
      const double x = axis.X(begin * step);
      absl::StrAppend(&out,
                      Line(x, kTop, x, kTop + kHeight, "stroke=\"#eeeeee\""));
    }
  }
  return out;
}

// Steps: the part rises where a sample stands.
std::string CurvePath(const Curve& curve, const Axis& axis, size_t number) {
  const size_t count = curve.nanos.size();
  const size_t stride = (count + kMaxSteps - 1) / kMaxSteps;
  std::string path =
      absl::StrFormat("M%.1f %.1f", axis.X(curve.nanos.front()), Y(0));
  for (size_t i = 0; i < count; i += stride) {
    const size_t end = std::min(i + stride, count);
    absl::StrAppendFormat(&path, "H%.1fV%.1f", axis.X(curve.nanos[end - 1]),
                          Y(static_cast<double>(end) / count));
  }
  return absl::StrCat("<path fill=\"none\" stroke-width=\"1.5\" ",
                      StyleOf(number), " d=\"", path, "\"><title>",
                      Escaped(curve.name), "</title></path>\n");
}

std::string LegendText(const Curve& curve) {
  const int64_t median = curve.nanos[(curve.nanos.size() - 1) / 2];
  return absl::StrFormat("%s (%.3g ms)", curve.name, median / 1e6);
}

std::string LegendEntry(const Curve& curve, size_t number) {
  const double x = kLeft + kWidth + 20;
  const double y = kTop + 8 + static_cast<double>(number) * kLegendLine;
  return absl::StrCat(
      Line(x, y - 4, x + 28, y - 4,
           absl::StrCat(StyleOf(number), " stroke-width=\"2\"")),
      Text(x + 34, y, "start", LegendText(curve)));
}

}  // namespace

std::string SvgPlot(const std::string& title,
                    const std::vector<Curve>& curves) {
  std::vector<Curve> shown;
  for (const Curve& curve : curves) {
    if (!curve.nanos.empty()) shown.push_back(curve);
  }
  const Axis axis(shown);
  size_t letters = 0;
  for (const Curve& curve : shown) {
    letters = std::max(letters, LegendText(curve).size());
  }
  const int width =
      kLeft + kWidth + 60 + kLetterWidth * static_cast<int>(letters);
  const int legend = static_cast<int>(shown.size()) * kLegendLine;
  const int height = kTop + std::max(kHeight, legend) + 50;
  std::string out = absl::StrFormat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
      "width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
      width, height, width, height, width, height);
  absl::StrAppend(&out, Text(kLeft, kTop - 16, "start", title), Grid(axis));
  for (size_t i = 0; i < shown.size(); ++i) {
    absl::StrAppend(&out, CurvePath(shown[i], axis, i),
                    LegendEntry(shown[i], i));
  }
  if (shown.empty()) {
    absl::StrAppend(&out, Text(kLeft + kWidth / 2, kTop + kHeight / 2, "middle",
                               "no durations were measured"));
  }
  return absl::StrCat(out,
                      Text(kLeft + kWidth / 2, kTop + kHeight + 38, "middle",
                           "took at most (legend: median)"),
                      "</svg>\n");
}

}  // namespace gantry::bench
