#include "snn/resolve.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace spikeloom {
namespace {

/// Relative agreement asked of evidence: float32 parameters carry 6e-8, quotients a little more.
constexpr double kAgreement = 1e-4;

bool agree(double a, double b) { return std::abs(a - b) <= kAgreement * std::abs(b); }

/// A value that all neurons share, or the fact that they do not.
struct Uniform {
  bool seen = false, same = true;
  double value = 0.0;

  void add(double v) {
    if (!seen) {
      seen = true;
      value = v;
    } else if (!agree(v, value)) {
      same = false;
    }
  }
  bool holds() const { return seen && same && value > 0.0 && std::isfinite(value); }
};

/// The decimal of two significant digits next to `value` when they agree: steps are chosen by
/// people (1e-4, 2.5e-3), so a quotient that is no such number is a coincidence, not evidence.
std::optional<double> short_decimal(double value) {
  const double decimal = std::stod(fmt::format("{:.1e}", value));
  if (!agree(value, decimal)) return std::nullopt;
  return decimal;
}

/// dt / tau from Rockpool's r = exp(-k) / k, k = dt / tau: k exp(k) = 1/r by Newton's method.
double rockpool_ratio(double r) {
  double k = 1.0 / r;
  for (int i = 0; i < 50; ++i) k -= (k * std::exp(k) - 1.0 / r) / (std::exp(k) * (k + 1.0));
  return k;
}

struct Evidence {
  bool has_tau = false;   ///< some neuron has a time constant, so dt matters
  bool all_r_one = true;  ///< every r and w_in is 1: nothing to learn from
  bool spyx = true;       ///< every LIF has r = 1 - 1/tau
  bool has_lif = false;
  bool has_delay = false;
  Uniform ratio_dt;  ///< tau / r, tau_syn / w_in
  Uniform rockpool_dt;
  Uniform if_r;
  void look_at(const Network& network);

 private:
  void add_pair(const Tensor& tau, const Tensor& gain);
  template <typename Kind>
  void look_at_kind(const Kind& kind);
};

void Evidence::add_pair(const Tensor& tau, const Tensor& gain) {
  if (tau.size() == 0 || gain.size() == 0) return;
  const std::int64_t count = std::max(tau.size(), gain.size());
  for (std::int64_t i = 0; i < count; ++i) {
    const double t = tau.at(tau.size() == 1 ? 0 : std::min(i, tau.size() - 1));
    const double r = gain.at(gain.size() == 1 ? 0 : std::min(i, gain.size() - 1));
    all_r_one = all_r_one && r == 1.0;
    ratio_dt.add(t / r);
    rockpool_dt.add(r > 0.0 ? t * rockpool_ratio(r) : -1.0);
  }
}

template <typename Kind>
void Evidence::look_at_kind(const Kind& kind) {
  if constexpr (std::is_same_v<Kind, node::CubaLi> || std::is_same_v<Kind, node::CubaLif>) {
    has_tau = true;
    spyx = false;
    add_pair(kind.tau_mem, kind.r);
    if (kind.w_in) add_pair(kind.tau_syn, *kind.w_in);
  } else if constexpr (std::is_same_v<Kind, node::Li> || std::is_same_v<Kind, node::Lif>) {
    has_tau = true;
    has_lif = true;
    add_pair(kind.tau, kind.r);
    for (std::int64_t i = 0; i < kind.tau.size() && i < kind.r.size(); ++i) {
      spyx = spyx && std::abs(kind.r.at(i) - (1.0 - 1.0 / kind.tau.at(i))) < 1e-6;
    }
  } else if constexpr (std::is_same_v<Kind, node::If> || std::is_same_v<Kind, node::I>) {
    for (std::int64_t i = 0; i < kind.r.size(); ++i) if_r.add(kind.r.at(i));
  } else if constexpr (std::is_same_v<Kind, node::Delay>) {
    for (const double delay : kind.delay.to_doubles()) has_delay = has_delay || delay != 0.0;
  } else if constexpr (std::is_same_v<Kind, node::Subgraph>) {
    look_at(*kind.network);
  }
}

void Evidence::look_at(const Network& network) {
  for (const Node& node : network.nodes()) {
    std::visit([&](const auto& kind) { look_at_kind(kind); }, node.kind);
  }
}

Status apply(const DiscretisationRequest& request, Discretisation& d) {
  for (const auto& [name, value] : request.options) SPIKELOOM_CHECK(set_option(d, name, value));
  return {};
}

bool given(const DiscretisationRequest& request, std::string_view name) {
  return std::any_of(request.options.begin(), request.options.end(),
                     [&](const auto& option) { return option.first == name; });
}

}  // namespace

