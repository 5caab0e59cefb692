#include "snn/simulation/distribution.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <boost/math/special_functions/erf.hpp>
#include <fmt/format.h>

namespace spikeloom::simulation {
namespace {

constexpr double kLeastShare = 1e-6;

/// Share of the standard normal at or below z.
double normal_share(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

double normal_quantile(double u) { return -std::numbers::sqrt2 * boost::math::erfc_inv(2.0 * u); }

/// A normal between two standardised bounds. Where both lie above the mean the shares above are
/// used instead of those below, which would cancel.
struct Cut {
  bool mirrored = false;
  double low = 0.0, share = 1.0;  ///< share below the lower bound, share between the bounds

  Cut(double z_low, double z_high) : mirrored(z_low > 0.0) {
    low = normal_share(mirrored ? -z_high : z_low);
    share = normal_share(mirrored ? -z_low : z_high) - low;
  }
  double quantile(double u) const {
    const double z = normal_quantile(low + (mirrored ? 1.0 - u : u) * share);
    return mirrored ? -z : z;
  }
  double cumulative(double z) const {
    const double below = (normal_share(mirrored ? -z : z) - low) / share;
    return std::clamp(mirrored ? 1.0 - below : below, 0.0, 1.0);
  }
};

Cut cut(const Normal& d) { return {(d.low - d.mean) / d.sd, (d.high - d.mean) / d.sd}; }
Cut cut(const Lognormal& d) {
  return {(std::log(std::max(d.low, 0.0)) - d.mu) / d.sigma, (std::log(d.high) - d.mu) / d.sigma};
}

Error bad(std::string what, std::string expected, double got) {
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = std::move(what),
               .expected = std::move(expected),
               .got = fmt::format("{}", got)};
}

struct Check {
  Status operator()(const Constant& d) const {
    if (!std::isfinite(d.value)) return bad("a constant is not a number", "finite", d.value);
    return {};
  }
  Status operator()(const Uniform& d) const {
    if (!std::isfinite(d.low)) return bad("a uniform distribution begins nowhere", "finite", d.low);
    if (!(std::isfinite(d.high) && d.high >= d.low)) {
      return bad("a uniform distribution ends before it begins", fmt::format(">= {}", d.low),
                 d.high);
    }
    return {};
  }
  Status operator()(const Normal& d) const {
    return cut_normal(d.mean, d.sd, d.low, d.high, [&] { return cut(d).share; });
  }
  Status operator()(const Lognormal& d) const {
    if (!(d.high > 0.0)) return bad("a lognormal distribution has no room", "high > 0", d.high);
    return cut_normal(d.mu, d.sigma, d.low, d.high, [&] { return cut(d).share; });
  }

 private:
  template <typename F>
  static Status cut_normal(double mean, double sd, double low, double high, const F& share) {
    if (!std::isfinite(mean)) return bad("a normal distribution has no mean", "finite", mean);
    if (!(std::isfinite(sd) && sd >= 0.0)) return bad("a standard deviation", ">= 0", sd);
    if (!(high >= low)) {
      return bad("the bounds of a normal distribution are swapped", fmt::format(">= {}", low),
                 high);
    }
    if (sd == 0.0) return {};
    if (!(share() >= kLeastShare)) {
      return bad("the bounds hold too little of a normal distribution",
                 fmt::format("a share of at least {}", kLeastShare), share());
    }
    return {};
  }
};

struct Quantile {
  double u;
  double operator()(const Constant& d) const { return d.value; }
  double operator()(const Uniform& d) const { return d.low + u * (d.high - d.low); }
  double operator()(const Normal& d) const {
    const double x = d.sd == 0.0 ? d.mean : d.mean + d.sd * cut(d).quantile(u);
    return std::clamp(x, d.low, d.high);
  }
  double operator()(const Lognormal& d) const {
    const double x = d.sigma == 0.0 ? d.mu : d.mu + d.sigma * cut(d).quantile(u);
    return std::clamp(std::exp(x), d.low, d.high);
  }
};

struct Cumulative {
  double x;
  double operator()(const Constant& d) const { return step(d.value); }
  double operator()(const Uniform& d) const {
    if (d.high == d.low) return step(d.low);
    return std::clamp((x - d.low) / (d.high - d.low), 0.0, 1.0);
  }
  double operator()(const Normal& d) const {
    if (d.sd == 0.0) return step(std::clamp(d.mean, d.low, d.high));
    if (x < d.low) return 0.0;
    return x >= d.high ? 1.0 : cut(d).cumulative((x - d.mean) / d.sd);
  }
  double operator()(const Lognormal& d) const {
    if (d.sigma == 0.0) return step(std::clamp(std::exp(d.mu), d.low, d.high));
    if (x < d.low || x <= 0.0) return 0.0;
    return x >= d.high ? 1.0 : cut(d).cumulative((std::log(x) - d.mu) / d.sigma);
  }

 private:
  double step(double at) const { return x >= at ? 1.0 : 0.0; }
};

}  // namespace

Status check(const Distribution& distribution) { return std::visit(Check{}, distribution); }

double quantile(const Distribution& distribution, double u) {
  return std::visit(Quantile{u}, distribution);
}

double cumulative(const Distribution& distribution, double x) {
  return std::visit(Cumulative{x}, distribution);
}

double draw(const Distribution& distribution, std::uint32_t word) {
  return quantile(distribution, (static_cast<double>(word) + 0.5) * 0x1.0p-32);
}

std::pair<double, double> range(const Distribution& distribution) {
  return {draw(distribution, 0), draw(distribution, 0xffffffffU)};
}

}  // namespace spikeloom::simulation
