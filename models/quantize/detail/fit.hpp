#pragma once
/// Fitting integers to weights by what reaches them (docs/integer.md, Calibrating).
///
/// A sum y = sum_k w_k x_k of inputs with mean m_k and mean square q_k, taken as independent, is
/// off by d_k = s n_k - w_k in every weight, and on average by
///
///     E = (sum_k d_k m_k)^2 + sum_k d_k^2 (q_k - m_k^2)

#include <span>
#include <vector>

namespace spikeloom::detail {

/// A weight in units of the sum, and what it is multiplied with.
struct FittedWeight {
  double weight = 0.0, mean = 0.0, square = 0.0;
};

/// Integers n_k of -highest .. highest, to the nearest (ties to even), and then moved by one up or
/// down while that lowers E.
std::vector<double> fit_integers(std::span<const FittedWeight> row, double scale, double highest);

/// E of a row with these integers.
double fit_error(std::span<const FittedWeight> row, std::span<const double> integers, double scale);

/// The scale between a quarter of `largest` and `largest` whose nearest integers have the least sum
/// of E over the rows; `largest` where nothing reaches them.
double fit_scale(const std::vector<std::vector<FittedWeight>>& rows, double largest,
                 double highest);

}  // namespace spikeloom::detail
