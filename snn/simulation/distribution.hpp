#pragma once
/// A number, or the distribution that each neuron or synapse draws its own from.
///
/// A draw is the quantile of one random 32-bit word w, at u = (w + 1/2) / 2^32: nothing is drawn
/// again, so that draw i of a sequence is its i-th word whatever was drawn before. A bounded normal
/// is the normal given that it lies within its bounds (what drawing again until it does gives), by
/// its quantile, too. Without bounds it ends where 2^-33 of it is left, at 6.3 sd.

#include <cstdint>
#include <limits>
#include <utility>
#include <variant>

#include "base/result.hpp"

namespace spikeloom::simulation {

struct Constant {
  double value = 0.0;
  friend bool operator==(const Constant&, const Constant&) = default;
};

/// Uniform in [low, high].
struct Uniform {
  double low = 0.0, high = 1.0;
  friend bool operator==(const Uniform&, const Uniform&) = default;
};

/// Normal, given that it lies in [low, high].
struct Normal {
  double mean = 0.0, sd = 1.0;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  friend bool operator==(const Normal&, const Normal&) = default;
};

/// exp(x) of a normal x of mean `mu` and standard deviation `sigma`, given that it lies in
/// [low, high].
struct Lognormal {
  double mu = 0.0, sigma = 1.0;
  double low = 0.0, high = std::numeric_limits<double>::infinity();
  friend bool operator==(const Lognormal&, const Lognormal&) = default;
};

using Distribution = std::variant<Constant, Uniform, Normal, Lognormal>;

/// kInvalidArgument: a parameter that is not finite, a negative width, an empty range, or bounds
/// that hold less than a millionth of a normal.
Status check(const Distribution& distribution);

/// The value below which a share `u`, in (0, 1), lies. `distribution` has passed check().
double quantile(const Distribution& distribution, double u);

/// The share that lies at or below `x`; 0 or 1 where `distribution` is a Constant.
double cumulative(const Distribution& distribution, double x);

/// quantile() at (word + 1/2) / 2^32.
double draw(const Distribution& distribution, std::uint32_t word);

/// The smallest and the largest draw.
std::pair<double, double> range(const Distribution& distribution);

}  // namespace spikeloom::simulation
