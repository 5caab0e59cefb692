#include "models/quantize/detail/fit.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom::detail {
namespace {

/// Scales that are tried: this many, in equal steps down to a quarter of the largest.
constexpr int kScales = 60;
constexpr double kSmallest = 0.25;
/// Rounds over a row; few rows need a third.
constexpr int kRounds = 8;

double nearest(double weight, double scale, double highest) {
  return std::clamp(std::nearbyint(weight / scale), -highest, highest);
}

}  // namespace

std::vector<double> fit_integers(std::span<const FittedWeight> row, double scale, double highest) {
  std::vector<double> integers;
  double mean = 0.0;  // sum of d_k m_k
  for (const FittedWeight& w : row) {
    integers.push_back(nearest(w.weight, scale, highest));
    mean += (integers.back() * scale - w.weight) * w.mean;
  }
  for (int round = 0; round < kRounds; ++round) {
    bool moved = false;
    for (std::size_t k = 0; k < row.size(); ++k) {
      const FittedWeight& w = row[k];
      const double variance = std::max(0.0, w.square - w.mean * w.mean);
      for (const double by : {-1.0, 1.0}) {
        const double moved_to = integers[k] + by;
        if (std::abs(moved_to) > highest) continue;
        const double now = integers[k] * scale - w.weight;
        const double then = moved_to * scale - w.weight;
        const double mean_then = mean + by * scale * w.mean;
        const double change =
            mean_then * mean_then - mean * mean + (then * then - now * now) * variance;
        if (!(change < 0.0)) continue;
        integers[k] = moved_to;
        mean = mean_then;
        moved = true;
        break;
      }
    }
    if (!moved) break;
  }
  return integers;
}

double fit_error(std::span<const FittedWeight> row, std::span<const double> integers,
                 double scale) {
  double mean = 0.0, spread = 0.0;
  for (std::size_t k = 0; k < row.size(); ++k) {
    const double off = integers[k] * scale - row[k].weight;
    mean += off * row[k].mean;
    spread += off * off * std::max(0.0, row[k].square - row[k].mean * row[k].mean);
  }
  return mean * mean + spread;
}

double fit_scale(const std::vector<std::vector<FittedWeight>>& rows, double largest,
                 double highest) {
  double best = largest, least = -1.0;
  std::vector<double> integers;
  for (int i = 0; i < kScales; ++i) {
    const double scale = largest * (1.0 - (1.0 - kSmallest) * i / kScales);
    double error = 0.0;
    for (const auto& row : rows) {
      integers.clear();
      for (const FittedWeight& w : row) integers.push_back(nearest(w.weight, scale, highest));
      error += fit_error(row, integers, scale);
    }
    if (least >= 0.0 && !(error < least)) continue;
    best = scale;
    least = error;
  }
  return best;
}

}  // namespace spikeloom::detail
