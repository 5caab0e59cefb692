#pragma once
/// Curves as an SVG: points of several runs, their mean as a line, a band from least to most.

#include <string>
#include <vector>

namespace spikeloom::cli {

struct CurvePoint {
  double x = 0.0;
  std::vector<double> y = {};  ///< one a run; at least one

  double mean() const;
};

struct CurveLine {
  std::string name;
  std::vector<CurvePoint> points = {};  ///< by rising x
};

struct CurvePicture {
  std::string title, x_name, y_name;
  std::vector<CurveLine> lines = {};
  bool reversed = false;  ///< x falls from left to right
};

/// y is a share, drawn from 0 to 100 %.
std::string curve_svg(const CurvePicture& picture);

}  // namespace spikeloom::cli
