/// The in-sensor study as a page: in which range the energy ratio lies, and where 2.32 falls.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/page/page.hpp"

namespace spikeloom::cli {
namespace {

/// Ratios on a logarithmic axis that holds them all, in percent of its width.
class Axis {
 public:
  explicit Axis(const std::vector<InSensorStudy>& studies) {
    for (const InSensorStudy& study : studies) {
      hold(study.lowest_ratio);
      hold(study.highest_ratio);
    }
    low_ = std::floor(low_);
    high_ = std::ceil(high_);
  }
  double place(double ratio) const {
    return 100.0 * std::clamp((std::log10(ratio) - low_) / (high_ - low_), 0.0, 1.0);
  }
  /// Every power of ten.
  std::string labels() const {
    std::string made =
        "<span class=\"name\"></span><span class=\"amount\"></span><div class=\"ticks\">";
    for (double power = low_; power <= high_; ++power) {
      const double ratio = std::pow(10.0, power);
      made += fmt::format("<span style=\"left:{:.4g}%\">{:g}</span>", place(ratio), ratio);
    }
    return made + "</div>\n";
  }

 private:
  void hold(double ratio) {
    low_ = std::min(low_, std::log10(ratio));
    high_ = std::max(high_, std::log10(ratio));
  }
  double low_ = 0.0, high_ = 1.0;
};

struct Range {
  std::string name;
  double from = 1.0, to = 1.0, as_given = 1.0;
  bool verified = false;
};

std::string range_bar(const Axis& axis, const Range& range) {
  const double from = axis.place(std::min(range.from, range.to));
  const double to = axis.place(std::max(range.from, range.to));
  return fmt::format(
      "<span class=\"name\">{0}</span><span class=\"amount\">{1:.3g} .. {2:.3g}</span>"
      "<div class=\"track range\" title=\"{0}: {1:.3g} to {2:.3g} times less, {3:.3g} as given\">"
      "<i class=\"c4{4}\" style=\"left:{5:.4g}%;width:{6:.4g}%\"></i>"
      "<b class=\"given\" style=\"left:{7:.4g}%\"></b><b class=\"equal\" "
      "style=\"left:{8:.4g}%\"></b>"
      "<b class=\"published\" style=\"left:{9:.4g}%\"></b></div>\n",
      escaped(range.name), range.from, range.to, range.as_given, range.verified ? "" : " hatched",
      from, std::max(to - from, 0.3), axis.place(range.as_given), axis.place(1.0),
      axis.place(kPublishedInSensorRatio));
}

std::string bars(const Axis& axis, const std::vector<Range>& ranges) {
  std::string made = "<div class=\"bars\">\n";
  for (const Range& range : ranges) made += range_bar(axis, range);
  return made + axis.labels() + "</div>\n";
}

}  // namespace

std::string in_sensor_page(const std::vector<InSensorStudy>& studies, const CostTable& table) {
  const Axis axis(studies);
  std::vector<Range> corners;
  for (const InSensorStudy& study : studies) {
    corners.push_back({fmt::format("{} channels", study.options.channels), study.lowest_ratio,
                       study.highest_ratio, study.conventional_joules / study.in_sensor_joules});
  }
  const InSensorStudy& first = studies.front();
  std::vector<Range> constants;
  for (const InSensorConstant& c : first.constants) {
    constants.push_back({c.entry, c.ratio_at_lowest, c.ratio_at_highest,
                         first.conventional_joules / first.in_sensor_joules, c.verified});
  }
  std::string body =
      "<header><h1>A first layer in the pixel array</h1>\n"
      "<p class=\"verdict\">The constants of the sensor are unverified, so this is a range and no "
      "ratio to quote.</p>\n</header>\n<main>\n";
  body += section(
      "range", "How many times less energy than a conventional pipeline",
      "<ul class=\"legend\"><li><i class=\"c4 hatched\"></i>range, on unverified constants</li>"
      "<li><i class=\"c4\"></i>range of a constant with a source</li>"
      "<li><b class=\"published\"></b>2.32, as published (arXiv 2212.10881)</li>"
      "<li><b class=\"equal\"></b>1, equal</li><li><b class=\"given\"></b>constants as "
      "given</li></ul>\n"
      "<p>Every constant anywhere in its range:</p>\n" +
          bars(axis, corners));
  body += section("constants",
                  fmt::format("One constant at a time, {} channels", first.options.channels),
                  "<p>From its lowest to its highest value, the others as given:</p>\n" +
                      bars(axis, constants));
  Footnotes footnotes;
  for (const CostEntry& entry : table.entries) {
    footnotes.cite(fmt::format("{} = {:g} {} ({}): {}", entry.name, entry.written_value, entry.unit,
                               to_string(entry.status), entry.source));
  }
  body += section("sources", "Sources", footnotes.list());
  return whole_page("The in-sensor study", body);
}

}  // namespace spikeloom::cli
