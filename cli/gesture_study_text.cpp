#include <cmath>

#include <fmt/format.h>

#include "cli/gesture_study.hpp"
#include "cli/page/page.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

constexpr double kBar = 50;  ///< columns of a full bar

/// A line of accuracy over the points, which stand at equal distances.
std::string drawing(const StudyCurve& curve) {
  constexpr double kWidth = 640, kHeight = 220, kLeft = 48, kBottom = 36, kTop = 12;
  const auto x = [&](std::size_t k) {
    const double last = std::max<double>(static_cast<double>(curve.points.size()) - 1, 1);
    return kLeft + 16 + (kWidth - kLeft - 48) * static_cast<double>(k) / last;
  };
  const auto y = [&](double accuracy) {
    return kHeight - kBottom - (kHeight - kBottom - kTop) * accuracy;
  };
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
                                kWidth, kHeight, escaped(curve.name));
  for (const double level : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    svg += fmt::format(
        "<path d=\"M{} {:.1f}H{}\" stroke=\"currentColor\" stroke-opacity=\"0.2\"/>"
        "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\" font-size=\"12\" "
        "fill=\"currentColor\">{:.0f} %</text>\n",
        kLeft, y(level), kWidth, kLeft - 6, y(level) + 4, 100 * level);
  }
  std::string way;
  for (std::size_t k = 0; k < curve.points.size(); ++k) {
    const StudyPoint& point = curve.points[k];
    way += fmt::format("{}{:.1f} {:.1f}", k == 0 ? "M" : "L", x(k), y(point.accuracy()));
    svg += fmt::format(
        "<circle cx=\"{0:.1f}\" cy=\"{1:.1f}\" r=\"4\" fill=\"currentColor\"><title>{2}: {3:.1f} "
        "%</title></circle><text x=\"{0:.1f}\" y=\"{4}\" text-anchor=\"middle\" font-size=\"12\" "
        "fill=\"currentColor\">{2}</text>\n",
        x(k), y(point.accuracy()), number_text(point.value), 100 * point.accuracy(), kHeight - 14);
  }
  return svg +
         fmt::format(
             "<path d=\"{}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\"/></svg>\n",
             way);
}

}  // namespace

std::string study_text(const std::vector<StudyCurve>& curves, bool ascii) {
  std::string text;
  for (const StudyCurve& curve : curves) {
    text += fmt::format("{}{} ({}): {}\n", text.empty() ? "" : "\n", curve.name, curve.unit,
                        curve.meaning);
    for (const StudyPoint& point : curve.points) {
      const auto full = static_cast<std::size_t>(std::lround(kBar * point.accuracy()));
      std::string bar;
      for (std::size_t k = 0; k < full; ++k) bar += ascii ? "#" : "█";
      bar += std::string(static_cast<std::size_t>(kBar) - full, ' ');
      text += fmt::format("{:>6} |{}| {:5.1f} %  {} of {}  {:>9} events a clip\n",
                          number_text(point.value), bar, 100 * point.accuracy(), point.right,
                          point.clips, with_commas(static_cast<std::uint64_t>(point.events)));
    }
  }
  return text;
}

Value study_value(const std::vector<StudyCurve>& curves) {
  Value list = Value::list();
  for (const StudyCurve& curve : curves) {
    Value points = Value::list();
    for (const StudyPoint& point : curve.points) {
      Value one = Value::map();
      one.set("value", point.value).set("clips", point.clips).set("right", point.right);
      points.push(one.set("accuracy", point.accuracy()).set("events", point.events));
    }
    Value one = Value::map();
    one.set("curve", curve.name).set("unit", curve.unit).set("meaning", curve.meaning);
    list.push(one.set("points", std::move(points)));
  }
  Value value = Value::map();
  return value.set("curves", std::move(list));
}

std::string study_page(const std::vector<StudyCurve>& curves, const std::string& model) {
  std::string body = fmt::format(
      "<header><h1>Gestures, as the camera gets worse</h1>\n<p class=\"verdict\">Accuracy of the "
      "network {} on simulated clips that it was not trained on.</p></header>\n<main>\n",
      escaped(model));
  for (std::size_t k = 0; k < curves.size(); ++k) {
    const StudyCurve& curve = curves[k];
    std::vector<std::vector<std::string>> rows;
    for (const StudyPoint& point : curve.points) {
      rows.push_back({number_text(point.value), fmt::format("{:.1f} %", 100 * point.accuracy()),
                      fmt::format("{} of {}", point.right, point.clips),
                      with_commas(static_cast<std::uint64_t>(point.events))});
    }
    body += section(
        fmt::format("curve-{}", k), escaped(curve.name),
        fmt::format("<p>{}</p>\n", escaped(curve.meaning)) + drawing(curve) +
            html_table({escaped(curve.unit), "accuracy", "right", "events a clip"}, rows, 0));
  }
  return whole_page("Robustness of the gesture network", body);
}

}  // namespace spikeloom::cli