Result<ResolvedDiscretisation> resolve_discretisation(const Network& network,
                                                      const DiscretisationRequest& request) {
  Evidence evidence;
  evidence.look_at(network);
  const bool informative = evidence.has_tau && !evidence.all_r_one;
  const auto dt_of = [&](const Uniform& dt) -> std::optional<double> {
    return informative && dt.holds() ? short_decimal(dt.value) : std::nullopt;
  };
  const std::optional<double> ratio = dt_of(evidence.ratio_dt);
  const std::optional<double> rockpool = dt_of(evidence.rockpool_dt);
  const bool spyx_file = evidence.has_lif && evidence.spyx && !evidence.all_r_one;

  ResolvedDiscretisation resolved;
  auto& [d, notes] = resolved;
  if (request.preset) {
    SPIKELOOM_TRY(d, make_preset(*request.preset));
    notes.push_back(fmt::format("preset {}: as asked for", d.preset));
  } else if (request.declared) {
    d = *request.declared;
    notes.push_back(fmt::format("preset {}: declared by the model file", d.preset));
  } else if (spyx_file) {
    SPIKELOOM_TRY(d, make_preset("spyx"));
    notes.emplace_back("preset spyx: every r is 1 - 1/tau, as Spyx writes it");
  } else if (ratio) {
    SPIKELOOM_TRY(d, make_preset("snntorch"));
    notes.emplace_back("preset snntorch: every tau / r is the same time, as snnTorch writes it");
  } else if (rockpool) {
    SPIKELOOM_TRY(d, make_preset("rockpool"));
    notes.emplace_back("preset rockpool: r = tau exp(-dt/tau) / dt, as Rockpool writes it");
  } else {
    notes.emplace_back(
        "preset nir: the file holds no evidence of its producer, so NIR's own equations are "
        "taken literally (v > threshold, reset to v_reset, forward Euler); give --preset if "
        "another tool trained it");
  }

  if (!(d.dt > 0.0) && !given(request, "dt")) {
    if (spyx_file && d.preset == "spyx") {
      d.dt = 1.0;
      d.time_unit = TimeUnit::kSteps;
      d.integrator = Integrator::kRawEuler;
      notes.emplace_back("dt 1 step: r = 1 - 1/tau means that tau is in steps and r is no gain");
    } else if (d.preset == "rockpool" && rockpool) {
      d.dt = *rockpool;
      notes.push_back(fmt::format("dt {:.6g}: from r = tau exp(-dt/tau) / dt", d.dt));
    } else if (d.preset != "rockpool" && ratio) {
      d.dt = *ratio;
      notes.push_back(fmt::format("dt {:.6g}: from tau / r, the same for every neuron", d.dt));
    }
  }
  SPIKELOOM_CHECK(apply(request, d));
  if (d.dt > 0.0 && !given(request, "if-gain") && evidence.if_r.holds() &&
      evidence.if_r.value != 1.0 && agree(evidence.if_r.value * d.dt, 1.0)) {
    d.if_gain = IfGain::kRTimesDt;
    notes.emplace_back("if-gain r-dt: r is 1/dt, as SpikingJelly writes it");
  }
  if (!(d.dt > 0.0) && (evidence.has_tau || evidence.has_delay)) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "the time step is unknown: the file does not determine it",
                 .expected = "tau / r equal for all neurons, or an explicit step",
                 .got = evidence.all_r_one ? "r is 1" : "neurons that imply different steps",
                 .next = "give --dt SECONDS (the step the network was trained with)"};
  }
  if (d.dt > 0.0 && d.step_time() <= 0) {
    return Error{.what = "the time step is outside what 64-bit nanoseconds can hold",
                 .got = fmt::format("{}", d.dt),
                 .next = "give --dt between 1e-9 and 9e9 seconds"};
  }
  return resolved;
}

}  // namespace spikeloom
