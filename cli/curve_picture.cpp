#include "cli/curve_picture.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

#include "cli/page/html.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

constexpr double kLeft = 60.0, kTop = 40.0, kWide = 480.0, kHigh = 280.0;
// Okabe and Ito's colours, told apart with any colour vision.
constexpr std::array<const char*, 4> kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7"};

struct Axes {
  double least = 0.0, most = 1.0;
  bool reversed = false;

  double x(double value) const {
    const double share = most > least ? (value - least) / (most - least) : 0.5;
    return kLeft + kWide * (reversed ? 1.0 - share : share);
  }
  double y(double share) const { return kTop + kHigh * (1.0 - share); }
};

Axes axes_of(const CurvePicture& picture) {
  Axes axes{.least = 0.0, .most = 0.0, .reversed = picture.reversed};
  bool any = false;
  for (const CurveLine& line : picture.lines) {
    for (const CurvePoint& point : line.points) {
      axes.least = any ? std::min(axes.least, point.x) : point.x;
      axes.most = any ? std::max(axes.most, point.x) : point.x;
      any = true;
    }
  }
  return axes;
}

std::string frame(const CurvePicture& picture, const Axes& axes) {
  std::string svg;
  for (int percent = 0; percent <= 100; percent += 20) {
    const double y = axes.y(percent / 100.0);
    svg += fmt::format(
        "<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}' stroke='#ddd'/>"
        "<text x='{:.1f}' y='{:.1f}' text-anchor='end'>{} %</text>\n",
        kLeft, y, kLeft + kWide, y, kLeft - 6, y + 4, percent);
  }
  std::vector<double> marks;
  for (const CurveLine& line : picture.lines) {
    for (const CurvePoint& point : line.points) marks.push_back(point.x);
  }
  std::sort(marks.begin(), marks.end());
  marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
  double last = -1e9;  // a mark that would touch the one before is left out
  if (axes.reversed) std::reverse(marks.begin(), marks.end());
  for (const double mark : marks) {
    const double x = axes.x(mark);
    if (x - last < 30.0) continue;
    last = x;
    svg += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>\n", x,
                       kTop + kHigh + 18, number_text(mark));
  }
  svg += fmt::format(
      "<rect x='{}' y='{}' width='{}' height='{}' fill='none' stroke='#888'/>\n"
      "<text x='{}' y='22' font-weight='bold'>{}</text>\n"
      "<text x='{}' y='{}' text-anchor='middle'>{}</text>\n"
      "<text transform='translate(14 {}) rotate(-90)' text-anchor='middle'>{}</text>\n",
      kLeft, kTop, kWide, kHigh, kLeft, escaped(picture.title), kLeft + kWide / 2,
      kTop + kHigh + 38, escaped(picture.x_name), kTop + kHigh / 2, escaped(picture.y_name));
  return svg;
}

std::string drawn(const CurveLine& line, const Axes& axes, const char* colour) {
  std::string upper, lower, mean, dots;
  for (const CurvePoint& point : line.points) {
    const auto [least, most] = std::minmax_element(point.y.begin(), point.y.end());
    const double x = axes.x(point.x);
    upper += fmt::format("{:.1f},{:.1f} ", x, axes.y(*most));
    lower.insert(0, fmt::format("{:.1f},{:.1f} ", x, axes.y(*least)));
    mean += fmt::format("{:.1f},{:.1f} ", x, axes.y(point.mean()));
    dots += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3' fill='{}'/>", x,
                        axes.y(point.mean()), colour);
  }
  return fmt::format(
      "<polygon points='{}{}' fill='{}' fill-opacity='0.2'/>\n"
      "<polyline points='{}' fill='none' stroke='{}' stroke-width='2'/>\n{}\n",
      upper, lower, colour, mean, colour, dots);
}

}  // namespace

double CurvePoint::mean() const {
  return std::accumulate(y.begin(), y.end(), 0.0) / static_cast<double>(y.size());
}

std::string curve_svg(const CurvePicture& picture) {
  const Axes axes = axes_of(picture);
  std::string svg =
      "<svg xmlns='http://www.w3.org/2000/svg' width='700' height='380' viewBox='0 0 700 380' "
      "font-family='sans-serif' font-size='12'>\n<rect width='700' height='380' fill='white'/>\n";
  svg += frame(picture, axes);
  for (std::size_t i = 0; i < picture.lines.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    svg += drawn(picture.lines[i], axes, colour);
    const double y = kTop + 14 + 20.0 * static_cast<double>(i);
    svg += fmt::format(
        "<rect x='{:.1f}' y='{:.1f}' width='12' height='12' fill='{}'/>"
        "<text x='{:.1f}' y='{:.1f}'>{}</text>\n",
        kLeft + kWide + 14, y - 10, colour, kLeft + kWide + 32, y, escaped(picture.lines[i].name));
  }
  return svg + "</svg>\n";
}

}  // namespace spikeloom::cli
